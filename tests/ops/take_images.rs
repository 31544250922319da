//! `take_images`: every device against the formula in f64 and PyTorch, and all devices to the same bits.

use crate::support::arenas::{Held, hold, near, pytorch, pytorch_f32, same};
use crate::support::tensors::{precisions, stored};
use crate::support::{Random, devices};
use approx::abs_diff_eq;
use sharpdim::ops::take_images::{self, CHOICE, Choice, TakeImages};
use sharpdim::{Device, Error, Precision};

/// Set, choices, scales and shifts, and the batch.
fn start(
    device: &Device,
    offset: usize,
    op: &TakeImages,
    set: &[u8],
    scale: &[f32],
    y: Precision,
) -> Held<4> {
    let (f32, values) = (Precision::F32, op.height * op.width * op.channels);
    let (words, choices) = (vec![0.0; set.len().div_ceil(4)], vec![0.0; op.choices_len()]);
    let batch = vec![5.0; op.batch * values];
    let mut held = hold(device, offset, [(&words, f32), (&choices, f32), (scale, f32), (&batch, y)]);
    // In two parts, of which one ends within a word.
    let (first, rest) = set.split_at(set.len() / 2);
    held.arena.write_bytes(held.slots[0], first.len(), rest).unwrap();
    held.arena.write_bytes(held.slots[0], 0, first).unwrap();
    held
}

fn take(held: &mut Held<4>, op: &TakeImages, choices: &[Choice]) -> Vec<f32> {
    let [set, slot, scale, y] = held.slots;
    op.write_choices(&mut held.arena, slot, choices).unwrap();
    take_images::take(&mut held.arena, op, set, slot, scale, y).unwrap();
    held.values(3)
}

/// One image of the batch before scales and shifts, in f64.
fn naive(op: &TakeImages, set: &[u8], choice: &Choice) -> Vec<f64> {
    let &TakeImages { height, width, channels, .. } = op;
    let image = &set[choice.row as usize * height * width * channels..];
    let source = |place: usize, len: usize, from: f32, extent: f32| {
        let (from, extent) = (f64::from(from), f64::from(extent));
        let at = from + (place as f64 + 0.5) * extent / len as f64 - 0.5;
        at.clamp(from, from + extent - 1.0)
    };
    // What lies beyond the last pixel has no weight.
    let pixel = |i: f64, j: f64, c: usize| {
        let (i, j) = ((i as usize).min(height - 1), (j as usize).min(width - 1));
        f64::from(image[(i * width + j) * channels + c])
    };
    let mut values = Vec::new();
    for i in 0..height {
        for j in 0..width {
            let j = if choice.flip { width - 1 - j } else { j };
            let (v, h) =
                (source(i, height, choice.top, choice.height), source(j, width, choice.left, choice.width));
            for c in 0..channels {
                let mut value = 0.0;
                for (di, dj) in [(0.0, 0.0), (0.0, 1.0), (1.0, 0.0), (1.0, 1.0)] {
                    let weight = |at: f64, d: f64| if d == 0.0 { 1.0 - at.fract() } else { at.fract() };
                    value += weight(v, di) * weight(h, dj) * pixel(v.floor() + di, h.floor() + dj, c);
                }
                values.push(value);
            }
        }
    }
    values
}

/// Boxes of every kind for a batch: whole images, flips, the corners, single pixels, and any.
fn boxes(op: &TakeImages, random: &mut Random) -> Vec<Choice> {
    let (last, height, width) = (op.images as u32 - 1, op.height as f32, op.width as f32);
    let whole = Choice::whole(last, op.height, op.width);
    let mut all = vec![
        whole,
        Choice { flip: true, ..whole },
        Choice { row: 0, top: height - 1.0, left: width - 1.0, height: 1.0, width: 1.0, flip: false },
        Choice { top: 0.0, left: width - 1.0, height, width: 1.0, ..whole },
        Choice { row: 0, ..whole },
    ];
    for at in 0..6 {
        let mut part = |len: usize| {
            let extent = 1.0 + (random.uniform() * (len as f64 - 1.0)) as f32;
            (((len as f32 - extent) * random.uniform() as f32).max(0.0), extent)
        };
        let ((top, height), (left, width)) = (part(op.height), part(op.width));
        // Every third on whole pixels.
        let [top, left, height, width] =
            [top, left, height, width].map(|v| if at % 3 == 0 { v.floor() } else { v });
        let row = random.below(op.images) as u32;
        all.push(Choice { row, top, left, height, width, flip: at % 2 == 0 });
    }
    all
}

