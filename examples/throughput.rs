//! Times one operation on made-up data, for a peer's script to time the same work beside it.
//!
//! `throughput --op neighbours --type u8 --n 1750 --dim 150528 --repeats 5 --json`
//! `throughput --op dimension --estimators mle,twonn --n 5000 --dim 784`
//! `throughput --op load --folder scans`

use clap::{Parser, ValueEnum};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;
use sharpdim::data::{Dataset, Preprocess};
use sharpdim::measure::{Estimator, intrinsic_dims};
use sharpdim::{Device, Error, Points, Result, ops};
use std::time::Instant;

/// Times one operation on made-up data: uniform integers 0..=255, as u8 or as f32.
#[derive(Parser)]
struct Args {
    /// Samples.
    #[arg(long, default_value_t = 1750)]
    n: usize,
    /// Values in a sample.
    #[arg(long, default_value_t = 150_528)]
    dim: usize,
    /// What the values are stored as; f32 adds a fraction, so that no exact path applies.
    #[arg(long = "type", value_enum, default_value_t = Type::U8)]
    values: Type,
    /// The operation.
    #[arg(long, value_enum, default_value_t = Op::Neighbours)]
    op: Op,
    /// Neighbours of each sample.
    #[arg(long, default_value_t = 20)]
    k: usize,
    /// Estimators of intrinsic dimension, in one call; all there are where none are named.
    #[arg(long, value_delimiter = ',')]
    estimators: Vec<String>,
    /// Timed runs, after one that is not timed.
    #[arg(long, default_value_t = 3)]
    repeats: usize,
    /// Seed of the data.
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// auto, cpu or cuda:I.
    #[arg(long, default_value = "auto")]
    device: String,
    /// For the operation load: a dataset of image files, decoded and preprocessed as in the paper, without a cache.
    #[arg(long)]
    folder: Option<std::path::PathBuf>,
    /// Raw row-major data to read instead (little-endian f32 or u8, as --type says).
    #[arg(long)]
    data: Option<std::path::PathBuf>,
    /// Write the neighbours' indices here as little-endian u32.
    #[arg(long)]
    indices: Option<std::path::PathBuf>,
    /// One JSON object instead of a line.
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, ValueEnum)]
enum Type {
    U8,
    F32,
}

#[derive(Clone, Copy, ValueEnum)]
enum Op {
    Neighbours,
    Sharpness,
    Dimension,
    Load,
}

fn main() -> std::process::ExitCode {
    match run(&Args::parse()) {
        Ok(()) => std::process::ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("throughput: {error}");
            std::process::ExitCode::FAILURE
        }
    }
}

fn run(args: &Args) -> Result<()> {
    if let Op::Load = args.op {
        return load(args);
    }
    let device = Device::parse(&args.device)?;
    let (bytes, floats) = data(args)?;
    let points = match args.values {
        Type::U8 => Points::u8(&bytes, args.dim)?,
        Type::F32 => Points::f32(&floats, args.dim)?,
    };
    let labels: Vec<u32> = (0..points.n() as u32).map(|i| i % 2).collect();
    let estimators = estimators(&args.estimators)?;
    let mut values = Vec::new();
    let before = peak_bytes();
    let (mut seconds, mut cpu) = (Vec::new(), Vec::new());
    for run in 0..=args.repeats {
        let (start, worked) = (Instant::now(), cpu_seconds());
        match args.op {
            Op::Neighbours => {
                let nearest = ops::neighbours(&device, &points, args.k)?;
                if let (0, Some(path)) = (run, &args.indices) {
                    let all = (0..nearest.n()).flat_map(|i| nearest.indices(i));
                    let bytes: Vec<u8> = all.flat_map(|i| i.to_le_bytes()).collect();
                    std::fs::write(path, bytes).map_err(|source| Error::Io { path: path.clone(), source })?;
                }
            }
            Op::Sharpness => {
                ops::sharpness(&device, &points, &labels, 1)?;
            }
            Op::Load => {}
            Op::Dimension => {
                values.clear();
                for (estimator, found) in
                    estimators.iter().zip(intrinsic_dims(&device, &points, &estimators, &|_| ())?)
                {
                    values.push(format!("\"{}\": {}", estimator.name(), found?.value));
                }
            }
        }
        if run > 0 {
            seconds.push(start.elapsed().as_secs_f64());
            cpu.push(cpu_seconds() - worked);
        }
    }
    let peak = peak_bytes();
    if args.json {
        let extra = peak.saturating_sub(before);
        let values = values.join(", ");
        println!(
            "{{\"device\": \"{device}\", \"seconds\": {seconds:?}, \"cpu_seconds\": {cpu:?}, \
             \"peak_bytes\": {peak}, \"beyond_input_bytes\": {extra}, \"values\": {{{values}}}}}"
        );
    } else {
        println!("{device}: {seconds:.4?} s, peak {} MiB, {} MiB of it input", peak >> 20, before >> 20);
    }
    Ok(())
}

