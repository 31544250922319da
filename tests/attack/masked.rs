//! Gradients that are 0, or that f32 has no room for, are counted.

use super::nets::{attacks, pixels, plain, scale, settings, state};
use sharpdim::Device;
use sharpdim::attack::{Apgd, Attack, Fgsm, Loss, Target};
use sharpdim::nn::Numbers;

const SIZE: [usize; 2] = [8, 6];

/// A network whose last layer has the factor `weights` and these biases.
fn target(weights: f32, biases: [f32; 3]) -> Target {
    let settings = settings(2, SIZE, 3);
    let mut state = state(&plain(), &settings);
    for tensor in &mut state.tensors {
        if let Numbers::F32(values) = &mut tensor.numbers {
            match tensor.name.as_str() {
                "classifier.6.weight" => values.iter_mut().for_each(|v| *v *= weights),
                "classifier.6.bias" => values.copy_from_slice(&biases),
                _ => {}
            }
        }
    }
    Target::with_topology(&Device::cpu(), &plain(), &settings, &state, &scale()).unwrap()
}

#[test]
fn a_last_layer_of_zeros_masks_all() {
    let (images, labels) = pixels(5, SIZE, 3);
    let mut target = target(0.0, [1.0, 0.0, 0.0]);
    for attack in attacks() {
        let found = attack.run(&mut target, &images, &labels, &[6.0]).unwrap().remove(0);
        let name = attack.name();
        let gradients = !(name.contains("Square") || name.contains("noise"));
        assert_eq!(found.masked, if gradients { 5 } else { 0 }, "{name}");
        assert_eq!(found.predictions, [0; 5], "{name}");
        assert_eq!(found.success, [false, true, true, false, true], "{name}");
    }
    let found = Fgsm::default().run(&mut target, &images, &labels, &[6.0]).unwrap().remove(0);
    assert!(found.images == images, "there is no direction to go in");
}

/// exp(-200) is 0 in f32: the cross-entropy of a sure network has no gradient, the ratio of logits has one.
#[test]
fn a_sure_network_masks_the_cross_entropy_and_not_the_ratio() {
    let (images, _) = pixels(4, SIZE, 3);
    let mut target = target(1.0, [200.0, 0.0, 0.0]);
    let run = |target: &mut Target, loss| {
        let apgd = Apgd { loss, steps: 5, random_start: false, ..Apgd::default() };
        apgd.run(target, &images, &[0; 4], &[6.0]).unwrap().remove(0)
    };
    let (entropy, ratio) = (run(&mut target, Loss::CrossEntropy), run(&mut target, Loss::Dlr));
    assert_eq!((entropy.masked, ratio.masked), (4, 0));
    assert!(entropy.images == images && ratio.images != images);
}
