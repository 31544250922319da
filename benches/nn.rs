//! Benchmarks networks on images of 224 x 224: the forward pass of inference, and a whole step of training with Adam. An
//! element is an image.

mod support;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use sharpdim::nn::{Mode, Model, Network, NetworkPlan, Optimiser, Purpose, Recipe, Settings};
use sharpdim::ops::adam::Adam;
use sharpdim::{Device, Precision};
use std::time::Duration;

/// The paper's batches on GPUs; two images where a step takes seconds.
fn batch(device: &Device, model: Model) -> usize {
    if device.is_cpu() { 2 } else { Recipe::paper(model, device).batch }
}

fn bench(c: &mut Criterion) {
    let mut group = c.benchmark_group("nn");
    group.sample_size(10).warm_up_time(Duration::from_millis(100)).measurement_time(Duration::from_secs(2));
    for device in support::devices() {
        let gpu = !device.is_cpu();
        for model in Model::ALL {
            let batch = batch(&device, model);
            group.throughput(Throughput::Elements(batch as u64));
            let images = support::floats(batch, 224 * 224 * 3);
            let labels: Vec<u32> = (0..batch as u32).map(|i| i % 2).collect();
            for precision in [Precision::F32, Precision::Bf16].into_iter().take(1 + usize::from(gpu)) {
                let id = |what: &str| {
                    let name = format!("{}/{what}/{}", device.name(), precision.name());
                    BenchmarkId::new(name, format!("{model}_{batch}"))
                };
                let network = |purpose| {
                    let settings = Settings { batch, precision, purpose, ..Settings::default() };
                    Network::new(NetworkPlan::new(&device, model, &settings).expect("fits"), 0).expect("fits")
                };
                let mut inference = network(Purpose::Inference);
                inference.set_images(&images).expect("whole images");
                group.bench_function(id("forward"), |b| {
                    b.iter(|| {
                        inference.forward(Mode::Evaluation).expect("runs");
                        inference.logits().expect("runs")
                    });
                });
                drop(inference);
                let mut training = network(Purpose::Training(Optimiser::Adam(Adam::default())));
                group.bench_function(id("step"), |b| {
                    b.iter(|| training.train(&images, &labels, 1e-4).expect("runs"));
                });
            }
        }
    }
    group.finish();
}

criterion_group!(benches, bench);
criterion_main!(benches);
