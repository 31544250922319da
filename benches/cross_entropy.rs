//! Benchmarks cross-entropy and its gradient, of ImageNet's classes, on every device; throughput is of bytes moved.

mod support;

use criterion::{Criterion, criterion_group, criterion_main};
use sharpdim::ops::cross_entropy::{self, CrossEntropy};
use support::on_arenas;

fn bench(c: &mut Criterion) {
    let (batch, classes) = (1024, 1000);
    let loss = CrossEntropy::new(batch, classes).expect("a batch");
    let plan = |layout: &mut sharpdim::Layout, _: &_| {
        let [logits, gradient] = [(); 2].map(|()| layout.values(batch * classes));
        (logits, gradient, layout.f32(batch), layout.f32(batch))
    };
    let bytes = |size| size * batch * classes;
    on_arenas(c, "cross_entropy", plan, bytes, |arena, (logits, _, labels, losses)| {
        cross_entropy::forward(arena, &loss, logits, labels, losses)
    });
    on_arenas(
        c,
        "cross_entropy_gradient",
        plan,
        |size| 2 * bytes(size),
        |arena, (logits, gradient, labels, _)| {
            cross_entropy::backward(arena, &loss, logits, labels, 1.0 / batch as f32, gradient)
        },
    );
}

criterion_group!(benches, bench);
criterion_main!(benches);
