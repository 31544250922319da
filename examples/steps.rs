//! Takes steps of training on made-up images, one for each line on standard input, for a peer's script to take the
//! same steps beside it.
//!
//! `yes | head -3 | steps --model resnet18 --batch 40 --size 224`

use clap::Parser;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use sharpdim::nn::{Model, Network, Optimiser, Plan, Purpose, Settings};
use sharpdim::ops::adam::Adam;
use sharpdim::{Device, Error, Precision, Result};
use std::io::BufRead;
use std::path::PathBuf;
use std::time::Instant;

/// Takes one step of training (forward, loss, backward, Adam) on the same random images for each line on standard
/// input, and answers each with a line of JSON: seconds, and the loss before the step.
#[derive(Parser)]
struct Args {
    /// resnet18, resnet34, resnet50, vgg13, vgg16 or vgg19.
    #[arg(long, default_value = "resnet18")]
    model: String,
    /// Images in a batch.
    #[arg(long, default_value_t = 40)]
    batch: usize,
    /// Height and width of an image.
    #[arg(long, default_value_t = 224)]
    size: usize,
    /// Seed of the images and of the weights.
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Probability of a value to fall in VGG's classifier.
    #[arg(long, default_value_t = 0.5)]
    dropout: f32,
    /// auto, cpu or cuda:I.
    #[arg(long, default_value = "auto")]
    device: String,
    /// f32 or bf16.
    #[arg(long, default_value = "f32")]
    precision: String,
    /// Write the first weights here, as safetensors with torchvision's names.
    #[arg(long)]
    weights: Option<PathBuf>,
    /// Write the images (batch, size, size, 3) here, as little-endian f32.
    #[arg(long)]
    images: Option<PathBuf>,
}

fn main() -> std::process::ExitCode {
    match run(&Args::parse()) {
        Ok(()) => std::process::ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("steps: {error}");
            std::process::ExitCode::FAILURE
        }
    }
}

fn run(args: &Args) -> Result<()> {
    let (model, precision): (Model, Precision) = (args.model.parse()?, args.precision.parse()?);
    let settings = Settings {
        batch: args.batch,
        size: [args.size; 2],
        precision,
        dropout: args.dropout,
        purpose: Purpose::Training(Optimiser::Adam(Adam { weight_decay: 1e-4, ..Adam::default() })),
        ..Settings::default()
    };
    let mut network = Network::new(Plan::new(&Device::parse(&args.device)?, model, &settings)?, args.seed)?;
    let mut random = ChaCha8Rng::seed_from_u64(args.seed);
    let images: Vec<f32> =
        (0..args.batch * args.size * args.size * 3).map(|_| random.random_range(-1.0..1.0)).collect();
    let labels: Vec<u32> = (0..args.batch as u32).map(|image| image % 2).collect();
    if let Some(path) = &args.weights {
        network.save(path)?;
    }
    if let Some(path) = &args.images {
        let bytes: Vec<u8> = images.iter().flat_map(|v| v.to_le_bytes()).collect();
        std::fs::write(path, bytes).map_err(|source| Error::Io { path: path.clone(), source })?;
    }
    println!("ready");
    for line in std::io::stdin().lock().lines() {
        if line.is_err() {
            break;
        }
        let start = Instant::now();
        let loss = network.train(&images, &labels, 1e-4)?;
        println!("{}", serde_json::json!({ "seconds": start.elapsed().as_secs_f64(), "loss": loss }));
    }
    Ok(())
}
