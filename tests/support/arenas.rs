//! Tensors for tests of operations on arenas: with margins that must stay as they are, at any alignment, and PyTorch's
//! numbers (tests/vectors/training.py).

use approx::abs_diff_eq;
use sharpdim::{Arena, Device, Layout, Precision, Slot};

/// Lengths that are less than a vector, end within one, and fill more than a block.
pub const LENGTHS: [usize; 7] = [1, 3, 4, 255, 257, 1000, 2051];

/// What is stored before and after each tensor.
const MARGIN: f32 = 77.0;

/// Tensors in an arena of their own.
pub struct Held<const N: usize> {
    pub arena: Arena,
    pub slots: [Slot; N],
    wholes: [Slot; N],
    offset: usize,
}

/// Tensors of these values, each `offset` values behind where tensors start.
pub fn hold<const N: usize>(device: &Device, offset: usize, tensors: [(&[f32], Precision); N]) -> Held<N> {
    let bf16 = tensors.iter().any(|(_, precision)| *precision == Precision::Bf16);
    let mut layout = Layout::new(if bf16 { Precision::Bf16 } else { Precision::F32 });
    let wholes = tensors.map(|(values, precision)| match precision {
        Precision::F32 => layout.f32(values.len() + offset + 5),
        Precision::Bf16 => layout.values(values.len() + offset + 5),
    });
    let mut arena = layout.build(device).unwrap();
    let slots = std::array::from_fn(|i| {
        let values = tensors[i].0;
        arena.write(wholes[i], &vec![MARGIN; wholes[i].len()]).unwrap();
        let slot = if values.is_empty() { Slot::NONE } else { wholes[i].part(offset, values.len()) };
        arena.write(slot, values).unwrap();
        slot
    });
    Held { arena, slots, wholes, offset }
}

impl<const N: usize> Held<N> {
    /// A tensor's values, when it has been seen that nothing was written beside it.
    #[track_caller]
    pub fn values(&self, which: usize) -> Vec<f32> {
        let whole = self.arena.to_vec(self.wholes[which]).unwrap();
        let (before, rest) = whole.split_at(self.offset);
        let (values, after) = rest.split_at(self.slots[which].len());
        assert!(before.iter().chain(after).all(|v| *v == MARGIN), "written beside tensor {which}: {whole:?}");
        values.to_vec()
    }
}

/// Fails unless all numbers are the same to the bit, or NaN where NaN is wanted.
#[track_caller]
pub fn same(got: &[f32], want: &[f32], what: &str) {
    assert_eq!(got.len(), want.len(), "{what}");
    for (at, (got, want)) in got.iter().zip(want).enumerate() {
        let same = got.to_bits() == want.to_bits() || (got.is_nan() && want.is_nan());
        assert!(same, "{what}: {got:e} for {want:e} at {at}");
    }
}

/// Fails unless all numbers agree to `tolerance` of the tensor's largest.
#[track_caller]
pub fn near(got: &[f32], want: &[f64], tolerance: f64, what: &str) {
    assert_eq!(got.len(), want.len(), "{what}");
    let largest = want.iter().fold(0.0f64, |most, v| most.max(v.abs()));
    for (at, (got, want)) in got.iter().zip(want).enumerate() {
        assert!(
            abs_diff_eq!(f64::from(*got), *want, epsilon = tolerance * largest),
            "{what}: {got:e} for {want:e} at {at}, the largest {largest:e}"
        );
    }
}

/// A tensor of tests/vectors/training.safetensors, as f64.
pub fn pytorch(name: &str) -> Vec<f64> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/vectors/training.safetensors");
    let bytes = std::fs::read(path).unwrap();
    let all = safetensors::SafeTensors::deserialize(&bytes).unwrap();
    let tensor = all.tensor(name).unwrap_or_else(|error| panic!("{name}: {error}"));
    match tensor.dtype() {
        safetensors::Dtype::F32 => {
            let words = tensor.data().chunks_exact(4).map(|b| f32::from_le_bytes(b.try_into().unwrap()));
            words.map(f64::from).collect()
        }
        safetensors::Dtype::F64 => {
            tensor.data().chunks_exact(8).map(|b| f64::from_le_bytes(b.try_into().unwrap())).collect()
        }
        other => panic!("{name} is {other:?}"),
    }
}

/// The same, of float32 inputs.
pub fn pytorch_f32(name: &str) -> Vec<f32> {
    pytorch(name).into_iter().map(|v| v as f32).collect()
}
