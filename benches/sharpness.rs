//! Benchmarks `sharpness` (two classes, the ten sharpest pairs) on every device.

mod support;

use criterion::{Criterion, criterion_group, criterion_main};
use sharpdim::ops;

fn bench(c: &mut Criterion) {
    support::all_pairs(c, "sharpness", |device, points, labels| {
        ops::sharpness(device, points, labels, 10).expect("runs")
    });
}

criterion_group!(benches, bench);
criterion_main!(benches);
