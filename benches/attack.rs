//! Benchmarks attacks on ResNet-18 with images of CIFAR's size, 64 per batch. An element is an image.

mod support;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use sharpdim::attack::{Attack, Fgsm, Pgd, Target};
use sharpdim::nn::{Model, Network, NetworkPlan, Settings};
use std::time::Duration;

const BATCH: usize = 64;

fn bench(c: &mut Criterion) {
    let mut group = c.benchmark_group("attack");
    group.sample_size(10).warm_up_time(Duration::from_millis(100)).measurement_time(Duration::from_secs(2));
    group.throughput(Throughput::Elements(BATCH as u64));
    let images = support::floats(BATCH, 32 * 32 * 3);
    let labels: Vec<u32> = (0..BATCH as u32).map(|i| i % 10).collect();
    let scale = [[1.0 / 255.0; 3], [0.0; 3]].concat();
    for device in support::devices() {
        for precision in support::precisions(&device) {
            let settings =
                Settings { batch: BATCH, size: [32, 32], classes: 10, precision, ..Settings::default() };
            let network =
                Network::new(NetworkPlan::new(&device, Model::ResNet18, &settings).expect("fits"), 0);
            let state = network.and_then(|network| network.state()).expect("fits");
            let mut target =
                Target::of_state(&device, Model::ResNet18, &settings, &state, &scale).expect("fits");
            let attacks: [(&str, &dyn Attack); 2] = [("fgsm", &Fgsm::default()), ("pgd_10", &Pgd::default())];
            for (name, attack) in attacks {
                let id = BenchmarkId::new(format!("{}/{name}", device.name()), precision.name());
                group.bench_function(id, |b| {
                    b.iter(|| attack.run(&mut target, &images, &labels, &[8.0]).expect("runs"));
                });
            }
        }
    }
    group.finish();
}

criterion_group!(benches, bench);
criterion_main!(benches);
