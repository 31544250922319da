//! Benchmarks `ratio_quantiles` (two classes, four quantiles) on every device: two passes over all pairs, of floats
//! three. Throughput counts one.

mod support;

use criterion::{Criterion, criterion_group, criterion_main};
use sharpdim::ops;

fn bench(c: &mut Criterion) {
    support::all_pairs(c, "ratio_quantiles", |device, points, labels| {
        ops::ratio_quantiles(device, points, labels, &[0.5, 0.9, 0.99, 0.999]).expect("runs")
    });
}

criterion_group!(benches, bench);
criterion_main!(benches);
