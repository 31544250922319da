//! Benchmarks the norm of a tensor, on every device; throughput is of bytes read.

mod support;

use criterion::{Criterion, criterion_group, criterion_main};
use sharpdim::ops::norm;
use support::{VALUES, on_arenas};

fn bench(c: &mut Criterion) {
    on_arenas(
        c,
        "norm",
        |layout, device| [VALUES, 1, norm::workspace_len(device, VALUES)].map(|len| layout.f32(len)),
        |_| 4 * VALUES,
        |arena, [x, out, work]| norm::norm(arena, x, out, work),
    );
}

criterion_group!(benches, bench);
criterion_main!(benches);
