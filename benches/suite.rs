//! Benchmarks the whole suite of dimension estimators, all of them in one call, and each by itself. An element is a
//! sample.

mod support;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use sharpdim::data::manifolds::{Manifold, Settings};
use sharpdim::measure::{Estimator, intrinsic_dims};
use std::time::Duration;

const DIM: usize = 784;

fn bench(c: &mut Criterion) {
    let mut group = c.benchmark_group("suite");
    group.sample_size(10).warm_up_time(Duration::from_millis(200)).measurement_time(Duration::from_secs(2));
    for n in [1_000, 5_000] {
        let settings = Settings { embedding_dim: Some(DIM), ..Settings::default() };
        let sample = Manifold::FlatTorus { dim: 8 }.sample(n, &settings).expect("fits");
        let points = sample.points().expect("finite rows");
        group.throughput(Throughput::Elements(n as u64));
        for device in support::devices() {
            let mut run = |name: &str, estimators: &[Estimator]| {
                let id = BenchmarkId::new(format!("{}/{name}", device.name()), format!("N{n}_D{DIM}"));
                group.bench_function(id, |b| {
                    b.iter(|| intrinsic_dims(&device, &points, estimators, &|_| ()).expect("runs"));
                });
            };
            run("all", &Estimator::all());
            for estimator in Estimator::all() {
                run(estimator.name(), &[estimator]);
            }
        }
    }
    group.finish();
}

criterion_group!(benches, bench);
criterion_main!(benches);
