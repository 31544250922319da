//! Benchmarks max pooling, forward and backward, on every device, for the images that ResNets and VGG-16 have at 224 x 224
//! pixels. Bytes are those of each operand once.

mod support;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use sharpdim::Layout;
use sharpdim::ops::max_pool::{MaxPool, backward, forward};
use std::time::Duration;

const BATCH: usize = 32;
/// Rows and columns, channels; kernel, stride and padding: ResNet's pool, then VGG-16's.
const POOLS: [(usize, usize, [usize; 3]); 6] = [
    (112, 64, [3, 2, 1]),
    (224, 64, [2, 2, 0]),
    (112, 128, [2, 2, 0]),
    (56, 256, [2, 2, 0]),
    (28, 512, [2, 2, 0]),
    (14, 512, [2, 2, 0]),
];

fn bench(c: &mut Criterion) {
    let mut group = c.benchmark_group("max_pool");
    group.sample_size(10).warm_up_time(Duration::from_millis(200)).measurement_time(Duration::from_secs(1));
    for device in support::devices() {
        for precision in support::precisions(&device) {
            for (side, channels, [kernel, stride, padding]) in POOLS {
                let pool =
                    MaxPool::new([BATCH, side, side, channels], kernel, stride, padding).expect("fits");
                let (len, out) = (BATCH * side * side * channels, pool.output_shape().iter().product());
                let mut layout = Layout::new(precision);
                let [x, y, dy, dx] = [len, out, out, len].map(|len| layout.values(len));
                let mut arena = layout.build(&device).expect("fits");
                arena.write(x, &support::floats(BATCH * side * side, channels)).expect("as long");
                let image = format!("{BATCH}x{side}x{side}x{channels}_k{kernel}s{stride}p{padding}");
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
                group.throughput(Throughput::Bytes((2 * (len + out) * precision.bytes()) as u64));
                group.bench_function(id("backward"), |b| {
                    b.iter(|| {
                        backward(&mut arena, &pool, x, y, dy, dx).expect("runs");
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
