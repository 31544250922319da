//! Runs one of the hot loops of the CPU code on fixed data, in one thread: what `scripts/instructions` counts.
//!
//! `loops neighbours_u8 2`, or `loops` for the names.

use image::codecs::jpeg::JpegEncoder;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use sharpdim::data::{Dataset, Preprocess};
use sharpdim::ops::{self, conv2d, resize};
use sharpdim::{Arena, Device, Error, Layout, Points, Precision, Result, Slot};

/// A loop that is set up, to be run again and again.
type Run = Box<dyn FnMut() -> Result<()>>;
/// Sets one up.
type SetUp = fn(Device) -> Result<Run>;

/// Each loop's name, and what sets it up.
const LOOPS: [(&str, SetUp); 11] = [
    ("neighbours_u8", |device| on_bytes(device, 800, |d, points| ops::neighbours(d, points, 20).map(drop))),
    ("neighbours_f32", |device| on_floats(device, 400, |d, points| ops::neighbours(d, points, 20).map(drop))),
    ("sharpness_u8", |device| on_bytes(device, 800, sharpness)),
    ("sharpness_f32", |device| on_floats(device, 400, sharpness)),
    ("counts_u8", |device| on_bytes(device, 800, |d, points| counts(d, points, 8.4e6))),
    ("counts_f32", |device| on_floats(device, 400, |d, points| counts(d, points, 8.4e6))),
    ("resize", |device| {
        let images = bytes(8 * 32 * 32 * 3);
        let run = move || resize::resize(&device, resize::Pixels::U8(&images), [32, 32, 3], [224; 2], false);
        Ok(Box::new(move || run().map(drop)))
    }),
    ("conv2d_forward", |device| convolution(device, conv2d_forward)),
    ("conv2d_input", |device| convolution(device, conv2d_input)),
    ("conv2d_weight", |device| convolution(device, conv2d_weight)),
    ("jpeg", jpeg),
];

/// Values in a sample: MNIST's.
const DIM: usize = 784;

fn main() -> std::process::ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let known = words.first().and_then(|name| LOOPS.iter().find(|(known, _)| known == name));
    let runs = words.get(1).and_then(|runs| runs.parse().ok());
    let (Some((_, set_up)), Some(runs)) = (known, runs) else {
        for (name, _) in LOOPS {
            println!("{name}");
        }
        let asked = !words.is_empty();
        if asked {
            eprintln!(
                "loops: to be called with one of these names and how often to run it, or without anything"
            );
        }
        return std::process::ExitCode::from(u8::from(asked));
    };
    match run(set_up, runs) {
        Ok(()) => std::process::ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("loops: {error}");
            std::process::ExitCode::FAILURE
        }
    }
}

fn run(set_up: &SetUp, runs: usize) -> Result<()> {
    // On this thread itself: one that waits for another would count how long it waits.
    let pool = rayon::ThreadPoolBuilder::new().num_threads(1).use_current_thread();
    pool.build_global().map_err(|reason| Error::Argument(reason.to_string()))?;
    let device = Device::parse("cpu")?;
    println!("{device}");
    let mut run = set_up(device)?;
    (0..runs).try_for_each(|_| run())
}

fn bytes(count: usize) -> Vec<u8> {
    let mut values = vec![0; count];
    ChaCha8Rng::seed_from_u64(0).fill_bytes(&mut values);
    values
}

/// Floats from 0 to 255 that lie on no grid.
fn floats(count: usize) -> Vec<f32> {
    let mut random = ChaCha8Rng::seed_from_u64(0);
    (0..count).map(|_| (random.next_u32() >> 8) as f32 * (255.0 / 16_777_216.0)).collect()
}

