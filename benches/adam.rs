//! Benchmarks Adam's step with a copy of the weights, on every device; throughput is of bytes moved.

mod support;

use criterion::{Criterion, criterion_group, criterion_main};
use sharpdim::ops::adam::{self, Adam};
use sharpdim::ops::guard::Guard;
use support::{VALUES, floats_of, on_arenas};

fn bench(c: &mut Criterion) {
    let adam = Adam::default();
    on_arenas(
        c,
        "adam",
        |layout, _| (floats_of::<4>(layout), layout.f32(3), layout.values(VALUES)),
        |size| (7 * 4 + size) * VALUES,
        |arena, ([weights, gradient, m, v], step, copy)| {
            adam::update(arena, &adam, weights, gradient, m, v, step, copy, Guard::NONE)
        },
    );
}

criterion_group!(benches, bench);
criterion_main!(benches);
