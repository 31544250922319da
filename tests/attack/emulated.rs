//! Attacks on every device, against the CPU.

use super::nets::{attacks, pixels, plain, residual, settings, target};
use crate::support::devices;
use sharpdim::Device;
use sharpdim::attack::Attacked;

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
                    assert!((got - want).abs() <= 1e-3 * want.max(1.0), "{name}: loss {got} for {want}");
                }
                assert_eq!(got.masked, want.masked, "{name}");
                let apart = got.images.iter().zip(&want.images).filter(|(g, w)| (*g - *w).abs() > 0.01);
                assert!(apart.count() <= images.len() / 50, "{name}: other images");
            }
        }
    }
}
