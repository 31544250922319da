//! Weights at first: torchvision's distributions, drawn from numbered streams so that any number of threads draws the
//! same.

use super::graph::{Entry, Role};
use crate::random::Random;
use rayon::prelude::*;
use std::f32::consts::TAU;

/// Values of a stream.
const PIECE: usize = 1 << 16;

/// What a weight is drawn from.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Draw {
    Constant(f32),
    /// Mean 0, this standard deviation.
    Normal(f32),
    /// From minus this to this.
    Uniform(f32),
}

/// torchvision's choice: convolutions after He et al. 2015 by the number of outputs; VGG's linear layers N(0, 0.01) and
/// its biases 0; a ResNet's last layer uniform within 1 / sqrt(inputs), as PyTorch's linear layers are by default.
fn draw(entry: &Entry, plain: bool) -> Draw {
    let inverse_root = |inputs: usize| 1.0 / (inputs as f32).sqrt();
    match entry.role {
        Role::Filters([outputs, inputs, ..]) if entry.shape.len() == 2 => {
            debug_assert!(outputs > 0);
            if plain { Draw::Normal(0.01) } else { Draw::Uniform(inverse_root(inputs)) }
        }
        Role::Filters([outputs, _, rows, columns]) => {
            Draw::Normal((2.0 / (outputs * rows * columns) as f32).sqrt())
        }
        Role::Bias(_) if plain => Draw::Constant(0.0),
        Role::Bias(inputs) => Draw::Uniform(inverse_root(inputs)),
        Role::Gamma | Role::RunningVariance => Draw::Constant(1.0),
        Role::Beta | Role::RunningMean | Role::Batches => Draw::Constant(0.0),
    }
}

/// The first values of entry `at` of a state dict.
pub(super) fn values(entry: &Entry, at: usize, plain: bool, seed: u64) -> Vec<f32> {
    let mut values = vec![0.0; entry.len()];
    let draw = draw(entry, plain);
    values.par_chunks_mut(PIECE).enumerate().for_each(|(piece, values)| {
        if let Draw::Constant(value) = draw {
            values.fill(value);
            return;
        }
        let mut random = Random::stream(seed, (at as u64) << 32 | piece as u64);
        // 24 bits, each as likely; above 0, for its logarithm.
        let mut uniform = || ((random.bits_32() >> 8) + 1) as f32 / 16_777_216.0;
        match draw {
            Draw::Normal(deviation) => {
                for pair in values.chunks_mut(2) {
                    // Box & Muller 1958.
                    let (radius, angle) = (deviation * (-2.0 * uniform().ln()).sqrt(), TAU * uniform());
                    let (sin, cos) = angle.sin_cos();
                    pair.iter_mut().zip([radius * cos, radius * sin]).for_each(|(v, drawn)| *v = drawn);
                }
            }
            Draw::Uniform(most) => values.iter_mut().for_each(|v| *v = most * (2.0 * uniform() - 1.0)),
            Draw::Constant(_) => {}
        }
    });
    values
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights_have_the_moments_that_they_should() {
        let check = |shape: Vec<usize>, role, plain, deviation: f64| {
            let entry = Entry { name: String::new(), shape, role };
            let values = values(&entry, 3, plain, 7);
            let n = values.len() as f64;
            let mean = values.iter().map(|v| f64::from(*v)).sum::<f64>() / n;
            let square = values.iter().map(|v| f64::from(*v).powi(2)).sum::<f64>() / n;
            assert!(mean.abs() < 5.0 * deviation / n.sqrt(), "{role:?}: mean {mean}");
            assert!((square.sqrt() / deviation - 1.0).abs() < 4.0 / n.sqrt(), "{role:?}: {}", square.sqrt());
        };
        let filters = [64, 32, 3, 3];
        check(filters.to_vec(), Role::Filters(filters), true, (2.0 / (64.0 * 9.0f64)).sqrt());
        check(vec![300, 500], Role::Filters([300, 500, 1, 1]), true, 0.01);
        check(vec![300, 500], Role::Filters([300, 500, 1, 1]), false, (1.0 / 500.0 / 3.0f64).sqrt());
        check(vec![1000], Role::Bias(512), false, (1.0 / 512.0 / 3.0f64).sqrt());
    }

    #[test]
    fn entries_and_pieces_differ() {
        let shape = [PIECE, 2, 1, 1];
        let entry = Entry { name: String::new(), shape: shape.to_vec(), role: Role::Filters(shape) };
        let [first, second] = [0, 1].map(|at| values(&entry, at, false, 0));
        assert_ne!(first[..9], second[..9]);
        assert_ne!(first[..9], first[PIECE..PIECE + 9]);
        assert_eq!(first, values(&entry, 0, false, 0));
    }
}
