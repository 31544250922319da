//! Benchmarks dropout, on every device; throughput is of bytes moved.

mod support;

use criterion::{Criterion, criterion_group, criterion_main};
use sharpdim::ops::dropout::{self, Dropout};
use support::{VALUES, on_arenas, tensors};

fn bench(c: &mut Criterion) {
    let dropout = Dropout::new(0.5, 1, 1).expect("a probability");
    on_arenas(
        c,
        "dropout",
        |layout, _| (tensors::<2>(layout), layout.f32(1)),
        |size| 2 * size * VALUES,
        |arena, ([x, y], step)| dropout::apply(arena, &dropout, x, step, y),
    );
}

criterion_group!(benches, bench);
criterion_main!(benches);
