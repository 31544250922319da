//! Generated image domains: a picture of them, and what estimators and a small training say of them, setting by
//! setting. docs/generated.md has its tables and its picture:
//!
//!     cargo run --release --example domains -- --table --out docs/images/generated.png
//!     cargo run --release --example domains -- --train --latents 4,16,64 --contrasts 0.1,0.2,0.3,0.5

use clap::Parser;
use sharpdim::data::{Color, Dataset, Domain, Family, Images, Loaded, Preprocess};
use sharpdim::figure::{Cell, Pictures};
use sharpdim::measure::{Estimator, Mle, Protocol, intrinsic_dim, label_sharpness};
use sharpdim::nn::{Model, Recipe, Trainer};
use sharpdim::{Device, Error, Points, Result};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;

/// Draws generated image domains, measures them, and trains on them.
#[derive(Parser)]
struct Args {
    /// Write a picture of both families there: PNG or SVG, by its ending.
    #[arg(long)]
    out: Option<PathBuf>,
    /// Print intrinsic dimension (MLE, k = 20) and label sharpness (all pairs) for each setting, in RGB.
    #[arg(long)]
    table: bool,
    /// Print a ResNet-18's test accuracy and test loss for some settings.
    #[arg(long)]
    train: bool,
    /// The families.
    #[arg(long, value_delimiter = ',', default_values_t = Family::ALL)]
    families: Vec<Family>,
    /// Numbers of latents, of the tables.
    #[arg(long, value_delimiter = ',', default_values_t = [2, 4, 8, 16, 32, 64])]
    latents: Vec<usize>,
    /// Contrasts, of the tables.
    #[arg(long, value_delimiter = ',', default_values_t = [0.1, 0.2, 0.4, 0.7, 1.0])]
    contrasts: Vec<f64>,
    /// Images of each class that are measured.
    #[arg(long, default_value_t = 500)]
    per_class: usize,
    /// Height and width of images that are measured and trained on.
    #[arg(long, default_value_t = 32)]
    size: usize,
    /// What all images follow from.
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Images to train on.
    #[arg(long, default_value_t = 300)]
    samples: usize,
    /// Epochs of training.
    #[arg(long, default_value_t = 15)]
    epochs: u32,
}

impl Args {
    fn domain(&self, family: Family, latents: usize, contrast: f64) -> Domain {
        Domain { family, latents, contrast, size: self.size, seed: self.seed }
    }
}

fn load(dataset: &Dataset, color: Color) -> Result<Loaded> {
    dataset.load(&Preprocess { size: None, color, ..Preprocess::default() }, &|_| {})
}

/// Each family at few, some and many latents: two images of each class, the labelled change growing to the right.
fn picture(args: &Args, out: &Path) -> Result<()> {
    const SIZE: usize = 96;
    const CONTRASTS: [f64; 3] = [0.2, 0.5, 1.0];
    const LATENTS: [usize; 3] = [2, 8, 32];
    let heads: Vec<String> = CONTRASTS.iter().flat_map(|c| vec![format!("contrast {c}"); 4]).collect();
    let mut all = Pictures::new("Generated image domains: class, and number of latents", SIZE as u32, &heads);
    for family in &args.families {
        for latents in LATENTS {
            let mut row = Vec::new();
            for contrast in CONTRASTS {
                let domain = Domain { size: SIZE, ..args.domain(*family, latents, contrast) };
                // The same things at every contrast.
                for image in 0..4 {
                    let class = image % 2;
                    let levels = domain.draw(&domain.latents_of(image), class)?;
                    let pixels: Vec<u8> = levels.iter().map(|level| level.round() as u8).collect();
                    let name = family.class_names()[class];
                    let cell = Cell::new(&pixels, [SIZE, SIZE, family.channels()])?;
                    row.push(cell.caption(format!("{name}, {latents}")));
                }
            }
            all = all.row(row);
        }
    }
    all.draw()?.write(out)
}

/// Rows of latents, columns of contrasts.
fn table(args: &Args, title: &str, cell: impl Fn(usize, f64) -> Result<String>) -> Result<String> {
    let heads: Vec<String> = args.contrasts.iter().map(|contrast| format!(" {contrast} |")).collect();
    let mut table = format!(
        "{title}\n\n| latents | {}\n|---:|{}\n",
        heads.concat().trim_start(),
        "---:|".repeat(heads.len())
    );
    for latents in &args.latents {
        let cells: Result<Vec<String>> =
            args.contrasts.iter().map(|contrast| cell(*latents, *contrast)).collect();
        table.push_str(&format!("| {latents} | {} |\n", cells?.join(" | ")));
    }
    Ok(table)
}

