//! Benchmarks `class_pairs` (ten classes) on every device.

mod support;

use criterion::{Criterion, criterion_group, criterion_main};
use sharpdim::ops;

fn bench(c: &mut Criterion) {
    support::all_pairs(c, "class_pairs", |device, points, labels| {
        let ten: Vec<u32> = (0..labels.len() as u32).map(|i| i % 10).collect();
        ops::class_pairs(device, points, &ten).expect("runs")
    });
}

criterion_group!(benches, bench);
criterion_main!(benches);