fn on_bytes(device: Device, n: usize, work: fn(&Device, &Points<'_>) -> Result<()>) -> Result<Run> {
    let values = bytes(n * DIM);
    Ok(Box::new(move || work(&device, &Points::u8(&values, DIM)?)))
}

fn on_floats(device: Device, n: usize, work: fn(&Device, &Points<'_>) -> Result<()>) -> Result<Run> {
    let values = floats(n * DIM);
    Ok(Box::new(move || work(&device, &Points::f32(&values, DIM)?)))
}

/// Of two classes, in turns.
fn sharpness(device: &Device, points: &Points<'_>) -> Result<()> {
    let labels: Vec<u32> = (0..points.n() as u32).map(|i| i % 2).collect();
    ops::sharpness(device, points, &labels, 10).map(drop)
}

/// Within one radius, that of about half of all pairs.
fn counts(device: &Device, points: &Points<'_>, squared: f64) -> Result<()> {
    ops::counts_within(device, points, [squared], &|_| ()).map(drop)
}

/// The tensors of a convolution.
struct Tensors {
    conv: conv2d::Conv2d,
    arena: Arena,
    x: Slot,
    w: Slot,
    y: Slot,
    dx: Slot,
    dw: Slot,
    work: Slot,
}

/// One of each kind that has its own code: 3 x 3 in tiles, 3 x 3 with a stride, 1 x 1, and few pixels.
fn convolution(device: Device, pass: fn(&mut Tensors) -> Result<()>) -> Result<Run> {
    let shapes = [(28, 64, 64, 3, 1), (14, 64, 64, 3, 2), (14, 64, 128, 1, 1), (2, 128, 128, 3, 1)];
    let set_up = |(extent, channels, filters, kernel, stride): (usize, usize, usize, usize, usize)| {
        let conv = conv2d::Conv2d::new([1, extent, extent, channels], filters, kernel, stride, kernel / 2)?;
        let mut layout = Layout::new(Precision::F32);
        let [x, w, y, dx] = [conv.input_len(), conv.weight_len(), conv.output_len(), conv.input_len()]
            .map(|len| layout.values(len));
        let dw = layout.f32(conv.weight_len());
        let work = layout.f32(conv.workspace_len(&device, Precision::F32));
        let mut arena = layout.build(&device)?;
        for slot in [x, w, y] {
            arena.write(slot, &floats(slot.len()))?;
        }
        Ok(Tensors { conv, arena, x, w, y, dx, dw, work })
    };
    let mut all = shapes.into_iter().map(set_up).collect::<Result<Vec<_>>>()?;
    Ok(Box::new(move || all.iter_mut().try_for_each(pass)))
}

fn conv2d_forward(t: &mut Tensors) -> Result<()> {
    conv2d::forward(&mut t.arena, &t.conv, t.x, t.w, Slot::NONE, ops::Activation::Identity, t.y, t.work)
}

fn conv2d_input(t: &mut Tensors) -> Result<()> {
    conv2d::backward_input(&mut t.arena, &t.conv, t.y, t.w, false, t.dx, t.work)
}

fn conv2d_weight(t: &mut Tensors) -> Result<()> {
    conv2d::backward_weight(&mut t.arena, &t.conv, t.x, t.y, t.dw, Slot::NONE, t.work)
}

/// Loads one file: smooth stripes with some noise, in colour.
fn jpeg(_: Device) -> Result<Run> {
    let (width, height) = (320, 240);
    let noise = bytes(width * height * 3);
    let pixels: Vec<u8> =
        noise.iter().enumerate().map(|(i, noise)| (i / 960 / 2 + i % 96) as u8 + noise % 16).collect();
    let folder =
        tempfile::tempdir().map_err(|source| Error::Io { path: "a temporary folder".into(), source })?;
    for class in ["a", "b"] {
        let path = folder.path().join(class).join("0.jpg");
        let io = |source| Error::Io { path: path.clone(), source };
        std::fs::create_dir(folder.path().join(class)).map_err(io)?;
        let mut file = Vec::new();
        JpegEncoder::new_with_quality(&mut file, 90)
            .encode(&pixels, width as u32, height as u32, image::ExtendedColorType::Rgb8)
            .map_err(|reason| Error::Argument(reason.to_string()))?;
        std::fs::write(&path, file).map_err(io)?;
    }
    let as_they_are = Preprocess { size: None, ..Preprocess::default() };
    Ok(Box::new(move || Dataset::open(folder.path())?.load(&as_they_are, &|_| ()).map(drop)))
}
