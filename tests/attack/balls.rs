//! Every attack stays in its ball and in the range, gives the image back at 0, and does not know the size of batches.

use super::nets::{attacks, pixels, plain, settings, target};
use approx::abs_diff_eq;
use proptest::prelude::*;
use sharpdim::Device;
use sharpdim::attack::{Attack, Attacked, Norm, Target};

const SIZE: [usize; 2] = [8, 6];
const IMAGE: usize = 8 * 6 * 3;

fn bits(values: &[f32]) -> Vec<u32> {
    values.iter().map(|v| v.to_bits()).collect()
}

fn in_ball(
    attack: &dyn Attack,
    found: &Attacked,
    images: &[f32],
    [low, high]: [f32; 2],
) -> Result<(), String> {
    let name = attack.name();
    for (x, origin) in found.images.chunks(IMAGE).zip(images.chunks(IMAGE)) {
        if let Some(v) = x.iter().find(|v| !(low..=high).contains(*v)) {
            return Err(format!("{name}: {v} is not in the range"));
        }
        let deltas = x.iter().zip(origin).map(|(x, origin)| f64::from(*x) - f64::from(*origin));
        let (size, most) = match attack.norm() {
            Norm::Linf => (deltas.map(f64::abs).fold(0.0, f64::max), f64::from(found.epsilon)),
            Norm::L2 => (deltas.map(|d| d * d).sum::<f64>().sqrt(), f64::from(found.epsilon) * (1.0 + 1e-6)),
        };
        if size > most {
            return Err(format!("{name}: {size} from the image, {most} are allowed"));
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_attack_leaves_its_ball_or_the_range(
        images in prop::collection::vec(prop_oneof![0f32..=255.0, Just(0.0), Just(-0.0), Just(255.0)], 3 * IMAGE),
        epsilon in prop_oneof![0f32..40.0, Just(255.0), Just(1e-6), 0f32..1e-3],
    ) {
        let mut target = target(&Device::cpu(), &plain(), &settings(2, SIZE, 3));
        for attack in attacks() {
            let found = attack.run(&mut target, &images, &[0, 1, 2], &[epsilon, 0.0]).unwrap();
            prop_assert_eq!(found.len(), 2);
            let good = in_ball(attack.as_ref(), &found[0], &images, [0.0, 255.0]);
            prop_assert!(good.is_ok(), "{}", good.unwrap_err());
            prop_assert!(bits(&found[1].images) == bits(&images), "{}: epsilon 0", attack.name());
        }
    }
}

#[test]
fn another_range_is_held() {
    let mut target: Target =
        target(&Device::cpu(), &plain(), &settings(2, SIZE, 3)).with_range(-1.0, 1.0).unwrap();
    let (images, labels) = pixels(3, SIZE, 3);
    let images: Vec<f32> = images.iter().map(|v| v / 127.5 - 1.0).collect();
    for attack in attacks() {
        let found = attack.run(&mut target, &images, &labels, &[0.5]).unwrap().remove(0);
        in_ball(attack.as_ref(), &found, &images, [-1.0, 1.0]).unwrap();
        assert!(found.images != images, "{} does nothing", attack.name());
    }
}

/// Where in a batch an image is, and what is beside it, changes no bit. Batches of another size are sums of matrix products
/// in another order: the losses are the same to rounding, and so are the random numbers.
#[test]
fn batches_do_not_matter() {
    let (images, labels) = pixels(5, SIZE, 3);
    let run = |batch: usize, count: usize| -> Vec<Attacked> {
        let mut target = target(&Device::cpu(), &plain(), &settings(batch, SIZE, 3));
        let (images, labels) = (&images[..count * IMAGE], &labels[..count]);
        let all = attacks();
        all.iter().map(|attack| attack.run(&mut target, images, labels, &[6.0]).unwrap().remove(0)).collect()
    };
    for batch in [2, 3, 8] {
        let all = run(batch, 5);
        assert!(run(batch, 5) == all, "again the same");
        for count in 1..5 {
            for ((got, want), attack) in run(batch, count).iter().zip(&all).zip(attacks()) {
                let name = format!("{}, {count} images in batches of {batch}", attack.name());
                assert!(bits(&got.images) == bits(&want.images[..count * IMAGE]), "{name}");
                assert_eq!(bits(&got.losses), bits(&want.losses[..count]), "{name}");
            }
        }
    }
    let whole = run(5, 5);
    for batch in [1, 2, 7] {
        for ((got, want), attack) in run(batch, 5).iter().zip(&whole).zip(attacks()) {
            let name = format!("{}, in batches of {batch}", attack.name());
            let gradients = !(name.contains("noise") || name.contains("Square"));
            assert!(gradients || bits(&got.images) == bits(&want.images), "{name}");
            for (got, want) in got.losses.iter().zip(&want.losses) {
                assert!(
                    abs_diff_eq!(got, want, epsilon = 1e-3 * want.max(1.0)),
                    "{name}: loss {got} for {want}"
                );
            }
        }
    }
}

#[test]
fn passes_are_counted() {
    let (images, labels) = pixels(5, SIZE, 3);
    let mut target = target(&Device::cpu(), &plain(), &settings(2, SIZE, 3));
    let mut passes = |attack: &dyn Attack| {
        let before = target.passes();
        attack.run(&mut target, &images, &labels, &[6.0]).unwrap();
        let after = target.passes();
        [after.forward - before.forward, after.backward - before.backward]
    };
    let all: Vec<[u64; 2]> = attacks().iter().map(|attack| passes(attack.as_ref())).collect();
    for (attack, [forward, backward]) in attacks().iter().zip(&all) {
        let most = attack.passes();
        let search = attack.name().contains("Square");
        assert!(*forward == 5 * most.forward || search && *forward < 5 * most.forward, "{}", attack.name());
        assert_eq!(*backward, 5 * most.backward, "{}", attack.name());
    }
    // Of each image, one more to tell what became of it.
    let work = |forward: u64, backward: u64| [5 * (forward + 1), 5 * backward];
    assert_eq!(all[0], work(1, 1), "FGSM");
    assert_eq!(all[3], work(4, 4), "BIM");
    assert_eq!(all[5], work(2 * 5, 2 * 4), "PGD of two starts");
    assert_eq!(all[9], work(2 * 5, 2 * 5), "APGD of two starts");
    assert_eq!(all[11], work(5, 5), "APGD by the ratio");
    assert_eq!(all[12][1], 0, "Square");
    assert_eq!(all[13][1], 0, "Square towards a class");
    assert_eq!(all[14], work(0, 0), "noise");
}
