//! Benchmarks the tally of a batch, of ImageNet's classes, on every device; throughput is of bytes moved.

mod support;

use criterion::{Criterion, criterion_group, criterion_main};
use sharpdim::ops::tally::{self, Tally};
use support::on_arenas;

fn bench(c: &mut Criterion) {
    let (batch, classes, len) = (1024, 1000, 50_000);
    let counts = Tally::new(batch, classes, len).expect("a batch");
    on_arenas(
        c,
        "tally",
        |layout, _| {
            (layout.values(batch * classes), [batch, batch, 2, 2 * len, 1].map(|len| layout.f32(len)))
        },
        |size| size * batch * classes,
        |arena, (logits, [labels, losses, place, table, halt])| {
            arena.write(place, &[1000.0, batch as f32])?;
            tally::record(arena, &counts, logits, labels, losses, place, table, halt)
        },
    );
}

criterion_group!(benches, bench);
criterion_main!(benches);
