//! Images that vary in four ways, and ResNet-18 on weights that anyone can make again: tests/vectors/representations.py has
//! the same.

use crate::made;
use sharpdim::Device;
use sharpdim::data::{Dataset, Images, Preprocess, Scale};
use sharpdim::nn::{Model, Purpose, Recipe, Trained, Trainer};
use std::fs;
use std::sync::OnceLock;

pub const SEED: u64 = 7;
pub const SIZE: usize = 40;

/// The pixels of so many images.
pub fn pixels(count: usize) -> Vec<u8> {
    let each = SIZE * SIZE;
    let (u, _) = made::images(SEED, [5, SIZE, SIZE, 1], 2);
    let u: Vec<f64> = u.into_iter().map(f64::from).collect();
    let (patterns, coefficients) = u.split_at(4 * each);
    let pixel = |at: usize| {
        let c = &coefficients[4 * (at / each)..][..4];
        let mixed = (0..4).fold(0.0, |sum, p| sum + c[p] * patterns[p * each + at % each]);
        (128.5 + 80.0 * mixed).floor().clamp(0.0, 255.0) as u8
    };
    (0..count * each).map(pixel).collect()
}

/// Images of `height` x SIZE, and their classes.
pub fn images(pixels: &[u8], height: usize, labels: &[u8]) -> Images {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, shape: &str, values: &[u8]| {
        let header = format!("{{'descr': '|u1', 'fortran_order': False, 'shape': ({shape}), }}");
        let header = format!("{header:<117}\n");
        let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
        bytes.extend((header.len() as u16).to_le_bytes());
        bytes.extend(header.as_bytes());
        bytes.extend(values);
        fs::write(folder.path().join(name), bytes).unwrap();
    };
    let count = labels.len();
    assert_eq!(pixels.len(), count * height * SIZE);
    write("images.npy", &format!("{count}, {height}, {SIZE}"), pixels);
    write("labels.npy", &format!("{count},"), labels);
    let as_they_are = Preprocess { size: None, scale: Scale::None, ..Preprocess::default() };
    let dataset = Dataset::open(folder.path()).unwrap();
    Images::new(dataset.load_pixels(&as_they_are, &|_finished| ()).unwrap()).unwrap()
}

/// So many, of two classes in turn.
pub fn some(count: usize) -> Images {
    let labels: Vec<u8> = (0..count).map(|at| (at % 2) as u8).collect();
    images(&pixels(count), SIZE, &labels)
}

/// A checkpoint's network, with weights from the hash in the place of its own.
pub fn trained() -> Trained {
    static MADE: OnceLock<Trained> = OnceLock::new();
    let make = || {
        let device = Device::cpu();
        let recipe = Recipe { epochs: 1, ..Recipe::paper(Model::ResNet18, &device) };
        let mut trainer = Trainer::new(&device, &some(2), &some(2), recipe).unwrap();
        while !trainer.is_finished() {
            trainer.step().unwrap();
        }
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("checkpoint.safetensors");
        trainer.save(&path).unwrap();
        let mut trained = Trained::read(&path).unwrap();
        let network = trained.network(&device, 1, Purpose::Inference, &[]).unwrap();
        trained.state = made::state(network.plan(), SEED);
        trained.scale = vec![1.0 / 64.0, -2.0];
        trained
    };
    MADE.get_or_init(make).clone()
}
