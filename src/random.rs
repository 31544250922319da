//! Random draws, implemented here because a library's may change with its version, and seeded results must not. The generator is ChaCha8; a test holds it to the cipher's definition.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

/// A generator of random numbers.
pub(crate) struct Random(ChaCha8Rng);

impl Random {
    /// One of a seed's independent streams.
    pub(crate) fn stream(seed: u64, stream: u64) -> Self {
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        random.set_stream(stream);
        Random(random)
    }

    /// 64 random bits.
    pub(crate) fn bits(&mut self) -> u64 {
        self.0.next_u64()
    }

    /// 32 random bits.
    #[cfg(feature = "networks")]
    pub(crate) fn bits_32(&mut self) -> u32 {
        self.0.next_u32()
    }

    /// A number from 0 to below `count`; its bias is below count / 2^64.
    pub(crate) fn below(&mut self, count: usize) -> usize {
        // The product's high word is below `count`.
        ((u128::from(self.bits()) * count as u128) >> 64) as usize
    }

    /// A number from 0 to below 1: the top 53 of 64 bits, as a fraction of 2^53.
    pub(crate) fn fraction(&mut self) -> f64 {
        (self.bits() >> 11) as f64 / (1u64 << 53) as f64
    }

    /// Puts `count` of the values, drawn at random, first: the first steps of a Fisher-Yates shuffle.
    pub(crate) fn shuffle<T>(&mut self, values: &mut [T], count: usize) {
        for at in 0..count {
            let step = self.below(values.len() - at);
            values.swap(at, at + step);
        }
    }

    /// `count` of the numbers below `n`, each at most once, in ascending order.
    pub(crate) fn subset(&mut self, n: usize, count: usize) -> Vec<usize> {
        let mut numbers: Vec<usize> = (0..n).collect();
        self.shuffle(&mut numbers, count);
        numbers.truncate(count);
        numbers.sort_unstable();
        numbers
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The key that a seed stands for, by the PCG32 generator of O'Neill, 2014.
    fn key(mut seed: u64) -> [u32; 8] {
        std::array::from_fn(|_| {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(11_634_580_027_462_260_723);
            let word = (((seed >> 18) ^ seed) >> 27) as u32;
            word.rotate_right((seed >> 59) as u32)
        })
    }

    /// A block of ChaCha with 8 rounds (Bernstein, 2008): key, 64-bit counter, 64-bit nonce.
    fn block(key: [u32; 8], counter: u64, nonce: u64) -> [u32; 16] {
        let mut start = [0u32; 16];
        for (word, text) in start.iter_mut().zip(b"expand 32-byte k".chunks(4)) {
            *word = u32::from_le_bytes(text.try_into().unwrap());
        }
        start[4..12].copy_from_slice(&key);
        [start[12], start[13]] = [counter as u32, (counter >> 32) as u32];
        [start[14], start[15]] = [nonce as u32, (nonce >> 32) as u32];
        let mut state = start;
        let mut quarter = |a: usize, b: usize, c: usize, d: usize| {
            for (x, y, z, turn) in [(a, b, d, 16), (c, d, b, 12), (a, b, d, 8), (c, d, b, 7)] {
                state[x] = state[x].wrapping_add(state[y]);
                state[z] = (state[z] ^ state[x]).rotate_left(turn);
            }
        };
        for _ in 0..4 {
            for column in 0..4 {
                quarter(column, 4 + column, 8 + column, 12 + column);
            }
            for column in 0..4 {
                quarter(column, 4 + (column + 1) % 4, 8 + (column + 2) % 4, 12 + (column + 3) % 4);
            }
        }
        std::array::from_fn(|at| state[at].wrapping_add(start[at]))
    }

    #[test]
    fn the_generator_is_chacha8() {
        for (seed, stream) in [(0, 0), (1, 0), (0, 1), (u64::MAX, 12_345_678_901_234)] {
            let mut random = Random::stream(seed, stream);
            for counter in 0..9 {
                let words = block(key(seed), counter, stream);
                for pair in words.chunks(2) {
                    assert_eq!(
                        random.bits(),
                        u64::from(pair[0]) | u64::from(pair[1]) << 32,
                        "{seed} {stream}"
                    );
                }
            }
        }
    }

    #[test]
    fn draws_follow_their_definitions() {
        let (mut random, mut bits) = (Random::stream(5, 6), Random::stream(5, 6));
        for count in [1, 2, 3, 10, 1_000_003, usize::MAX] {
            let wide = u128::from(bits.bits()) * count as u128;
            assert_eq!(random.below(count) as u128, wide >> 64);
            assert_eq!(random.fraction(), (bits.bits() / 2048) as f64 / 9_007_199_254_740_992.0);
        }
        // Every order of four, and every subset of two of four, comes up as often as the others.
        let (mut orders, mut subsets) =
            (std::collections::BTreeMap::new(), std::collections::BTreeMap::new());
        for stream in 0..24_000 {
            let mut values = [0, 1, 2, 3];
            Random::stream(7, stream).shuffle(&mut values, 4);
            *orders.entry(values).or_insert(0) += 1;
            *subsets.entry(Random::stream(8, stream).subset(4, 2)).or_insert(0) += 1;
        }
        assert_eq!((orders.len(), subsets.len()), (24, 6));
        // Six standard deviations of binomial counts.
        assert!(orders.values().all(|count| (1000i32 - count).abs() < 186), "{orders:?}");
        assert!(subsets.values().all(|count| (4000i32 - count).abs() < 347), "{subsets:?}");
        assert!(subsets.keys().all(|numbers| numbers[0] < numbers[1]));
    }
}
