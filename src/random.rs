//! Draws from a generator's words, written out because a library's may change with its version: what a seed gives is
//! part of what is promised.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::Rng;

/// A number from 0 to below `count`; its bias is below count / 2^64.
pub(crate) fn below(random: &mut ChaCha8Rng, count: usize) -> usize {
    // The product's high word is below `count`.
    ((u128::from(random.next_u64()) * count as u128) >> 64) as usize
}

/// A number from 0 to below 1: a word's top 53 bits, as a fraction of 2^53.
pub(crate) fn fraction(random: &mut ChaCha8Rng) -> f64 {
    (random.next_u64() >> 11) as f64 / (1u64 << 53) as f64
}

/// Puts `count` of the values, drawn at random, first: the first steps of a Fisher-Yates shuffle.
pub(crate) fn shuffle<T>(values: &mut [T], count: usize, random: &mut ChaCha8Rng) {
    for at in 0..count {
        let step = below(random, values.len() - at);
        values.swap(at, at + step);
    }
}
