//! Benchmarks gradient descent's step with a copy of the weights, on every device; throughput is of bytes moved.

mod support;

use criterion::{Criterion, criterion_group, criterion_main};
use sharpdim::ops::guard::Guard;
use sharpdim::ops::sgd::{self, Sgd};
use support::{VALUES, floats_of, on_arenas};

fn bench(c: &mut Criterion) {
    let sgd = Sgd { momentum: 0.9, ..Sgd::default() };
    on_arenas(
        c,
        "sgd",
        |layout, _| (floats_of::<3>(layout), layout.f32(1), layout.values(VALUES)),
        |size| (5 * 4 + size) * VALUES,
        |arena, ([weights, gradient, buffer], rate, copy)| {
            sgd::update(arena, &sgd, weights, gradient, buffer, rate, copy, Guard::NONE)
        },
    );
}

criterion_group!(benches, bench);
criterion_main!(benches);
