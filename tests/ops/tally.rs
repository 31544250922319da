//! `tally`: every device against a search for the first greatest logit, wherever in the table a batch goes.

use crate::support::arenas::{Held, hold, same};
use crate::support::tensors::{precisions, stored};
use crate::support::{Random, devices};
use sharpdim::ops::tally::{self, Tally};
use sharpdim::{Device, Error, Precision};

/// What a place of the table holds before.
const BEFORE: f32 = -3.0;

/// Logits, labels, losses, place, table and halt.
fn start(
    device: &Device,
    offset: usize,
    tally: &Tally,
    (logits, precision): (&[f32], Precision),
    [labels, losses]: [&[f32]; 2],
    (place, halt): ([f32; 2], f32),
) -> Held<6> {
    let (f32, table) = (Precision::F32, vec![BEFORE; 2 * tally.len]);
    let tensors =
        [(logits, precision), (labels, f32), (losses, f32), (&place, f32), (&table, f32), (&[halt], f32)];
    hold(device, offset, tensors)
}

/// The table and the halt after a batch.
fn record(held: &mut Held<6>, tally: &Tally) -> [Vec<f32>; 2] {
    let [logits, labels, losses, place, table, halt] = held.slots;
    tally::record(&mut held.arena, tally, logits, labels, losses, place, table, halt).unwrap();
    [held.values(4), held.values(5)]
}

/// Whether the label is the place of the first greatest logit.
fn naive(logits: &[f32], label: f32) -> bool {
    let mut first = 0;
    for (at, z) in logits.iter().enumerate() {
        if z.is_nan() {
            return false;
        }
        if *z > logits[first] {
            first = at;
        }
    }
    label == first as f32
}

#[test]
fn batches_go_to_their_place_on_every_device() {
    for classes in [1, 2, 10, 31, 32, 33, 257, 1000] {
        for (batch, offset) in [(1, 0), (7, 1), (8, 0), (9, 1), (33, 0)] {
            let tally = Tally::new(batch, classes, batch + 5).unwrap();
            let mut random = Random::new((classes * batch) as u64);
            // Few values, so that many are the greatest.
            let logits = random.floats(batch * classes, |r| (3.0 * r.normal()).round() / 2.0);
            let labels: Vec<f32> = logits
                .chunks(classes)
                .map(|logits| {
                    let right = (0..classes).find(|at| naive(logits, *at as f32)).unwrap();
                    if random.below(2) == 0 { right as f32 } else { random.below(classes) as f32 }
                })
                .collect();
            let losses = random.floats(batch, Random::normal);
            for (from, rows) in [(0, batch), (5, batch), (3, batch.div_ceil(2)), (2, 0)] {
                let mut want = vec![BEFORE; 2 * tally.len];
                for i in 0..rows {
                    want[from + i] = losses[i];
                    let right = naive(&logits[i * classes..][..classes], labels[i]);
                    want[tally.len + from + i] = f32::from(u8::from(right));
                }
                for device in devices() {
                    for precision in precisions(&device) {
                        let what = format!("{device}: {tally:?}, {precision:?}, {rows} from {from} on");
                        let place = [from as f32, rows as f32];
                        let mut held = start(
                            &device,
                            offset,
                            &tally,
                            (&logits, precision),
                            [&labels, &losses],
                            (place, 0.0),
                        );
                        let [table, halt] = record(&mut held, &tally);
                        same(&table, &want, &what);
                        same(&halt, &[0.0], &what);
                        same(&held.values(0), &stored(&logits, precision), &what);
                    }
                }
            }
        }
    }
}

#[test]
fn ties_nan_and_labels_that_are_no_class() {
    let (inf, nan) = (f32::INFINITY, f32::NAN);
    let cases: [([f32; 4], f32, f32); 18] = [
        ([1.0, 2.0, 2.0, 0.0], 1.0, 1.0),
        ([1.0, 2.0, 2.0, 0.0], 2.0, 0.0),
        ([0.5; 4], 0.0, 1.0),
        ([0.5; 4], 3.0, 0.0),
        ([0.0, -0.0, -1.0, -1.0], 0.0, 1.0),
        ([-0.0, 0.0, -1.0, -1.0], 1.0, 0.0),
        ([-inf; 4], 0.0, 1.0),
        ([-inf, inf, 3e38, inf], 1.0, 1.0),
        ([-inf, inf, 3e38, inf], 3.0, 0.0),
        ([nan, 1.0, 0.0, 0.0], 1.0, 0.0),
        ([nan, 1.0, 0.0, 0.0], 0.0, 0.0),
        ([1.0, 0.0, 0.0, nan], 0.0, 0.0),
        ([nan; 4], 0.0, 0.0),
        ([1.0, 0.0, 0.0, 0.0], -1.0, 0.0),
        ([1.0, 0.0, 0.0, 0.0], 4.0, 0.0),
        ([1.0, 0.0, 0.0, 0.0], 0.5, 0.0),
        ([1.0, 0.0, 0.0, 0.0], nan, 0.0),
        ([1.0, 0.0, 0.0, 0.0], 1e30, 0.0),
    ];
    let logits = cases.map(|case| case.0).concat();
    let [labels, want] = [cases.map(|case| case.1), cases.map(|case| case.2)];
    let tally = Tally::new(18, 4, 18).unwrap();
    for device in devices() {
        for precision in precisions(&device) {
            let mut held =
                start(&device, 0, &tally, (&logits, precision), [&labels, &[0.5; 18]], ([0.0, 18.0], 0.0));
            let [table, halt] = record(&mut held, &tally);
            same(&table, &[[0.5; 18], want].concat(), &format!("{device}: {precision:?}"));
            same(&halt, &[0.0], "the losses are finite");
        }
    }
}

