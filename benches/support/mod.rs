//! Shared by the benches: generated samples, the available devices, and the sizes.

#![allow(dead_code, reason = "each bench uses its own part of this")]

use criterion::{BenchmarkId, Criterion, Throughput};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;
use sharpdim::{Arena, Device, Layout, Points, Precision, Slot};
use std::time::Duration;

/// N and D of each case. The last of them takes gigabytes and minutes: only with SHARPDIM_BENCH_ALL=1.
pub fn sizes() -> Vec<(usize, usize)> {
    let all = std::env::var("SHARPDIM_BENCH_ALL").is_ok_and(|v| v == "1");
    let mut sizes = Vec::new();
    for n in [1_000, 10_000] {
        for dim in [784, 3_072, 50_176, 150_528] {
            if n * dim <= 200_000_000 || all {
                sizes.push((n, dim));
            } else {
                eprintln!("N = {n}, D = {dim} is left out: set SHARPDIM_BENCH_ALL=1 to run it");
            }
        }
    }
    sizes
}

/// The CPU, and the first GPU where there is one.
pub fn devices() -> Vec<Device> {
    let mut devices = vec![Device::cpu()];
    match Device::cuda(0) {
        Ok(gpu) => devices.push(gpu),
        Err(error) => eprintln!("no GPU is measured: {error}"),
    }
    devices
}

/// The precisions in which a device runs networks' operations.
pub fn precisions(device: &Device) -> Vec<Precision> {
    match device.name().as_str() {
        "cpu" => vec![Precision::F32],
        _ => vec![Precision::F32, Precision::Bf16],
    }
}

/// Uniform bytes.
pub fn bytes(n: usize, dim: usize) -> Vec<u8> {
    let mut values = vec![0; n * dim];
    let rows = values.par_chunks_mut(dim).enumerate();
    rows.for_each(|(i, row)| ChaCha8Rng::seed_from_u64(i as u64).fill_bytes(row));
    values
}

/// Uniform floats from 0 to 255, not on a grid.
pub fn floats(n: usize, dim: usize) -> Vec<f32> {
    let mut values = vec![0.0; n * dim];
    values.par_chunks_mut(dim).enumerate().for_each(|(i, row)| {
        let mut rng = ChaCha8Rng::seed_from_u64(i as u64);
        row.iter_mut().for_each(|v| *v = (rng.next_u32() >> 8) as f32 * (255.0 / 16_777_216.0));
    });
    values
}

/// Benchmarks an operation on all pairs of samples of two classes, as bytes and as floats, on every device. An
/// element is one multiply-add of the N (N - 1) / 2 inner products: Gelem/s times 2 are GFLOP/s.
pub fn all_pairs<R>(c: &mut Criterion, name: &str, run: impl Fn(&Device, &Points<'_>, &[u32]) -> R) {
    let mut group = c.benchmark_group(name);
    group.sample_size(10).warm_up_time(Duration::from_millis(200)).measurement_time(Duration::from_secs(2));
    for (n, dim) in sizes() {
        let labels: Vec<u32> = (0..n as u32).map(|i| i % 2).collect();
        group.throughput(Throughput::Elements((n * (n - 1) / 2 * dim) as u64));
        for device in devices() {
            let id =
                |kind: &str| BenchmarkId::new(format!("{}/{kind}", device.name()), format!("N{n}_D{dim}"));
            let values = bytes(n, dim);
            let points = Points::u8(&values, dim).expect("whole rows");
            group.bench_function(id("u8"), |b| b.iter(|| run(&device, &points, &labels)));
            drop(values);
            let values = floats(n, dim);
            let points = Points::f32(&values, dim).expect("finite rows");
            group.bench_function(id("f32"), |b| b.iter(|| run(&device, &points, &labels)));
        }
    }
    group.finish();
}

/// Values of the tensors in benchmarks of elementwise operations: those of a large layer.
pub const VALUES: usize = 1 << 24;

/// Benchmarks an operation on tensors of an arena, for every device and precision: `plan` makes its tensors, `run` runs
/// it. Throughput is of the bytes that it must move, which `bytes` gives for a value's size. A run on a GPU is timed
/// until it is finished.
pub fn on_arenas<S: Copy>(
    c: &mut Criterion,
    name: &str,
    plan: impl Fn(&mut Layout, &Device) -> S,
    bytes: impl Fn(usize) -> usize,
    run: impl Fn(&mut Arena, S) -> sharpdim::Result<()>,
) {
    let mut group = c.benchmark_group(name);
    group.sample_size(10).warm_up_time(Duration::from_millis(200)).measurement_time(Duration::from_secs(2));
    for device in devices() {
        let precisions =
            if device.is_cpu() { &[Precision::F32][..] } else { &[Precision::F32, Precision::Bf16] };
        for precision in precisions {
            // All of its tensors are floats.
            if *precision == Precision::Bf16 && bytes(2) == bytes(4) {
                continue;
            }
            let mut layout = Layout::new(*precision);
            let slots = plan(&mut layout, &device);
            let mut arena = layout.build(&device).expect("there is memory");
            group.throughput(Throughput::Bytes(bytes(precision.bytes()) as u64));
            group.bench_function(BenchmarkId::new(device.name(), precision.name()), |b| {
                b.iter(|| run(&mut arena, slots).and_then(|()| arena.synchronise()).expect("runs"));
            });
        }
    }
    group.finish();
}

/// As many tensors of [`VALUES`] values in the layout's precision.
pub fn tensors<const N: usize>(layout: &mut Layout) -> [Slot; N] {
    [(); N].map(|()| layout.values(VALUES))
}

/// As many tensors of [`VALUES`] floats.
pub fn floats_of<const N: usize>(layout: &mut Layout) -> [Slot; N] {
    [(); N].map(|()| layout.f32(VALUES))
}
