//! Benchmarks `pairs_within` (a radius that no pair of uniform noise is within) on every device.

mod support;

use criterion::{Criterion, criterion_group, criterion_main};
use sharpdim::ops;

fn bench(c: &mut Criterion) {
    support::all_pairs(c, "pairs_within", |device, points, labels| {
        let _ = labels;
        ops::pairs_within(device, points, 1.0, 1000).expect("runs")
    });
}

criterion_group!(benches, bench);
criterion_main!(benches);
