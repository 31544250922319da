//! What attacks refuse, and what they say.

use super::nets::{Learned, pixels, plain, scale, settings, state, target};
use sharpdim::Device;
use sharpdim::attack::{
    Apgd, Attack, Bim, Fgsm, Goal, Loss, MiFgsm, Norm, Pgd, Square, StepSize, Target, UniformNoise,
    robustness, smallest_epsilon,
};

const SIZE: [usize; 2] = [8, 6];

#[track_caller]
fn says<T>(result: sharpdim::Result<T>, words: &[&str]) {
    let message = result.err().expect("refused").to_string();
    for word in words {
        assert!(message.contains(word), "{word:?} in {message:?}");
    }
}

#[test]
fn epsilons_images_and_labels() {
    let mut target = target(&Device::cpu(), &plain(), &settings(2, SIZE, 3));
    let (images, labels) = pixels(3, SIZE, 3);
    let fgsm = Fgsm::default();
    for epsilon in [-1.0, f32::NAN, 255.5, f32::INFINITY] {
        says(
            fgsm.run(&mut target, &images, &labels, &[1.0, epsilon]),
            &["FGSM", &epsilon.to_string(), "0 to 255"],
        );
    }
    // sqrt(144) times the range.
    let l2 = UniformNoise { norm: Norm::L2, ..UniformNoise::default() };
    says(l2.run(&mut target, &images, &labels, &[3060.1]), &["0 to 3060"]);
    assert!(l2.run(&mut target, &images, &labels, &[3060.0]).is_ok());
    says(fgsm.run(&mut target, &images[1..], &labels, &[1.0]), &["431 values", "8 x 6 x 3", "144"]);
    says(fgsm.run(&mut target, &[], &[], &[1.0]), &["0 values"]);
    says(fgsm.run(&mut target, &images, &labels[..2], &[1.0]), &["2 labels for 3 images"]);
    says(fgsm.run(&mut target, &images, &[0, 3, 1], &[1.0]), &["image 1", "label 3", "3 classes, 0 to 2"]);
    for value in [-0.5, 256.0, f32::NAN] {
        let mut images = images.clone();
        images[150] = value;
        says(fgsm.run(&mut target, &images, &labels, &[1.0]), &["image 1", &value.to_string(), "0 to 255"]);
    }
    assert_eq!(fgsm.run(&mut target, &images, &labels, &[]).unwrap(), []);
}

#[test]
fn settings_of_attacks() {
    let mut target = target(&Device::cpu(), &plain(), &settings(2, SIZE, 3));
    let (images, labels) = pixels(3, SIZE, 3);
    let mut refuses = |attack: &dyn Attack, words: &[&str]| {
        says(attack.run(&mut target, &images, &labels, &[1.0]), words);
    };
    refuses(&Bim { steps: 0, ..Bim::default() }, &["0 steps", "at least 1"]);
    refuses(&Bim { alpha: StepSize::Pixels(0.0), ..Bim::default() }, &["a step size of 0", "above 0"]);
    refuses(&Pgd { step: StepSize::Relative(f32::NAN), ..Pgd::default() }, &["a step size of NaN"]);
    refuses(&Pgd { restarts: 0, ..Pgd::default() }, &["0 restarts"]);
    refuses(&Pgd { restarts: 3, random_start: false, ..Pgd::default() }, &["3 restarts", "all be the same"]);
    refuses(&MiFgsm { decay: -1.0, ..MiFgsm::default() }, &["a decay of -1", "0 or more"]);
    refuses(&Fgsm { goal: Goal::Class(3), ..Fgsm::default() }, &["class 3", "0 to 2"]);
    refuses(&Apgd { rho: 1.5, ..Apgd::default() }, &["a rho of 1.5", "from 0 to 1"]);
    refuses(&Apgd { momentum: -0.1, ..Apgd::default() }, &["a momentum of -0.1"]);
    refuses(&Apgd { steps: 1 << 24, ..Apgd::default() }, &["16777216 steps", "fewer than 2^24"]);
    refuses(
        &Apgd { loss: Loss::Dlr, goal: Goal::Next, ..Apgd::default() },
        &["towards a class", "four classes", "has 3", "Loss::CrossEntropy"],
    );
    refuses(&Apgd { restarts: 0, ..Apgd::default() }, &["0 restarts"]);
    let same = Apgd { restarts: 2, random_start: false, ..Apgd::default() };
    refuses(&same, &["2 restarts", "all be the same"]);
    refuses(&Square { goal: Goal::Class(3), ..Square::default() }, &["class 3", "0 to 2"]);
    refuses(&Square { queries: 0, ..Square::default() }, &["0 queries"]);
    refuses(&Square { p: 0.0, ..Square::default() }, &["windows of 0", "above 0"]);
    says(
        robustness(&Fgsm::default(), &mut target, &images, &labels, &[1.0], 10, 0),
        &["10 bootstrap draws", "40"],
    );
    says(
        smallest_epsilon(&Fgsm::default(), &mut target, &images, &labels, 1.0, 0.0),
        &["a tolerance of 0", "above 0"],
    );
    says(smallest_epsilon(&Fgsm::default(), &mut target, &images, &labels, 300.0, 1.0), &["300", "0 to 255"]);
}

#[test]
fn networks() {
    let two = Learned::get();
    let dlr = Apgd { loss: Loss::Dlr, ..Apgd::default() };
    says(
        dlr.run(&mut two.target(4), &two.images, &two.labels, &[1.0]),
        &["three classes", "has 2", "Loss::CrossEntropy"],
    );
    let target = |classes: usize, scale: &[f32]| {
        let settings = settings(2, SIZE, classes);
        Target::with_topology(&Device::cpu(), &plain(), &settings, &state(&plain(), &settings), scale)
    };
    says(target(1, &scale()), &["tiny vgg", "one logit", "two or more"]);
    for scale in [&[1.0; 4][..], &[], &[0.0, 1.0, 1.0, 0.0, 0.0, 0.0], &[1.0, 1.0, 1.0, 0.0, f32::NAN, 0.0]] {
        says(target(3, scale), &["3 factors above 0"]);
    }
    let range = |low, high| target(3, &scale()).unwrap().with_range(low, high);
    says(range(1.0, 1.0), &["1 to 1"]);
    says(range(0.0, f32::INFINITY), &["finite"]);
}