fn measured(args: &Args, family: Family) -> Result<()> {
    let device = Device::cpu();
    let loaded = |latents, contrast| {
        let dataset = Dataset::generate(&args.domain(family, latents, contrast), args.per_class)?;
        load(&dataset, Color::Rgb)
    };
    let dimension = |latents, contrast| {
        let samples = loaded(latents, contrast)?.samples;
        let found = intrinsic_dim(&device, &samples.points()?, &Estimator::Mle(Mle::default()))?;
        Ok(format!("{:.1}", found.value))
    };
    let sharpness = |latents, contrast| {
        let Loaded { samples, labels, .. } = loaded(latents, contrast)?;
        let points = samples.points()?;
        let found = label_sharpness(&device, &points, &labels, Protocol::AllPairs, 1, &|_| ())?;
        Ok(format!("{:.2}", 1e4 * found.max))
    };
    let images = 2 * args.per_class;
    let heading = |what: &str| {
        format!(
            "**{family}: {what}**, by latents and contrast;\n{images} images of {0} x {0} pixels, in RGB",
            args.size
        )
    };
    println!("{}", table(args, &heading("intrinsic dimension"), dimension)?);
    println!("{}", table(args, &heading("label sharpness, in 1e-4"), sharpness)?);
    Ok(())
}

/// What the same estimate makes of the latents themselves: there is no more to be had of images of them.
fn of_latents(args: &Args) -> Result<()> {
    let images = 2 * args.per_class;
    let mut line = format!("**Intrinsic dimension of the latents themselves**, {images} times:");
    for latents in &args.latents {
        let domain = args.domain(Family::Objects, *latents, 1.0);
        let values: Vec<f32> =
            (0..images).flat_map(|image| domain.latents_of(image)).map(|latent| latent as f32).collect();
        let points = Points::f32(&values, *latents)?;
        let found = intrinsic_dim(&Device::cpu(), &points, &Estimator::Mle(Mle::default()))?;
        line.push_str(&format!(" {:.1} of {latents},", found.value));
    }
    println!("{}.\n", line.trim_end_matches(','));
    Ok(())
}

fn trained(args: &Args, family: Family) -> Result<()> {
    const TESTED: usize = 500;
    let device = Device::cpu();
    let title = format!(
        "**{family}: test accuracy in %, and test loss**, by latents and contrast;\nResNet-18, \
         {} images of {2} x {2} pixels, {} epochs, {TESTED} other images; means of the last 5 epochs",
        args.samples, args.epochs, args.size
    );
    let cell = |latents, contrast| {
        let per_class = (args.samples + TESTED).div_ceil(2) + 1;
        let dataset = Dataset::generate(&args.domain(family, latents, contrast), per_class)?;
        let (train, test) = dataset.split(args.samples, TESTED, args.seed)?;
        let images = |part| Images::new(load(part, Color::AsIs)?);
        let recipe =
            Recipe { epochs: args.epochs, seed: args.seed, ..Recipe::paper(Model::ResNet18, &device) };
        let start = Instant::now();
        let mut trainer = Trainer::new(&device, &images(&train)?, &images(&test)?, recipe)?;
        while !trainer.is_finished() {
            trainer.step()?;
        }
        let last = &trainer.history()[trainer.history().len().saturating_sub(5)..];
        let mean =
            |value: fn(&sharpdim::nn::Epoch) -> f64| last.iter().map(value).sum::<f64>() / last.len() as f64;
        let (accuracy, loss) = (100.0 * mean(|epoch| epoch.test_accuracy), mean(|epoch| epoch.test_loss));
        eprintln!(
            "{family}, {latents} latents, contrast {contrast}: {accuracy:.1} %, {loss:.3} ({:.0?})",
            start.elapsed()
        );
        Ok(format!("{accuracy:.0}, {loss:.2}"))
    };
    println!("{}", table(args, &title, cell)?);
    Ok(())
}

fn run(args: &Args) -> Result<()> {
    if args.out.is_none() && !args.table && !args.train {
        return Err(Error::Argument("nothing to do: ask for --out FILE.png, --table or --train".into()));
    }
    if let Some(out) = &args.out {
        picture(args, out)?;
    }
    if args.table {
        of_latents(args)?;
    }
    for family in &args.families {
        if args.table {
            measured(args, *family)?;
        }
        if args.train {
            trained(args, *family)?;
        }
    }
    Ok(())
}

fn main() -> ExitCode {
    match run(&Args::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("domains: {error}");
            ExitCode::FAILURE
        }
    }
}
