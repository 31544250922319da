//! Attacks on every device, against the CPU.

use super::nets::{attacks, pixels, plain, residual, settings, target};
use crate::support::devices;
use approx::{abs_diff_eq, abs_diff_ne};
use sharpdim::attack::{Attack, Attacked, Bim, Norm, Pgd};
use sharpdim::nn::Settings;
use sharpdim::{Device, Precision};

#[test]
fn attacks_on_every_device() {
    for (topology, size) in [(plain(), [8, 6]), (residual(), [9, 9])] {
        // The second batch has one image.
        let (images, labels) = pixels(3, size, 3);
        let run = |device: &Device| -> Vec<Attacked> {
            let mut target = target(device, &topology, &settings(2, size, 3));
            let all = attacks();
            all.iter()
                .map(|attack| attack.run(&mut target, &images, &labels, &[4.0]).unwrap().remove(0))
                .collect()
        };
        let cpu = run(&Device::cpu());
        for device in devices() {
            for ((got, want), attack) in run(&device).iter().zip(&cpu).zip(attacks()) {
                let name = format!("{device}, {}", attack.name());
                for (got, want) in got.losses.iter().zip(&want.losses) {
                    assert!(
                        abs_diff_eq!(got, want, epsilon = 1e-3 * want.max(1.0)),
                        "{name}: loss {got} for {want}"
                    );
                }
                assert_eq!(got.masked, want.masked, "{name}");
                let apart =
                    got.images.iter().zip(&want.images).filter(|(g, w)| abs_diff_ne!(g, w, epsilon = 0.01));
                assert!(apart.count() <= images.len() / 50, "{name}: other images");
            }
        }
    }
}

/// A network of bf16 follows signs of other gradients than one of f32, so that what it finds is not compared value by value:
/// it must hold in f32, by the same network on the CPU.
#[test]
fn attacks_in_bf16() {
    for (topology, size) in [(plain(), [8, 6]), (residual(), [9, 9])] {
        let (images, labels) = pixels(3, size, 3);
        let mut cpu = target(&Device::cpu(), &topology, &settings(2, size, 3));
        let (_, clean) = cpu.evaluate(&images, &labels).unwrap();
        let bf16 = Settings { precision: Precision::Bf16, ..settings(2, size, 3) };
        let (bim, l2) = (Bim::default(), Pgd { norm: Norm::L2, ..Pgd::default() });
        let attacks: [(&dyn Attack, f32); 2] = [(&bim, 4.0), (&l2, 60.0)];
        let run = |device: &Device| -> Vec<Attacked> {
            let mut target = target(device, &topology, &bf16);
            let each = attacks.iter().flat_map(|(attack, epsilon)| {
                attack.run(&mut target, &images, &labels, &[0.0, *epsilon]).unwrap()
            });
            each.collect()
        };
        let mut first: Option<Vec<Attacked>> = None;
        for device in devices().into_iter().filter(|device| !device.is_cpu()) {
            let found = run(&device);
            for (pair, (attack, epsilon)) in found.chunks(2).zip(attacks) {
                let name = format!("{device}, {}", attack.name());
                assert!(pair[0].images == images, "{name}: an epsilon of 0 moves nothing");
                for (got, want) in pair[0].losses.iter().zip(&clean) {
                    assert!(
                        abs_diff_eq!(got, want, epsilon = 0.05 * want.max(1.0)),
                        "{name}: loss {got} for {want}"
                    );
                }
                let delta: Vec<f64> = pair[1]
                    .images
                    .iter()
                    .zip(&images)
                    .map(|(x, x0)| f64::from(*x) - f64::from(*x0))
                    .collect();
                for delta in delta.chunks(images.len() / 3) {
                    let radius = match attack.norm() {
                        Norm::Linf => delta.iter().fold(0.0, |most: f64, d| most.max(d.abs())),
                        Norm::L2 => delta.iter().map(|d| d * d).sum::<f64>().sqrt() / (1.0 + 1e-6),
                    };
                    assert!(radius <= f64::from(epsilon) && radius > 0.0, "{name}: {radius}");
                }
                let (_, attacked) = cpu.evaluate(&pair[1].images, &labels).unwrap();
                for (attacked, clean) in attacked.iter().zip(&clean) {
                    assert!(attacked > clean, "{name}: in f32 {attacked} after {clean}");
                }
            }
            if device.name().starts_with("emulated") {
                let first = first.get_or_insert_with(|| found.clone());
                assert!(*first == found, "{device}: the order of threads shows");
            }
        }
    }
}
