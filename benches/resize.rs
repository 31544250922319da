//! Benchmarks preparing images: scaling by the maximum and resizing to 224 x 224, on every device.
//! An element is an image.

mod support;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use sharpdim::ops::resize::{Pixels, resize, scale_by_max};

fn bench(c: &mut Criterion) {
    let mut group = c.benchmark_group("resize");
    let images = 256;
    group.sample_size(10).throughput(Throughput::Elements(images as u64));
    for image in [[28, 28, 1], [32, 32, 3], [512, 512, 1]] {
        let [h, w, channels] = image;
        let values = support::bytes(images, h * w * channels);
        for device in support::devices() {
            let id = |what: &str| {
                BenchmarkId::new(format!("{}/{what}", device.name()), format!("{h}x{w}x{channels}"))
            };
            let pixels = Pixels::U8(&values);
            group.bench_function(id("scale"), |b| {
                b.iter(|| scale_by_max(&device, pixels, image).expect("runs"))
            });
            for (what, antialias) in [("bilinear", false), ("antialiased", true)] {
                let size = [224, 224];
                group.bench_function(id(what), |b| {
                    b.iter(|| resize(&device, pixels, image, size, antialias).expect("runs"));
                });
            }
        }
    }
    group.finish();
}

criterion_group!(benches, bench);
criterion_main!(benches);
