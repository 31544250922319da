//! The library in ten lines: a dataset's intrinsic dimension and label sharpness, each with what it rests on.
//!
//! `cargo run --release --example library [path/to/dataset]`

use sharpdim::data::{Dataset, Preprocess};
use sharpdim::measure::{Estimator, Mle, Protocol, intrinsic_dim, label_sharpness};

fn main() -> sharpdim::Result<()> {
    let device = sharpdim::Device::best(); // a CUDA GPU, or else the CPU
    let dataset = match std::env::args_os().nth(1) {
        Some(path) => Dataset::open(path.as_ref())?,
        None => Dataset::generated(50, 64, 0)?,
    };
    let loaded = dataset.load(&Preprocess::default(), &|_finished| ())?; // 224 x 224, as in the paper
    let points = loaded.samples.points()?;
    let dimension = intrinsic_dim(&device, &points, &Estimator::Mle(Mle::default()))?;
    let sharpness = label_sharpness(&device, &points, &loaded.labels, Protocol::AllPairs, 1, &|_| ())?;
    println!("{:.1} ({:.1} .. {:.1})", dimension.value, dimension.low, dimension.high);
    println!("K_F {:.2e}, by {:?}", sharpness.max, sharpness.sharpest[0]);
    Ok(())
}
