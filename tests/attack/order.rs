//! On a network that was trained: better attacks do more, and more epsilon does more.

use super::nets::Learned;
use sharpdim::attack::{
    Apgd, Attack, Attacked, Bim, Fgsm, Goal, MiFgsm, Norm, Pgd, SignNoise, Square, UniformNoise, robustness,
    smallest_epsilon,
};

const EPSILON: f32 = 4.0;

fn run(attack: &dyn Attack) -> Attacked {
    let net = Learned::get();
    let found = attack.run(&mut net.target(16), &net.images, &net.labels, &[EPSILON]).unwrap().remove(0);
    println!("{}: loss {:.4}, accuracy {:.3}", attack.name(), found.mean_loss(), found.accuracy());
    found
}

#[test]
fn better_attacks_do_more() {
    let loss = |attack: &dyn Attack| run(attack).mean_loss();
    let uniform = loss(&UniformNoise::default());
    let signs = loss(&SignNoise::default());
    let fgsm = loss(&Fgsm::default());
    let pgd = loss(&Pgd { steps: 20, ..Pgd::default() });
    let apgd = loss(&Apgd { steps: 60, ..Apgd::default() });
    assert!(uniform < fgsm && signs < fgsm && fgsm < pgd && pgd <= apgd);
    for attack in [&Bim::default() as &dyn Attack, &MiFgsm::default()] {
        assert!(loss(attack) > fgsm, "{}", attack.name());
    }
    let square = loss(&Square { queries: 200, ..Square::default() });
    assert!(square > uniform && square > signs);
}

#[test]
fn the_best_restart_is_kept() {
    let pgd = [1, 3].map(|restarts| run(&Pgd { steps: 3, restarts, ..Pgd::default() }));
    let apgd = [1, 3].map(|restarts| run(&Apgd { steps: 3, restarts, ..Apgd::default() }));
    for [one, three] in [pgd, apgd] {
        let better = three.losses.iter().zip(&one.losses).filter(|(three, one)| three > one).count();
        assert!(three.losses.iter().zip(&one.losses).all(|(three, one)| three >= one));
        assert!(better > 0);
    }
}

#[test]
fn targeted_attacks_raise_the_targets_probability() {
    let net = Learned::get();
    let mut target = net.target(16);
    let goal = Goal::Class(1);
    let probability = |logits: &[f32]| -> Vec<f64> {
        logits.chunks(2).map(|z| 1.0 / (1.0 + f64::from(z[0] - z[1]).exp())).collect()
    };
    let (logits, _) = target.look(&net.images, &net.labels).unwrap();
    let before = probability(&logits);
    let attacks: [Box<dyn Attack>; 7] = [
        Box::new(Fgsm { goal, ..Fgsm::default() }),
        Box::new(Bim { goal, ..Bim::default() }),
        Box::new(Pgd { goal, restarts: 2, ..Pgd::default() }),
        Box::new(Pgd { goal, norm: Norm::L2, ..Pgd::default() }),
        Box::new(MiFgsm { goal, ..MiFgsm::default() }),
        Box::new(MiFgsm { goal, norm: Norm::L2, ..MiFgsm::default() }),
        Box::new(Apgd { goal, steps: 20, ..Apgd::default() }),
    ];
    for attack in attacks {
        let epsilon = if attack.norm() == Norm::L2 { 60.0 } else { EPSILON };
        let found = attack.run(&mut target, &net.images, &net.labels, &[epsilon]).unwrap().remove(0);
        let (logits, _) = target.look(&found.images, &net.labels).unwrap();
        let raised =
            probability(&logits).iter().zip(&before).filter(|(after, before)| after > before).count();
        let saturated = before.iter().filter(|p| **p > 1.0 - 1e-6).count();
        assert!(raised + saturated >= before.len() * 9 / 10, "{}: of {raised}", attack.name());
    }
    // It searches until an image is of the class, whatever becomes of those that are.
    let square = Square { goal, queries: 100, ..Square::default() };
    let found = square.run(&mut target, &net.images, &net.labels, &[EPSILON]).unwrap().remove(0);
    let after = probability(&target.look(&found.images, &net.labels).unwrap().0);
    let others: Vec<usize> = (0..before.len()).filter(|at| before[*at] < 0.5).collect();
    let raised = others.iter().filter(|at| after[**at] > before[**at]).count();
    assert!(raised >= others.len() * 9 / 10, "{raised} of {}", others.len());
    let arrived = others.iter().filter(|at| found.predictions[**at] == 1).count();
    println!("Square: {arrived} of {} arrived", others.len());
    assert!(arrived > 0);
}

#[test]
fn penalties_rise_with_epsilon() {
    let net = Learned::get();
    let pgd = Pgd::default();
    let epsilons = [0.0, 1.0, 2.0, 4.0, 8.0];
    let report =
        |seed| robustness(&pgd, &mut net.target(16), &net.images, &net.labels, &epsilons, 400, seed).unwrap();
    let found = report(3);
    println!("{found}");
    assert_eq!(found, report(3), "the same seed");
    assert_ne!(found, report(4), "another seed");
    assert_eq!(
        (found.levels[0].loss_penalty.value, found.levels[0].accuracy_penalty.interval),
        (0.0, [0.0; 2])
    );
    for pair in found.levels.windows(2) {
        assert!(pair[0].loss_penalty.value < pair[1].loss_penalty.value);
        assert!(pair[0].accuracy_penalty.value <= pair[1].accuracy_penalty.value);
    }
    assert!(found.clean_accuracy.value > 0.8, "it has learned");
    for level in &found.levels {
        let penalty = found.clean_accuracy.value - level.accuracy.value;
        assert!((level.accuracy_penalty.value - penalty).abs() < 1e-12);
        for of in [level.loss, level.accuracy, level.loss_penalty, level.accuracy_penalty] {
            assert!(of.interval[0] <= of.value && of.value <= of.interval[1], "{of:?}");
        }
    }
    let text = found.to_string();
    assert!(text.contains("loss penalty") && text.lines().count() == 2 + epsilons.len());
}

#[test]
fn the_least_epsilon_flips_and_less_does_not() {
    let net = Learned::get();
    let (fgsm, upper, tolerance) = (Fgsm::default(), 6.0, 0.25);
    let found =
        smallest_epsilon(&fgsm, &mut net.target(1), &net.images, &net.labels, upper, tolerance).unwrap();
    println!("{found:?}");
    let image = net.images.len() / net.labels.len();
    let mut target = net.target(1);
    let mut flips = |at: usize, epsilon: f32| {
        let pixels = &net.images[at * image..(at + 1) * image];
        fgsm.run(&mut target, pixels, &net.labels[at..at + 1], &[epsilon]).unwrap()[0].success[0]
    };
    for (at, epsilon) in found.iter().enumerate() {
        match epsilon {
            None => assert!(!flips(at, upper)),
            Some(0.0) => assert!(flips(at, 0.0)),
            Some(epsilon) => {
                // Five halvings of 6 are below the tolerance; all of them are exact.
                assert!(flips(at, *epsilon) && !flips(at, epsilon - upper / 32.0), "image {at}: {epsilon}");
            }
        }
    }
    assert!(found.iter().flatten().any(|epsilon| *epsilon > 0.0), "some are flipped");
}
