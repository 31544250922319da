//! Attacks against those of tests/vectors/attacks.py, in float64 by PyTorch.

use super::nets::{pixels, plain, residual, settings, target};
use crate::made::nchw;
use approx::{abs_diff_eq, abs_diff_ne};
use safetensors::SafeTensors;
use sharpdim::Device;
use sharpdim::attack::{Apgd, Attack, Bim, Fgsm, Goal, Loss, MiFgsm, Norm, Pgd, Square, StepSize};
use sharpdim::nn::Topology;

struct Vectors(Vec<u8>);

impl Vectors {
    fn read() -> Self {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/vectors/attacks.safetensors");
        Vectors(std::fs::read(path).expect("it is part of the repository"))
    }

    fn floats(&self, name: &str) -> Vec<f32> {
        let tensors = SafeTensors::deserialize(&self.0).unwrap();
        let tensor = tensors.tensor(name).unwrap_or_else(|_| panic!("{name} is among the vectors"));
        tensor.data().chunks_exact(4).map(|bytes| f32::from_le_bytes(bytes.try_into().unwrap())).collect()
    }
}

fn cases() -> [(&'static str, Topology, [usize; 2]); 2] {
    [("plain", plain(), [12, 10]), ("residual", residual(), [20, 22])]
}

/// What an attack added to three images, as PyTorch orders them, and their losses.
fn added(
    attack: &dyn Attack,
    topology: &Topology,
    size: [usize; 2],
    classes: usize,
    epsilon: f32,
) -> (Vec<f32>, Vec<f32>) {
    let (images, labels) = pixels(3, size, classes);
    let mut target = target(&Device::cpu(), topology, &settings(3, size, classes));
    let found = attack.run(&mut target, &images, &labels, &[epsilon]).unwrap().remove(0);
    let delta: Vec<f32> = found.images.iter().zip(&images).map(|(x, origin)| x - origin).collect();
    (nchw(&delta, [3, size[0], size[1], 3]), found.losses)
}

/// Each value's sign is the gradient's, but where that is within rounding of 0.
#[test]
fn fgsm_has_pytorchs_signs() {
    let vectors = Vectors::read();
    for (name, topology, size) in cases() {
        let (got, _) = added(&Fgsm::default(), &topology, size, 3, 4.0);
        let want = vectors.floats(&format!("{name}.fgsm"));
        let gradient = vectors.floats(&format!("{name}.gradient"));
        let image = got.len() / 3;
        let mut near_zero = 0;
        for at in 0..got.len() {
            let of_image = &gradient[at / image * image..][..image];
            let greatest = of_image.iter().fold(0f32, |a, b| a.max(b.abs()));
            if got[at] != want[at] {
                let near_0 = abs_diff_eq!(gradient[at], 0.0, epsilon = 1e-5 * greatest);
                assert!(near_0, "{name}, value {at}: {} for {}", got[at], want[at]);
                near_zero += 1;
            }
        }
        println!("{name}: {near_zero} signs of {} differ, of gradients within rounding of 0", got.len());
        assert!(near_zero <= got.len() / 500, "{name}: {near_zero}");
    }
}

/// A sign that differs moves its value by a whole step: those values are counted, and what they are cannot matter to the
/// others.
#[test]
fn attacks_are_pytorchs() {
    let vectors = Vectors::read();
    let start = Pgd { random_start: false, ..Pgd::default() };
    let auto = Apgd { steps: 10, random_start: false, ..Apgd::default() };
    let bim = Bim { alpha: StepSize::Pixels(1.0), ..Bim::default() };
    let starts = Pgd { steps: 4, restarts: 2, seed: 9, ..Pgd::default() };
    let attacks: [(&str, f32, Box<dyn Attack>); 12] = [
        ("bim", 4.0, Box::new(bim)),
        ("pgd", 4.0, Box::new(start)),
        ("pgd2", 120.0, Box::new(Pgd { norm: Norm::L2, ..start })),
        ("mi", 4.0, Box::new(MiFgsm::default())),
        ("mi2", 120.0, Box::new(MiFgsm { norm: Norm::L2, ..MiFgsm::default() })),
        ("apgd", 4.0, Box::new(auto)),
        ("apgd2", 120.0, Box::new(Apgd { norm: Norm::L2, ..auto })),
        ("dlr", 4.0, Box::new(Apgd { loss: Loss::Dlr, ..auto })),
        ("starts", 4.0, Box::new(starts)),
        ("starts2", 120.0, Box::new(Pgd { norm: Norm::L2, ..starts })),
        ("square", 16.0, Box::new(Square { queries: 40, seed: 9, ..Square::default() })),
        ("towards", 4.0, Box::new(Bim { goal: Goal::Next, ..bim })),
    ];
    for (name, topology, size) in cases() {
        for (which, epsilon, attack) in &attacks {
            compare(&vectors, (name, which), attack.as_ref(), &topology, size, 3, *epsilon);
        }
    }
    let towards = Apgd { loss: Loss::Dlr, goal: Goal::Next, ..auto };
    compare(&vectors, ("five", "dlr_towards"), &towards, &plain(), [12, 10], 5, 4.0);
}

fn compare(
    vectors: &Vectors,
    (name, which): (&str, &str),
    attack: &dyn Attack,
    topology: &Topology,
    size: [usize; 2],
    classes: usize,
    epsilon: f32,
) {
    let (got, losses) = added(attack, topology, size, classes, epsilon);
    let want = vectors.floats(&format!("{name}.{which}"));
    let flips = got.iter().zip(&want).filter(|(g, w)| abs_diff_ne!(g, w, epsilon = 1e-3 * epsilon)).count();
    let (mut off, mut norm) = (0.0, 0.0);
    for (g, w) in got.iter().zip(&want).filter(|(g, w)| abs_diff_eq!(*g, *w, epsilon = 1e-3 * epsilon)) {
        off += f64::from(g - w).powi(2);
        norm += f64::from(*w).powi(2);
    }
    let off = (off / norm).sqrt();
    println!("{name}, {which}: off by {off:.1e} of its norm, {flips} values of {} apart", got.len());
    assert!(off <= 1e-4, "{name}, {which}: off by {off:.1e}");
    assert!(flips <= got.len() / 200, "{name}, {which}: {flips} values are apart");
    let want = vectors.floats(&format!("{name}.{which}.losses"));
    for (got, want) in losses.iter().zip(&want) {
        assert!(
            abs_diff_eq!(got, want, epsilon = 1e-4 * want + 1e-5),
            "{name}, {which}: loss {got} for {want}"
        );
    }
}
