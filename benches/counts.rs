//! Benchmarks `counts_within` (two radii, near the distances of the 10th and the 20th neighbour) on every device. An
//! element is one multiply-add of the N (N - 1) / 2 inner products: Gelem/s times 2 are GFLOP/s.

mod support;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use sharpdim::{Points, ops};
use std::time::Duration;

fn bench(c: &mut Criterion) {
    let mut group = c.benchmark_group("counts");
    group.sample_size(10).warm_up_time(Duration::from_millis(200)).measurement_time(Duration::from_secs(2));
    for (n, dim) in support::sizes() {
        group.throughput(Throughput::Elements((n * (n - 1) / 2 * dim) as u64));
        for device in support::devices() {
            let id =
                |kind: &str| BenchmarkId::new(format!("{}/{kind}", device.name()), format!("N{n}_D{dim}"));
            let radii = |points: &Points<'_>| {
                let near = ops::neighbours(&device, points, 20).expect("runs");
                [9, 19].map(|k| near.squared_distances(0)[k])
            };
            let values = support::bytes(n, dim);
            let points = Points::u8(&values, dim).expect("whole rows");
            let squared = radii(&points);
            group.bench_function(id("u8"), |b| {
                b.iter(|| ops::counts_within(&device, &points, squared, &|_| ()).expect("runs"));
            });
            drop(values);
            let values = support::floats(n, dim);
            let points = Points::f32(&values, dim).expect("finite rows");
            let squared = radii(&points);
            group.bench_function(id("f32"), |b| {
                b.iter(|| ops::counts_within(&device, &points, squared, &|_| ()).expect("runs"));
            });
        }
    }
    group.finish();
}

criterion_group!(benches, bench);
criterion_main!(benches);
