//! Benchmarks batch normalisation, forward and backward, on every device, for the images that ResNet-18 and ResNet-50 have
//! at 224 x 224 pixels. Bytes are those that must be moved where no cache holds an image from one pass to the next.

mod support;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use sharpdim::ops::Activation;
use sharpdim::ops::batch_norm::{
    BatchNorm, Gradients, Statistics, Weights, backward, forward_inference, forward_training,
};
use sharpdim::{Layout, Slot};
use std::time::Duration;

const BATCH: usize = 32;
/// Rows and columns, and channels.
const IMAGES: [(usize, usize); 9] =
    [(112, 64), (56, 64), (56, 256), (28, 128), (28, 512), (14, 256), (14, 1024), (7, 512), (7, 2048)];

fn bench(c: &mut Criterion) {
    let mut group = c.benchmark_group("batch_norm");
    group.sample_size(10).warm_up_time(Duration::from_millis(200)).measurement_time(Duration::from_secs(1));
    for device in support::devices() {
        for precision in support::precisions(&device) {
            for (side, channels) in IMAGES {
                let norm = BatchNorm::new(BATCH * side * side, channels).expect("fits");
                let len = norm.rows * channels;
                let mut layout = Layout::new(precision);
                let [x, y, shortcut, dy, dx, dshortcut] = [len; 6].map(|len| layout.values(len));
                let [gamma, beta, mean, variance] = [channels; 4].map(|len| layout.f32(len));
                let [dgamma, dbeta] = [channels; 2].map(|len| layout.f32(len));
                let (saved, work) = (layout.f32(2 * channels), layout.f32(norm.workspace_len(&device)));
                let mut arena = layout.build(&device).expect("fits");
                let values = support::floats(norm.rows, channels);
                for slot in [x, shortcut, dy] {
                    arena.write(slot, &values).expect("as long");
                }
                let weights = Weights { gamma, beta, mean, variance };
                let into = Gradients { x: dx, gamma: dgamma, beta: dbeta, shortcut: dshortcut };
                let image = format!("{BATCH}x{side}x{side}x{channels}");
                let id = |what: &str| {
                    BenchmarkId::new(format!("{}/{}/{what}", device.name(), precision.name()), &image)
                };
                let bytes = |images: usize| Throughput::Bytes((images * len * precision.bytes()) as u64);
                group.throughput(bytes(4));
                group.bench_function(id("training"), |b| {
                    b.iter(|| {
                        forward_training(
                            &mut arena,
                            &norm,
                            x,
                            weights,
                            shortcut,
                            Activation::Relu,
                            y,
                            saved,
                            work,
                        )
                        .expect("runs");
                        arena.synchronise().expect("runs");
                    });
                });
                group.throughput(bytes(2));
                group.bench_function(id("inference"), |b| {
                    b.iter(|| {
                        forward_inference(
                            &mut arena,
                            &norm,
                            x,
                            weights,
                            Slot::NONE,
                            Activation::Relu,
                            y,
                            saved,
                            work,
                        )
                        .expect("runs");
                        arena.synchronise().expect("runs");
                    });
                });
                group.throughput(bytes(8));
                group.bench_function(id("backward"), |b| {
                    b.iter(|| {
                        let from = Statistics::Batch;
                        backward(&mut arena, &norm, from, x, y, gamma, saved, dy, into, work).expect("runs");
                        arena.synchronise().expect("runs");
                    });
                });
            }
        }
    }
    group.finish();
}

criterion_group!(benches, bench);
criterion_main!(benches);
