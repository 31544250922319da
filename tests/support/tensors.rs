//! What the tests of networks' operations share: tensors between sentinels, precisions, tolerances, PyTorch's vectors.

use approx::abs_diff_eq;
use safetensors::{Dtype, SafeTensors};
use sharpdim::bf16;
use sharpdim::{Arena, Device, Layout, Precision, Slot};
use std::fs;

/// Half the distance from 1 to the next bf16: what storing a value as bf16 costs at most, relative to it.
pub const BF16_ROUNDING: f64 = 1.0 / 256.0;

/// The precisions that a device computes in.
pub fn precisions(device: &Device) -> Vec<Precision> {
    if device.is_cpu() { vec![Precision::F32] } else { vec![Precision::F32, Precision::Bf16] }
}

/// A value as a precision stores it.
pub fn stored_one(value: f32, precision: Precision) -> f32 {
    match precision {
        Precision::F32 => value,
        Precision::Bf16 => bf16::from_f32(value).to_f32(),
    }
}

/// The values as a precision stores them.
pub fn stored(values: &[f32], precision: Precision) -> Vec<f32> {
    values.iter().map(|v| stored_one(*v, precision)).collect()
}

/// What storing `want` as this precision costs at most.
pub fn rounding(want: f64, precision: Precision) -> f64 {
    match precision {
        // Of f32 it is part of what arithmetic is allowed.
        Precision::F32 => 0.0,
        Precision::Bf16 => want.abs() * BF16_ROUNDING,
    }
}

pub fn wide(values: &[f32]) -> Vec<f64> {
    values.iter().map(|v| f64::from(*v)).collect()
}

/// Values on either side of a tensor that no operation may touch.
const SENTINELS: usize = 9;
const SENTINEL: f32 = -12_288.0;

/// Tensors in an arena, each between sentinels, so that what writes beyond its own is found.
pub struct Tensors {
    layout: Layout,
    /// Values before each tensor: where not a multiple of 16 bytes, no vectors can be loaded.
    before: usize,
    all: Vec<(Slot, Slot, Vec<f32>)>,
}

impl Tensors {
    pub fn new(precision: Precision, aligned: bool) -> Self {
        Tensors { layout: Layout::new(precision), before: if aligned { 8 } else { 7 }, all: Vec::new() }
    }

    /// A tensor of the layout's precision that holds `values`; no values, no tensor.
    pub fn values(&mut self, values: &[f32]) -> Slot {
        if values.is_empty() {
            return Slot::NONE;
        }
        let slot = self.layout.values(values.len() + SENTINELS + self.before);
        self.keep(slot, values)
    }

    /// The same in f32.
    pub fn f32(&mut self, values: &[f32]) -> Slot {
        if values.is_empty() {
            return Slot::NONE;
        }
        let slot = self.layout.f32(values.len() + SENTINELS + self.before);
        self.keep(slot, values)
    }

    fn keep(&mut self, whole: Slot, values: &[f32]) -> Slot {
        let part = whole.part(self.before, values.len());
        self.all.push((whole, part, values.to_vec()));
        part
    }

    pub fn build(&self, device: &Device) -> Arena {
        let mut arena = self.layout.build(device).unwrap();
        for (whole, part, values) in &self.all {
            arena.write(*whole, &vec![SENTINEL; whole.len()]).unwrap();
            arena.write(*part, values).unwrap();
        }
        arena
    }

    /// Fails where a sentinel is gone.
    pub fn check(&self, arena: &Arena) {
        for (whole, part, _) in &self.all {
            let values = arena.to_vec(*whole).unwrap();
            let (before, after) = (&values[..self.before], &values[self.before + part.len()..]);
            for side in [before, after] {
                assert!(side.iter().all(|v| *v == SENTINEL), "written beside a tensor of {}", part.len());
            }
        }
    }
}

/// Fails unless every value is as near as `allowed` says for its place.
#[track_caller]
pub fn near(got: &[f32], want: &[f64], allowed: impl Fn(usize) -> f64, what: &str) {
    assert_eq!(got.len(), want.len(), "{what}");
    for (at, (got, want)) in got.iter().zip(want).enumerate() {
        let (got, allowed) = (f64::from(*got), allowed(at));
        let same = got.is_nan() && want.is_nan() || got == *want;
        assert!(
            same || abs_diff_eq!(got, *want, epsilon = allowed),
            "{what}, at {at}: {got} for {want}, off by {:.1e} of {allowed:.1e}",
            (got - want).abs()
        );
    }
}

/// Arrays that a script of tests/vectors wrote.
pub struct Vectors(Vec<u8>);

impl Vectors {
    pub fn open(name: &str) -> Self {
        let path = format!("{}/tests/vectors/{name}.safetensors", env!("CARGO_MANIFEST_DIR"));
        Vectors(fs::read(&path).unwrap_or_else(|error| panic!("{path}: {error}")))
    }

    /// An array of f32, where there is one.
    pub fn floats(&self, name: &str) -> Option<Vec<f32>> {
        let all = SafeTensors::deserialize(&self.0).unwrap();
        let array = all.tensor(name).ok()?;
        assert_eq!(array.dtype(), Dtype::F32, "{name}");
        Some(array.data().chunks(4).map(|b| f32::from_le_bytes(b.try_into().unwrap())).collect())
    }

    /// An array of integers.
    pub fn integers(&self, name: &str) -> Option<Vec<usize>> {
        let all = SafeTensors::deserialize(&self.0).unwrap();
        let array = all.tensor(name).ok()?;
        assert_eq!(array.dtype(), Dtype::I64, "{name}");
        let value = |b: &[u8]| i64::from_le_bytes(b.try_into().unwrap()) as usize;
        Some(array.data().chunks(8).map(value).collect())
    }
}