#[test]
fn a_loss_that_is_not_finite_halts_and_nothing_else_does() {
    let tally = Tally::new(20, 3, 20).unwrap();
    let logits = vec![f32::NAN; 60];
    for device in devices() {
        for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, f32::MAX] {
            for at in [0, 13, 19] {
                let what = format!("{device}: {bad} at {at}");
                let mut losses = vec![1.0; 20];
                losses[at] = bad;
                let run = |rows: usize, from: f32, halt: f32| {
                    let operands = (&logits[..], Precision::F32);
                    let place = ([from, rows as f32], halt);
                    let mut held = start(&device, 0, &tally, operands, [&[1.0; 20], &losses], place);
                    record(&mut held, &tally)
                };
                let halts = f32::from(u8::from(bad != f32::MAX));
                let [table, halt] = run(20, 0.0, 0.0);
                same(&halt, &[halts], &what);
                same(&table[..20], &losses, &what);
                // Of an image that is none of the batch's rows it says nothing, of one without place in the table it does.
                same(&run(at, 0.0, 0.0)[1], &[0.0], &what);
                same(&run(20, 20.0, 0.0)[1], &[halts], &what);
                // Never cleared.
                same(&run(at, 0.0, 1.0)[1], &[1.0], &what);
                same(&run(at, 0.0, 7.0)[1], &[7.0], &what);
            }
        }
    }
}

#[test]
fn a_place_beyond_the_batch_or_the_table_is_cut_off() {
    let tally = Tally::new(9, 2, 12).unwrap();
    let (logits, labels) = (vec![1.0; 18], vec![0.0; 9]);
    let losses: Vec<f32> = (0..9).map(|i| i as f32).collect();
    let (inf, nan) = (f32::INFINITY, f32::NAN);
    // Where the batch begins, and how many of it are written.
    for (place, first, count) in [
        ([8.0, 9.0], 8, 4),
        ([11.0, 9.0], 11, 1),
        ([12.0, 9.0], 0, 0),
        ([4e9, 9.0], 0, 0),
        ([1e30, 9.0], 0, 0),
        ([inf, inf], 0, 0),
        ([0.0, 1e30], 0, 9),
        ([3.0, inf], 3, 9),
        ([3.9, 2.9], 3, 2),
        ([-5.0, 9.0], 0, 9),
        ([nan, 2.0], 0, 2),
        ([1.0, nan], 0, 0),
        ([1.0, -1.0], 0, 0),
    ] {
        let mut want = vec![BEFORE; 24];
        want[first..first + count].copy_from_slice(&losses[..count]);
        want[12 + first..12 + first + count].fill(1.0);
        for device in devices() {
            let mut held =
                start(&device, 0, &tally, (&logits, Precision::F32), [&labels, &losses], (place, 0.0));
            same(&record(&mut held, &tally)[0], &want, &format!("{device}: {place:?}"));
        }
    }
}

#[test]
fn operands_that_do_not_fit_are_named() {
    for (batch, classes, len) in
        [(0, 1, 1), (1, 0, 1), (1, 1, 0), (1 << 24, 1, 1), (1, 1 << 24, 1), (1, 1, 1 << 24)]
    {
        let error = Tally::new(batch, classes, len).unwrap_err();
        assert!(matches!(&error, Error::Argument(text) if text.contains("none may be 0")), "{error}");
    }
    let tally = Tally::new(2, 3, 4).unwrap();
    for device in devices() {
        let mut held =
            start(&device, 0, &tally, (&[0.0; 6], Precision::F32), [&[0.0; 2], &[0.0; 2]], ([0.0; 2], 0.0));
        let slots @ [logits, _, losses, place, table, halt] = held.slots;
        let arena = &mut held.arena;
        for (which, given, want) in [
            (0, logits.part(0, 5), "tally: the logits has 5 values, its shape 2 x 3 needs 6"),
            (1, losses.part(0, 1), "tally: the labels has 1 values, its shape 2 needs 2"),
            (2, halt, "tally: the losses has 1 values, its shape 2 needs 2"),
            (3, halt, "tally: the rows has 1 values, its shape 2 needs 2"),
            (4, table.part(0, 7), "tally: the table has 7 values, its shape 2 x 4 needs 8"),
            (5, place, "tally: the halt flag has 2 values, its shape 1 needs 1"),
            (5, place.part(0, 1), "tally: the halt flag is written, and shares memory with the rows"),
            (2, table.part(0, 2), "tally: the table is written, and shares memory with the losses"),
            (5, table.part(0, 1), "tally: the table is written, and shares memory with the halt flag"),
        ] {
            let mut all = slots;
            all[which] = given;
            let [logits, labels, losses, place, table, halt] = all;
            let error = tally::record(arena, &tally, logits, labels, losses, place, table, halt).unwrap_err();
            assert_eq!(error.to_string(), want, "{device}");
        }
    }
}
