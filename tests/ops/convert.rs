//! `convert`: between the precisions of a device, to the nearest and ties to even.

use crate::support::arenas::{LENGTHS, hold, same};
use crate::support::tensors::{precisions, stored};
use crate::support::{Random, devices};
use sharpdim::ops::convert;

/// Numbers of every size, and those at which roundings turn.
fn values(len: usize) -> Vec<f32> {
    let mut random = Random::new(len as u64);
    let mut values: Vec<f32> =
        (0..len).map(|_| f32::from_bits(u32::from_le_bytes(random.bytes(4).try_into().unwrap()))).collect();
    // Halfway between two bf16, the lower even and the lower odd, and their neighbours; what rounds to infinity.
    let halfway = [0x3F80_8000, 0x3F81_8000].map(f32::from_bits);
    let special = halfway.into_iter().flat_map(|v| [v.next_down(), v, v.next_up()]);
    let special = special.chain([0.0, -0.0, f32::MAX, f32::INFINITY, f32::NEG_INFINITY, f32::NAN, 1e-45]);
    values.iter_mut().zip(special).for_each(|(v, special)| *v = special);
    values
}

#[test]
fn every_direction_rounds_to_the_nearest_and_ties_to_even() {
    for device in devices() {
        for from in precisions(&device) {
            for to in precisions(&device) {
                for len in LENGTHS {
                    for offset in [0, 1, 4] {
                        let x = values(len);
                        let mut held = hold(&device, offset, [(&x, from), (&vec![5.0; len], to)]);
                        let [source, target] = held.slots;
                        convert::copy(&mut held.arena, source, target).unwrap();
                        let x = stored(&x, from);
                        let what = format!("{device}: {from:?} to {to:?}, {len} values, offset {offset}");
                        same(&held.values(1), &stored(&x, to), &what);
                        same(&held.values(0), &x, &what);
                    }
                }
            }
        }
    }
}

#[test]
fn operands_that_do_not_fit_are_named() {
    for device in devices() {
        let f32 = precisions(&device)[0];
        let mut held = hold(&device, 0, [(&[1.0; 3], f32), (&[1.0; 4], f32)]);
        let [x, y] = held.slots;
        let error = convert::copy(&mut held.arena, x, y).unwrap_err().to_string();
        assert_eq!(error, "convert: the output has 4 values, its shape 3 needs 3");
        assert!(convert::copy(&mut held.arena, y.part(0, 3), y.part(1, 3)).is_err());
    }
}