const SHAPES: [(usize, usize, [usize; 3]); 10] = [
    (1, 1, [1, 1, 1]),
    (3, 11, [5, 7, 3]),
    (5, 4, [28, 28, 1]),
    (7, 5, [8, 8, 3]),
    (4, 3, [3, 5, 5]),
    (3, 3, [32, 32, 3]),
    (2, 9, [1, 9, 4]),
    (3, 6, [6, 1, 2]),
    (2, 11, [2, 2, 6]),
    (2, 2, [9, 16, 16]),
];

#[test]
fn batches_are_those_of_the_formula_and_of_all_devices_to_the_bit() {
    for (at, (images, batch, shape)) in SHAPES.into_iter().enumerate() {
        let op = TakeImages::new(images, batch, shape).unwrap();
        let values = shape.iter().product::<usize>();
        let mut random = Random::new(at as u64);
        let set = random.bytes(images * values);
        let scale: Vec<f32> =
            random.floats(2 * op.channels, |r| 0.5 + r.uniform()).iter().map(|v| v / 64.0).collect();
        for choices in boxes(&op, &mut random).chunks(batch) {
            let mut first: Option<Vec<f32>> = None;
            for device in devices() {
                for precision in precisions(&device) {
                    for offset in [0, 1, 4] {
                        let what = format!("{device}: {op:?}, {precision:?}, offset {offset}, {choices:?}");
                        let mut held = start(&device, offset, &op, &set, &scale, precision);
                        let before = held.values(0);
                        let got = take(&mut held, &op, choices);
                        same(&held.values(0), &before, &what);
                        let Some(first) = &first else {
                            for (n, got) in got.chunks(values).enumerate() {
                                let choice = &choices[n.min(choices.len() - 1)];
                                check(&op, &naive(&op, &set, choice), got, &scale, choice, &what);
                            }
                            first = Some(got);
                            continue;
                        };
                        same(&got, &stored(first, precision), &what);
                    }
                }
            }
        }
    }
}

/// One image: to the bit where it is a whole one, else as near as positions in f32 are, to 255 a pixel.
fn check(op: &TakeImages, exact: &[f64], got: &[f32], scale: &[f32], choice: &Choice, what: &str) {
    let whole = Choice { flip: choice.flip, ..Choice::whole(choice.row, op.height, op.width) };
    for (at, (value, got)) in exact.iter().zip(got).enumerate() {
        let (by, plus) = (scale[at % op.channels], scale[op.channels + at % op.channels]);
        if *choice == whole {
            assert_eq!(value.fract(), 0.0);
            let want = *value as f32 * by + plus;
            assert_eq!(got.to_bits(), want.to_bits(), "{what}, at {at}: {got} for {want}");
            continue;
        }
        let want = value * f64::from(by) + f64::from(plus);
        let positions = 4.0 * (op.height + op.width) as f64;
        let allowed = f64::from(f32::EPSILON) * (255.0 * f64::from(by) * (positions + 6.0) + f64::from(plus));
        assert!(abs_diff_eq!(f64::from(*got), want, epsilon = allowed), "{what}, at {at}: {got} for {want}");
    }
}

#[test]
fn boxes_are_pytorchs() {
    let bytes: Vec<u8> = pytorch_f32("take_images.set").into_iter().map(|v| v as u8).collect();
    let choices: Vec<Choice> = pytorch_f32("take_images.boxes")
        .chunks(CHOICE)
        .map(|b| Choice {
            row: b[0] as u32,
            top: b[1],
            left: b[2],
            height: b[3],
            width: b[4],
            flip: b[5] != 0.0,
        })
        .collect();
    let op = TakeImages::new(3, choices.len(), [9, 11, 3]).unwrap();
    for device in devices() {
        let mut held = start(&device, 0, &op, &bytes, &[1.0, 1.0, 1.0, 0.0, 0.0, 0.0], Precision::F32);
        near(&take(&mut held, &op, &choices), &pytorch("take_images.taken"), 2e-6, &device.to_string());
    }
}

#[test]
fn a_batch_is_filled_with_its_last_choice() {
    for device in devices() {
        let op = TakeImages::new(4, 5, [2, 3, 1]).unwrap();
        let set: Vec<u8> = (0..24).collect();
        let mut held = start(&device, 0, &op, &set, &[1.0, 0.0], Precision::F32);
        let got = take(&mut held, &op, &[3, 1].map(|row| Choice::whole(row, 2, 3)));
        let want: Vec<f32> =
            [3, 1, 1, 1, 1].iter().flat_map(|row| (0..6).map(move |i| (6 * row + i) as f32)).collect();
        same(&got, &want, &device.to_string());
    }
}