/// Decodes all images of a folder, again and again.
fn load(args: &Args) -> Result<()> {
    let folder = args.folder.as_deref().ok_or_else(|| Error::Argument("--op load needs --folder".into()))?;
    let dataset = Dataset::open(folder)?;
    let mut seconds = Vec::new();
    let mut sum = 0.0;
    for run in 0..=args.repeats {
        let start = Instant::now();
        let loaded = dataset.load_pixels(&Preprocess::default(), &|_| ())?;
        if run > 0 {
            seconds.push(start.elapsed().as_secs_f64());
        } else if let sharpdim::Values::F32(values) = loaded.samples.points()?.values() {
            sum = values.iter().map(|v| f64::from(*v)).sum::<f64>() / values.len() as f64;
        }
    }
    println!("{}", serde_json::json!({ "images": dataset.len(), "seconds": seconds, "mean": sum }));
    Ok(())
}

/// Those of these names, with their defaults.
fn estimators(names: &[String]) -> Result<Vec<Estimator>> {
    match names {
        [] => Ok(Estimator::all()),
        names => names.iter().map(|name| name.parse()).collect(),
    }
}

fn data(args: &Args) -> Result<(Vec<u8>, Vec<f32>)> {
    if let Some(path) = &args.data {
        let bytes = std::fs::read(path).map_err(|source| Error::Io { path: path.clone(), source })?;
        return Ok(match args.values {
            Type::U8 => (bytes, Vec::new()),
            Type::F32 => {
                let floats = bytes.as_chunks::<4>().0.iter().map(|b| f32::from_le_bytes(*b)).collect();
                (Vec::new(), floats)
            }
        });
    }
    let row = |i: usize| ChaCha8Rng::seed_from_u64(args.seed.wrapping_mul(1 << 32) + i as u64);
    let (mut bytes, mut floats) = (Vec::new(), Vec::new());
    match args.values {
        Type::U8 => {
            bytes.resize(args.n * args.dim, 0);
            bytes.par_chunks_mut(args.dim).enumerate().for_each(|(i, out)| row(i).fill_bytes(out));
        }
        Type::F32 => {
            floats.resize(args.n * args.dim, 0.0);
            floats.par_chunks_mut(args.dim).enumerate().for_each(|(i, out)| {
                let mut rng = row(i);
                out.iter_mut().for_each(|v| *v = (rng.next_u32() >> 8) as f32 * (255.0 / 16_777_216.0));
            });
        }
    }
    Ok((bytes, floats))
}

/// What the threads of this process have worked, from Linux's own account; 0 elsewhere.
#[cfg(target_os = "linux")]
fn cpu_seconds() -> f64 {
    let used =
        nix::time::clock_gettime(nix::time::ClockId::CLOCK_PROCESS_CPUTIME_ID).expect("every Linux has it");
    used.tv_sec() as f64 + used.tv_nsec() as f64 * 1e-9
}

#[cfg(not(target_os = "linux"))]
fn cpu_seconds() -> f64 {
    0.0
}

/// The most memory this process has held, from Linux's own account; 0 elsewhere.
fn peak_bytes() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with("VmHWM"));
    line.and_then(|line| line.split_whitespace().nth(1)?.parse::<usize>().ok()).unwrap_or(0) * 1024
}
