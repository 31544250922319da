//! Benchmarks `neighbours` (k = 20) on every device. An element is one multiply-add of the N (N - 1) / 2
//! inner products: Gelem/s times 2 are GFLOP/s.

mod support;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use sharpdim::{Points, ops};
use std::time::Duration;

fn bench(c: &mut Criterion) {
    let mut group = c.benchmark_group("neighbours");
    group.sample_size(10).warm_up_time(Duration::from_millis(200)).measurement_time(Duration::from_secs(2));
    for (n, dim) in support::sizes() {
        group.throughput(Throughput::Elements((n * (n - 1) / 2 * dim) as u64));
        for device in support::devices() {
            let id =
                |kind: &str| BenchmarkId::new(format!("{}/{kind}", device.name()), format!("N{n}_D{dim}"));
            let values = support::bytes(n, dim);
            let points = Points::u8(&values, dim).expect("whole rows");
            group.bench_function(id("u8"), |b| {
                b.iter(|| ops::neighbours(&device, &points, 20).expect("runs"))
            });
            drop(values);
            let values = support::floats(n, dim);
            let points = Points::f32(&values, dim).expect("finite rows");
            group.bench_function(id("f32"), |b| {
                b.iter(|| ops::neighbours(&device, &points, 20).expect("runs"))
            });
        }
    }
    group.finish();
}

criterion_group!(benches, bench);
criterion_main!(benches);
