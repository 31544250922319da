//! Benchmarks the convolutions and linear layers of ResNet-18, 34 and 50 and of VGG-13, 16 and 19 on images of 224 x 224:
//! the output and both gradients, on every device, in every precision that it has. An element is a multiplication or an
//! addition: Gelem/s are GFLOP/s.
//!
//! Batches are of 1 on the CPU and of 32 on a GPU, or as SHARPDIM_BENCH_BATCH says.

mod support;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use sharpdim::ops::Activation;
use sharpdim::ops::conv2d::{self, Conv2d};
use sharpdim::{Device, Layout, Precision};
use std::time::Duration;

/// Extent and channels of images; number, size and stride of filters. Padding keeps the extent up to the stride.
type Shape = (usize, usize, usize, usize, usize);

/// ResNet-18 and 34: the first layer, then of each stage the first convolution, the shortcut, and the others.
const RESNET: [Shape; 11] = [
    (224, 3, 64, 7, 2),
    (56, 64, 64, 3, 1),
    (56, 64, 128, 3, 2),
    (56, 64, 128, 1, 2),
    (28, 128, 128, 3, 1),
    (28, 128, 256, 3, 2),
    (28, 128, 256, 1, 2),
    (14, 256, 256, 3, 1),
    (14, 256, 512, 3, 2),
    (14, 256, 512, 1, 2),
    (7, 512, 512, 3, 1),
];

/// The additional layers of ResNet-50, whose stride is on the 3 x 3 filters.
const RESNET_50: [Shape; 18] = [
    (56, 64, 64, 1, 1),
    (56, 64, 256, 1, 1),
    (56, 256, 64, 1, 1),
    (56, 256, 128, 1, 1),
    (56, 128, 128, 3, 2),
    (56, 256, 512, 1, 2),
    (28, 128, 512, 1, 1),
    (28, 512, 128, 1, 1),
    (28, 512, 256, 1, 1),
    (28, 256, 256, 3, 2),
    (28, 512, 1024, 1, 2),
    (14, 256, 1024, 1, 1),
    (14, 1024, 256, 1, 1),
    (14, 1024, 512, 1, 1),
    (14, 512, 512, 3, 2),
    (14, 1024, 2048, 1, 2),
    (7, 512, 2048, 1, 1),
    (7, 2048, 512, 1, 1),
];

/// VGG-13, 16 and 19, which differ in repeats only.
const VGG: [Shape; 9] = [
    (224, 3, 64, 3, 1),
    (224, 64, 64, 3, 1),
    (112, 64, 128, 3, 1),
    (112, 128, 128, 3, 1),
    (56, 128, 256, 3, 1),
    (56, 256, 256, 3, 1),
    (28, 256, 512, 3, 1),
    (28, 512, 512, 3, 1),
    (14, 512, 512, 3, 1),
];

/// Linear layers, with 10 classes: inputs and outputs.
const LINEAR: [[usize; 2]; 5] = [[512, 10], [2048, 10], [25_088, 4096], [4096, 4096], [4096, 10]];

/// Each with its name in reports.
fn shapes(batch: usize) -> Vec<(String, Conv2d)> {
    let images =
        RESNET.iter().chain(&RESNET_50).chain(&VGG).map(|(extent, channels, filters, size, stride)| {
            let images = [batch, *extent, *extent, *channels];
            let conv = Conv2d::new(images, *filters, *size, *stride, size / 2).expect("a network's");
            (format!("{batch}x{extent}x{extent}x{channels}_to_{filters}_{size}x{size}s{stride}"), conv)
        });
    let linear = LINEAR.iter().map(|[inputs, outputs]| {
        let conv = Conv2d::linear(batch, *inputs, *outputs).expect("a network's");
        (format!("{batch}x{inputs}_to_{outputs}"), conv)
    });
    images.chain(linear).collect()
}

fn bench_one(c: &mut Criterion, device: &Device, precision: Precision, name: &str, conv: &Conv2d) {
    let mut group = c.benchmark_group("conv2d");
    group.sample_size(10).warm_up_time(Duration::from_millis(200)).measurement_time(Duration::from_secs(1));
    group.throughput(Throughput::Elements(conv.operations() as u64));
    let mut layout = Layout::new(precision);
    let [x, w, y] = [conv.input_len(), conv.weight_len(), conv.output_len()].map(|len| layout.values(len));
    let (bias, dw, db) =
        (layout.f32(conv.out_channels), layout.f32(conv.weight_len()), layout.f32(conv.out_channels));
    let (dx, work) = (layout.values(conv.input_len()), layout.f32(conv.workspace_len(device, precision)));
    let mut arena = layout.build(device).expect("fits");
    for slot in [x, w, y, bias] {
        arena.write(slot, &support::floats(1, slot.len())).expect("its length");
    }
    let id = |pass: &str| BenchmarkId::new(format!("{}/{}/{pass}", device.name(), precision.name()), name);
    group.bench_function(id("forward"), |b| {
        b.iter(|| {
            conv2d::forward(&mut arena, conv, x, w, bias, Activation::Relu, y, work).expect("runs");
            arena.synchronise().expect("runs");
        });
    });
    group.bench_function(id("input"), |b| {
        b.iter(|| {
            conv2d::backward_input(&mut arena, conv, y, w, false, dx, work).expect("runs");
            arena.synchronise().expect("runs");
        });
    });
    group.bench_function(id("weight"), |b| {
        b.iter(|| {
            conv2d::backward_weight(&mut arena, conv, x, y, dw, db, work).expect("runs");
            arena.synchronise().expect("runs");
        });
    });
    group.finish();
}

fn bench(c: &mut Criterion) {
    let asked = std::env::var("SHARPDIM_BENCH_BATCH").ok().and_then(|batch| batch.parse().ok());
    for device in support::devices() {
        let on_cpu = device.is_cpu();
        let precisions = if on_cpu { vec![Precision::F32] } else { vec![Precision::F32, Precision::Bf16] };
        for (name, conv) in shapes(asked.unwrap_or(if on_cpu { 1 } else { 32 })) {
            for precision in &precisions {
                bench_one(c, &device, *precision, &name, &conv);
            }
        }
    }
}

criterion_group!(benches, bench);
criterion_main!(benches);
