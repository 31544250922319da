//! Benchmarks the operations of attacks on batches of CIFAR's and ImageNet's images, on every device; throughput counts
//! the bytes of each operation's tensors once.

mod support;

use criterion::{Criterion, criterion_group, criterion_main};
use sharpdim::ops::perturb::{self, Control, Noise, Norm, Perturb, Square};
use sharpdim::{Arena, Result, Slot};
use std::cell::RefCell;
use support::{floats, on_arenas};

/// Originals, images, previous images; gradient, the network's input; norms, controls, scales and shifts.
type Slots = ([Slot; 3], [Slot; 2], [Slot; 3]);

/// An operation: its name, its tensors of floats and of the network's precision, and its call.
type Op = (&'static str, [usize; 2], fn(&mut Arena, &Perturb, Slots) -> Result<()>);

const OPS: [Op; 8] = [
    ("gradient_norms", [0, 1], |arena, p, (_, [g, _], [norms, _, scale])| {
        perturb::gradient_norms(arena, p, g, scale, norms)
    }),
    ("step_linf", [3, 2], |arena, p, ([origin, x, _], [g, y], [_, controls, scale])| {
        perturb::step(arena, p, Norm::Linf, origin, x, g, controls, scale, y)
    }),
    ("step_l2", [3, 2], |arena, p, ([origin, x, _], [g, y], [_, controls, scale])| {
        perturb::step(arena, p, Norm::L2, origin, x, g, controls, scale, y)
    }),
    ("step_apgd_linf", [5, 2], |arena, p, ([origin, x, before], [g, y], [_, controls, scale])| {
        perturb::step_apgd(arena, p, Norm::Linf, origin, x, before, g, controls, scale, y)
    }),
    ("step_apgd_l2", [5, 2], |arena, p, ([origin, x, before], [g, y], [_, controls, scale])| {
        perturb::step_apgd(arena, p, Norm::L2, origin, x, before, g, controls, scale, y)
    }),
    ("noise_uniform", [2, 1], |arena, p, ([origin, x, _], [_, y], [_, controls, scale])| {
        perturb::noise(arena, p, origin, x, controls, scale, y, Noise::Uniform, 1)
    }),
    ("noise_ball", [2, 1], |arena, p, ([origin, x, _], [_, y], [_, controls, scale])| {
        perturb::noise(arena, p, origin, x, controls, scale, y, Noise::Ball, 1)
    }),
    ("square", [3, 1], |arena, p, ([origin, x, candidate], [_, y], [_, controls, scale])| {
        perturb::square(arena, p, origin, x, candidate, controls, scale, y, Square::Window, 1)
    }),
];

fn bench(c: &mut Criterion) {
    for (what, batch, shape) in [("cifar", 1024, [32, 32, 3]), ("imagenet", 128, [224, 224, 3])] {
        let p = Perturb::new(batch, shape, [0.0, 255.0]).expect("a shape");
        let values = batch * shape.iter().product::<usize>();
        let told = Control { epsilon: 8.0, step: 1.0, alpha: 0.75, side: 8, ..Control::default() };
        // A gradient of zeros has no direction, and takes less work.
        let gradient = floats(batch, values / batch);
        for (name, [floats, others], op) in OPS {
            let filled = RefCell::new(None);
            on_arenas(
                c,
                &format!("perturb_{name}_{what}"),
                |layout, _| {
                    let images = [(); 3].map(|()| layout.f32(values));
                    let others = [(); 2].map(|()| layout.values(values));
                    (images, others, [3 * batch, p.controls_len(), 2 * p.channels].map(|len| layout.f32(len)))
                },
                |size| (4 * floats + size * others) * values,
                |arena, slots| {
                    let here = (arena.device().name(), slots.1[0].precision());
                    if filled.replace(Some(here.clone())) != Some(here) {
                        arena.write(slots.1[0], &gradient)?;
                    }
                    p.write_controls(arena, slots.2[1], &[told])?;
                    op(arena, &p, slots)
                },
            );
        }
    }
}

criterion_group!(benches, bench);
criterion_main!(benches);
