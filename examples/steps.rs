//! Takes steps of training on made-up images, or attacks them, once for each line on standard input, for a peer's script
//! to do the same beside it.
//!
//! `yes | head -3 | steps --model resnet18 --batch 40 --size 224`
//! `yes | head -3 | steps --model resnet18 --batch 64 --size 32 --attack pgd`

use clap::{Parser, ValueEnum};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use sharpdim::attack::{Attack, Fgsm, Pgd, StepSize, Target};
use sharpdim::nn::{Model, Network, NetworkPlan, Optimiser, Purpose, Settings};
use sharpdim::ops::adam::Adam;
use sharpdim::{Device, Error, Precision, Result};
use std::io::BufRead;
use std::path::PathBuf;
use std::time::Instant;

/// Takes one step of training (forward, loss, backward, Adam) on the same random images, or attacks them, for each line
/// on standard input, and answers each with a line of JSON: seconds, and the loss before the step or under the attack.
#[derive(Parser)]
struct Args {
    /// The network; a name that none has gets the list.
    #[arg(long, default_value = "resnet18")]
    model: String,
    /// Images in a batch.
    #[arg(long, default_value_t = 40)]
    batch: usize,
    /// Attack rather than train: at an epsilon of 2 of 255, pgd by 10 steps of 0.5 from a random place.
    #[arg(long, value_enum)]
    attack: Option<AttackName>,
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

#[derive(Clone, Copy, ValueEnum)]
enum AttackName {
    Fgsm,
    Pgd,
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
        purpose: match args.attack {
            Some(_) => Purpose::Inference,
            None => Purpose::Training(Optimiser::Adam(Adam { weight_decay: 1e-4, ..Adam::default() })),
        },
        ..Settings::default()
    };
    let mut network =
        Network::new(NetworkPlan::new(&Device::parse(&args.device)?, model, &settings)?, args.seed)?;
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
    if let Some(attack) = args.attack {
        // The network reads -1 to 1.
        let pixels: Vec<f32> = images.iter().map(|v| 127.5 * (v + 1.0)).collect();
        let scale = [[1.0 / 127.5; 3], [-1.0; 3]].concat();
        let state = network.state()?;
        let mut target = Target::of_state(network.plan().device(), model, &settings, &state, &scale)?;
        let attack: Box<dyn Attack> = match attack {
            AttackName::Fgsm => Box::new(Fgsm::default()),
            AttackName::Pgd => Box::new(Pgd { step: StepSize::Pixels(0.5), ..Pgd::default() }),
        };
        drop((network, state));
        return each_line(|| Ok(attack.run(&mut target, &pixels, &labels, &[2.0])?[0].mean_loss()));
    }
    each_line(|| Ok(f64::from(network.train(&images, &labels, 1e-4)?)))
}

/// Does it for each line of standard input, and answers with seconds and the loss.
fn each_line(mut work: impl FnMut() -> Result<f64>) -> Result<()> {
    println!("ready");
    for line in std::io::stdin().lock().lines() {
        if line.is_err() {
            break;
        }
        let start = Instant::now();
        let loss = work()?;
        println!("{}", serde_json::json!({ "seconds": start.elapsed().as_secs_f64(), "loss": loss }));
    }
    Ok(())
}