#[test]
fn choices_written_around_the_check_stay_inside_the_set() {
    let op = TakeImages::new(3, 9, [4, 4, 2]).unwrap();
    let set = Random::new(1).bytes(96);
    let far = [-1e30, 1e30, f32::INFINITY, f32::NAN, -0.5];
    let mut choices: Vec<f32> = vec![
        3.0,
        0.0,
        0.0,
        4.0,
        4.0,
        0.0, // no such image
        -1.0,
        0.0,
        0.0,
        4.0,
        4.0,
        1.0, // nor this
        0.5,
        0.0,
        0.0,
        2.0,
        2.0,
        0.0, // nor between two
        f32::NAN,
        0.0,
        0.0,
        4.0,
        4.0,
        0.0,
    ];
    far.iter().for_each(|v| choices.extend([2.0, *v, *v, *v, *v, 1.0]));
    let mut first: Option<Vec<f32>> = None;
    for device in devices() {
        for offset in [0, 1] {
            let mut held = start(&device, offset, &op, &set, &[1.0, 1.0, 0.0, 0.0], Precision::F32);
            let [set, slot, scale, y] = held.slots;
            held.arena.write(slot, &choices).unwrap();
            take_images::take(&mut held.arena, &op, set, slot, scale, y).unwrap();
            let got = held.values(3);
            assert!(got[..4 * 32].iter().all(|v| v.is_nan()), "{device}: {got:?}");
            same(&got, first.get_or_insert_with(|| got.clone()), &device.to_string());
        }
    }
}

#[test]
fn what_does_not_fit_is_named() {
    for bad in
        [(0, 1, [1, 1, 1]), (1, 0, [1, 1, 1]), (1, 1, [0, 1, 1]), (1, 1, [1, 1, 0]), (1 << 24, 1, [1, 1, 1])]
    {
        let error = TakeImages::new(bad.0, bad.1, bad.2).unwrap_err();
        assert!(matches!(&error, Error::Argument(text) if text.contains("none may be 0")), "{error}");
    }
    for shape in [[1 << 23, 1, 1], [1 << 16, 1 << 15, 1], [usize::MAX, 2, 1]] {
        assert!(TakeImages::new(1, 1, shape).is_err(), "{shape:?}");
    }
    let op = TakeImages::new(10, 2, [3, 4, 1]).unwrap();
    assert_eq!(op.choices_len(), 12);
    for device in devices() {
        let mut held = start(&device, 0, &op, &[0; 120], &[1.0, 0.0], Precision::F32);
        let [set, slot, scale, y] = held.slots;
        let arena = &mut held.arena;
        let whole = Choice::whole(0, 3, 4);
        for (choices, want) in [
            (
                vec![],
                "take_images: 0 choices for a batch of 2: at least 1 is needed, and no more than the batch has",
            ),
            (
                vec![whole; 3],
                "take_images: 3 choices for a batch of 2: at least 1 is needed, and no more than the batch has",
            ),
            (
                vec![whole, Choice { row: 10, ..whole }],
                "take_images: choice 1 is image 10: the set has 10, counted from 0",
            ),
            (
                vec![Choice { top: 0.5, ..whole }],
                "take_images: choice 0 is a box of 3 x 4 pixels at (0.5, 0): it must be 1 or more pixels high and \
                 wide, and lie inside 3 x 4",
            ),
        ] {
            let error = op.write_choices(arena, slot, &choices).unwrap_err();
            assert_eq!(error.to_string(), want);
        }
        for bad in [
            Choice { height: 0.9, ..whole },
            Choice { width: 0.0, ..whole },
            Choice { left: -0.1, width: 2.0, ..whole },
            Choice { left: f32::NAN, ..whole },
            Choice { height: f32::NAN, ..whole },
            Choice { width: f32::INFINITY, ..whole },
            Choice { left: 1e-7, ..whole },
        ] {
            assert!(op.write_choices(arena, slot, &[bad]).is_err(), "{device}: {bad:?}");
        }
        assert!(op.write_choices(arena, slot.part(0, 6), &[whole]).is_err(), "{device}: one choice's place");

        let mut refused = |set, choices, scale, y| {
            take_images::take(arena, &op, set, choices, scale, y).unwrap_err().to_string()
        };
        assert_eq!(
            refused(set.part(0, 29), slot, scale, y),
            "take_images: the set has 116 bytes in words of 4, its shape 10 x 3 x 4 x 1 needs 120"
        );
        assert_eq!(
            refused(set, slot.part(0, 6), scale, y),
            "take_images: the choices has 6 values, its shape 2 x 6 needs 12"
        );
        assert_eq!(
            refused(set, slot, scale.part(0, 1), y),
            "take_images: the scales and shifts has 1 values, its shape 2 x 1 needs 2"
        );
        assert_eq!(
            refused(set, slot, scale, y.part(0, 12)),
            "take_images: the batch has 12 values, its shape 2 x 3 x 4 x 1 needs 24"
        );
        assert_eq!(
            refused(set, slot, scale, set.part(2, 24)),
            "take_images: the batch is written, and shares memory with the set"
        );
    }
}
