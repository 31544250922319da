//! Initial weights: torchvision's distributions, drawn from numbered streams so that the result does not depend on the
//! number of threads.

use crate::random::Random;
use rayon::prelude::*;
use std::f32::consts::TAU;

/// Values of a stream.
const PIECE: usize = 1 << 16;

/// The distribution of a weight's initial values.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Draw {
    Constant(f32),
    /// Mean 0 and this standard deviation.
    Normal(f32),
    /// From minus this to this.
    Uniform(f32),
}

impl Draw {
    /// Filters (k, c, r, s) after He et al. 2015, by the number of outputs: PyTorch's `kaiming_normal_` with `fan_out`.
    pub fn filters([outputs, _, rows, columns]: [usize; 4]) -> Self {
        Draw::Normal((2.0 / (outputs * rows * columns) as f32).sqrt())
    }
}

/// Initialisation of a linear layer.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Linear {
    /// Weights and biases uniform within 1 / sqrt(inputs): PyTorch's default.
    Uniform,
    /// Weights N(0, this standard deviation), biases 0.
    Normal(f32),
}

impl Linear {
    /// The distributions of weights and biases of a layer with so many inputs.
    pub fn draws(self, inputs: usize) -> [Draw; 2] {
        match self {
            Linear::Uniform => [Draw::Uniform(1.0 / (inputs as f32).sqrt()); 2],
            Linear::Normal(deviation) => [Draw::Normal(deviation), Draw::Constant(0.0)],
        }
    }
}

/// The first `len` values of entry `at` of a state dict.
pub(super) fn values(draw: Draw, len: usize, at: usize, seed: u64) -> Vec<f32> {
    let mut values = vec![0.0; len];
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

    /// The standard deviations are those of torchvision's `resnet.py` and `vgg.py`, and of PyTorch's `nn.Linear`.
    #[test]
    fn weights_have_the_moments_that_they_should() {
        let check = |draw, len, deviation: f64| {
            let values = values(draw, len, 3, 7);
            let n = len as f64;
            let mean = values.iter().map(|v| f64::from(*v)).sum::<f64>() / n;
            let square = values.iter().map(|v| f64::from(*v).powi(2)).sum::<f64>() / n;
            assert!(mean.abs() < 5.0 * deviation / n.sqrt(), "{draw:?}: mean {mean}");
            assert!((square.sqrt() / deviation - 1.0).abs() < 4.0 / n.sqrt(), "{draw:?}: {}", square.sqrt());
        };
        check(Draw::filters([64, 32, 3, 3]), 64 * 32 * 9, (2.0 / (64.0 * 9.0f64)).sqrt());
        let [weights, biases] = Linear::Normal(0.01).draws(500);
        check(weights, 300 * 500, 0.01);
        assert!(values(biases, 300, 0, 7).iter().all(|v| *v == 0.0));
        let [weights, biases] = Linear::Uniform.draws(500);
        check(weights, 300 * 500, (1.0 / 500.0 / 3.0f64).sqrt());
        check(biases, 1000, (1.0 / 500.0 / 3.0f64).sqrt());
    }

    #[test]
    fn entries_and_pieces_differ() {
        let [first, second] = [0, 1].map(|at| values(Draw::Normal(1.0), 2 * PIECE, at, 0));
        assert_ne!(first[..9], second[..9]);
        assert_ne!(first[..9], first[PIECE..PIECE + 9]);
        assert_eq!(first, values(Draw::Normal(1.0), 2 * PIECE, 0, 0));
    }
}
