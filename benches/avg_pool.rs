//! Benchmarks average pooling, forward and backward, on every device, for the images that ResNets and VGG-16 have at 224 x
//! 224 pixels. Bytes are those of each operand once.

mod support;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use sharpdim::Layout;
use sharpdim::ops::avg_pool::{AvgPool, backward, forward};
use std::time::Duration;

const BATCH: usize = 32;
/// Channels of images of 7 x 7, and rows and columns of the output: ResNet-18's, ResNet-50's, VGG-16's.
const POOLS: [(usize, usize); 3] = [(512, 1), (2048, 1), (512, 7)];

fn bench(c: &mut Criterion) {
    let mut group = c.benchmark_group("avg_pool");
    group.sample_size(10).warm_up_time(Duration::from_millis(200)).measurement_time(Duration::from_secs(1));
    for device in support::devices() {
        for precision in support::precisions(&device) {
            for (channels, out_side) in POOLS {
                let pool = AvgPool::new([BATCH, 7, 7, channels], [out_side; 2]).expect("fits");
                let (len, out) = (BATCH * 49 * channels, BATCH * out_side * out_side * channels);
                let mut layout = Layout::new(precision);
                let [x, y, dy, dx] = [len, out, out, len].map(|len| layout.values(len));
                let mut arena = layout.build(&device).expect("fits");
                arena.write(x, &support::floats(BATCH * 49, channels)).expect("as long");
                let image = format!("{BATCH}x7x7x{channels}_to_{out_side}x{out_side}");
                let id = |what: &str| {
                    BenchmarkId::new(format!("{}/{}/{what}", device.name(), precision.name()), &image)
                };
                group.throughput(Throughput::Bytes(((len + out) * precision.bytes()) as u64));
                group.bench_function(id("forward"), |b| {
                    b.iter(|| {
                        forward(&mut arena, &pool, x, y).expect("runs");
                        arena.synchronise().expect("runs");
                    });
                });
                group.bench_function(id("backward"), |b| {
                    b.iter(|| {
                        backward(&mut arena, &pool, dy, dx).expect("runs");
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
