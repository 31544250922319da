//! 16-bit floats: every operation on every device gives, to the last bit, what it gives for the same values as
//! 32-bit floats, which the other tests hold against naive oracles.

use crate::support::{Set, Values, devices, in_reach, nasty_f32, uniform_f32};
use sharpdim::measure::{PaperProtocol, Protocol, label_sharpness};
use sharpdim::ops::{
    class_pairs, counts_within, duplicates, neighbours, neighbours_between, pair_distances, pairs_within,
    ratio_quantiles, sharpness, sharpness_between,
};
use sharpdim::{Device, Error, Points, bf16, f16};

/// A type of 16 bits.
trait Half: Copy + Sized {
    const NAME: &'static str;
    /// The nearest value of this type that is finite.
    fn nearest(value: f32) -> Self;
    fn wide(self) -> f32;
    fn points(values: &[Self], dim: usize) -> Points<'_>;
}

impl Half for f16 {
    const NAME: &'static str = "f16";
    fn nearest(value: f32) -> Self {
        f16::from_f32(value.clamp(f16::MIN.to_f32(), f16::MAX.to_f32()))
    }
    fn wide(self) -> f32 {
        self.to_f32()
    }
    fn points(values: &[Self], dim: usize) -> Points<'_> {
        Points::f16(values, dim).unwrap()
    }
}

impl Half for bf16 {
    const NAME: &'static str = "bf16";
    fn nearest(value: f32) -> Self {
        bf16::from_f32(value.clamp(bf16::MIN.to_f32(), bf16::MAX.to_f32()))
    }
    fn wide(self) -> f32 {
        self.to_f32()
    }
    fn points(values: &[Self], dim: usize) -> Points<'_> {
        Points::bf16(values, dim).unwrap()
    }
}

/// What every operation says of samples whose first third are queries.
fn everything(device: &Device, points: &Points<'_>, queries: &Points<'_>, reference: &Points<'_>) -> String {
    let n = points.n();
    let labels: Vec<u32> = (0..n as u32).map(|i| i * 5 % 3).collect();
    let (labels_a, labels_b) = labels.split_at(queries.n());
    let near = neighbours(device, points, 4.min(n - 1)).unwrap();
    let squared = [near.squared_distances(0)[0], near.squared_distances(n / 2)[near.k() - 1], 1.0];
    let pairs: Vec<(u32, u32)> = (0..n as u32).map(|i| (i, (i * 7 + 3) % n as u32)).collect();
    let protocol = Protocol::Paper(PaperProtocol { samples: n / 2, repeats: 2, seed: 1 });
    // Debug prints floats so that no two share a form.
    let all = (
        near,
        neighbours_between(device, queries, reference, 3, &|_| ()).unwrap(),
        sharpness(device, points, &labels, 5).map_err(|error| error.to_string()),
        sharpness_between(device, queries, labels_a, reference, labels_b, 5, &|_| ())
            .map_err(|error| error.to_string()),
        counts_within(device, points, squared, &|_| ()).unwrap(),
        pair_distances(device, points, &pairs).unwrap(),
        (
            pairs_within(device, points, squared[0], 1000).map_err(|error| error.to_string()),
            ratio_quantiles(device, points, &labels, &[0.1, 0.9, 1.0]).map_err(|error| error.to_string()),
            class_pairs(device, points, &labels).unwrap(),
        ),
        duplicates(points),
        label_sharpness(device, points, &labels, protocol, 3, &|_| ()).map_err(|error| error.to_string()),
    );
    format!("{all:?}")
}

fn check<T: Half>(device: &Device, set: &Set) {
    let (n, dim, third) = (set.n(), set.dim, set.n() / 3);
    if !in_reach(device, n, dim) {
        return;
    }
    let Values::F32(values) = &set.values else { unreachable!() };
    let halves: Vec<T> = values.iter().map(|value| T::nearest(*value)).collect();
    let wide: Vec<f32> = halves.iter().map(|value| value.wide()).collect();
    let (queries, reference) = halves.split_at(third * dim);
    let (points, queries, reference) =
        (T::points(&halves, dim), T::points(queries, dim), T::points(reference, dim));
    let got = everything(device, &points, &queries, &reference);
    let (queries, reference) = wide.split_at(third * dim);
    let f32 = |values| Points::f32(values, dim).unwrap();
    let want = everything(device, &f32(&wide), &f32(queries), &f32(reference));
    assert!(got == want, "{device}, {}, {}, {n} x {dim}:\n{got}\n{want}", T::NAME, set.name);
}

#[test]
fn halves_give_what_the_same_floats_give() {
    for device in devices() {
        // An emulated GPU takes a second for all operations on one set: it gets some.
        let emulated = device.name().starts_with("emulated");
        let some =
            |sets: Vec<Set>| sets.into_iter().enumerate().filter(move |(at, _)| !emulated || at % 4 == 0);
        for (n, dim) in [(12, 1), (60, 7), (100, 7), (129, 5), (40, 800), (150, 20), (40, 1030), (600, 4)] {
            for (_, set) in some(nasty_f32(n, dim, 1)) {
                check::<f16>(&device, &set);
                check::<bf16>(&device, &set);
            }
        }
        // More values in a row than are widened at a time.
        for dim in [4096, 4097, 9000, 40_000] {
            if !emulated {
                check::<f16>(&device, &uniform_f32(40, dim, 2));
                check::<bf16>(&device, &uniform_f32(40, dim, 2));
            }
        }
    }
}

/// All finite values of 16 bits are what they are.
#[test]
fn every_half_is_widened_exactly() {
    fn check<T: Half>(device: &Device, all: Vec<T>) {
        let zero = T::nearest(0.0);
        for some in all.chunks(90) {
            let values: Vec<T> = std::iter::once(zero).chain(some.iter().copied()).collect();
            let pairs: Vec<(u32, u32)> = (0..values.len() as u32).map(|i| (0, i)).collect();
            let found = pair_distances(device, &T::points(&values, 1), &pairs).unwrap();
            for (value, found) in values.iter().zip(found) {
                assert_eq!(found, f64::from(value.wide()).powi(2), "{device}, {}", T::NAME);
            }
        }
    }
    for device in devices() {
        // Every bit pattern on the CPU, else each exponent with some mantissas.
        let step = if device.is_cpu() { 1 } else { 61 };
        let bits = || (0..=u16::MAX).step_by(step);
        check(&device, bits().map(f16::from_bits).filter(|v| v.is_finite()).collect());
        check(&device, bits().map(bf16::from_bits).filter(|v| v.is_finite()).collect());
    }
}

#[test]
fn sets_of_two_types_are_refused() {
    let (half, brain) = ([f16::ONE; 6], [bf16::ONE; 6]);
    let (half, brain) = (Points::f16(&half, 3).unwrap(), Points::bf16(&brain, 3).unwrap());
    let floats = Points::f32(&[1.0; 6], 3).unwrap();
    let doubles = Points::f64(&[1.0; 6], 3).unwrap();
    for (a, b) in [(half, brain), (half, floats), (floats, brain), (doubles, floats), (half, doubles)] {
        let error = neighbours_between(&Device::cpu(), &a, &b, 1, &|_| ()).unwrap_err();
        assert!(matches!(error, Error::Argument(_)) && error.to_string().contains("type"), "{error}");
    }
}
