//! Benchmarks ReLU, its gradient and the sum of two tensors, on every device; throughput is of bytes moved.

mod support;

use criterion::{Criterion, criterion_group, criterion_main};
use sharpdim::ops::elementwise;
use support::{VALUES, on_arenas, tensors};

fn bench(c: &mut Criterion) {
    on_arenas(
        c,
        "relu",
        |l, _| tensors::<2>(l),
        |size| 2 * size * VALUES,
        |arena, [x, y]| elementwise::relu_forward(arena, x, y),
    );
    let bytes = |size| 3 * size * VALUES;
    on_arenas(
        c,
        "relu_gradient",
        |l, _| tensors::<2>(l),
        bytes,
        |arena, [x, y]| elementwise::relu_backward(arena, x, y),
    );
    on_arenas(c, "add", |l, _| tensors::<2>(l), bytes, |arena, [x, y]| elementwise::add(arena, x, y));
}

criterion_group!(benches, bench);
criterion_main!(benches);
