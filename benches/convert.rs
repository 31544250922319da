//! Benchmarks copies between precisions, on every device; throughput is of bytes moved.

mod support;

use criterion::{Criterion, criterion_group, criterion_main};
use sharpdim::ops::convert;
use support::{VALUES, on_arenas};

fn bench(c: &mut Criterion) {
    let plan = |layout: &mut sharpdim::Layout, _: &_| (layout.f32(VALUES), layout.values(VALUES));
    let bytes = |size| (4 + size) * VALUES;
    on_arenas(c, "convert_from_f32", plan, bytes, |arena, (x, y)| convert::copy(arena, x, y));
    on_arenas(c, "convert_to_f32", plan, bytes, |arena, (x, y)| convert::copy(arena, y, x));
}

criterion_group!(benches, bench);
criterion_main!(benches);
