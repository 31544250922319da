//! Benchmarks taking batches from a set of bytes, of whole images and of boxes, on every device; throughput is of bytes
//! moved, and a run includes writing its choices.

mod support;

use criterion::{Criterion, criterion_group, criterion_main};
use sharpdim::ops::take_images::{self, Choice, TakeImages};
use support::on_arenas;

fn bench(c: &mut Criterion) {
    for (what, images, batch, [height, width, channels]) in
        [("cifar", 50_000, 1024, [32, 32, 3]), ("imagenet", 1_000, 128, [224, 224, 3])]
    {
        let op = TakeImages::new(images, batch, [height, width, channels]).expect("a shape");
        let values = height * width * channels;
        // Rows as far apart as in shuffled sets.
        let whole: Vec<Choice> =
            (0..batch).map(|i| Choice::whole((i * 7919 % images) as u32, height, width)).collect();
        let half = |choice: &Choice| Choice {
            top: 3.25,
            left: 5.5,
            height: choice.height / 2.0,
            width: choice.width / 2.0,
            ..*choice
        };
        let boxes: Vec<Choice> = whole.iter().map(half).collect();
        for (kind, choices) in [("whole", &whole), ("boxes", &boxes)] {
            on_arenas(
                c,
                &format!("take_images_{what}_{kind}"),
                |layout, _| {
                    let (set, choices) = (layout.bytes_of(images * values), layout.f32(op.choices_len()));
                    (set, choices, layout.f32(2 * channels), layout.values(batch * values))
                },
                |size| (1 + size) * batch * values,
                |arena, (set, slot, scale, y)| {
                    op.write_choices(arena, slot, choices)?;
                    take_images::take(arena, &op, set, slot, scale, y)
                },
            );
        }
    }
}

criterion_group!(benches, bench);
criterion_main!(benches);
