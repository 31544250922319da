//! Eigenvalues of symmetric matrices: how many are above a number, the largest, all.

use std::ops::Index;

/// A symmetric matrix.
pub(super) struct Symmetric {
    n: usize,
    /// Row by row.
    values: Vec<f64>,
}

impl Symmetric {
    /// The matrix of `n` rows with these elements; `element` is symmetric.
    pub fn from_fn(n: usize, element: impl Fn(usize, usize) -> f64) -> Self {
        let values = (0..n).flat_map(|i| (0..n).map(move |j| (i, j))).map(|(i, j)| element(i, j)).collect();
        Symmetric { n, values }
    }

    pub fn rows(&self) -> impl Iterator<Item = &[f64]> {
        self.values.chunks_exact(self.n)
    }

    pub fn trace(&self) -> f64 {
        self.values.iter().step_by(self.n + 1).sum()
    }

    /// The sum of the squares of all elements.
    pub fn squared_norm(&self) -> f64 {
        self.values.iter().map(|value| value * value).sum()
    }

    /// The tridiagonal matrix of the same eigenvalues, by Householder's reflections.
    pub fn tridiagonal(self) -> Tridiagonal {
        let (n, mut a) = (self.n, self.values);
        let (mut diagonal, mut beside) = (vec![0.0; n], vec![0.0; n - 1]);
        let (mut v, mut p) = (vec![0.0; n], vec![0.0; n]);
        for at in 0..n - 1 {
            let left = n - at - 1;
            let (v, p) = (&mut v[..left], &mut p[..left]);
            let rest = |row: usize| (at + 1 + row) * n + at + 1..(at + 2 + row) * n;
            diagonal[at] = a[at * n + at];
            v.copy_from_slice(&a[at * n + at + 1..(at + 1) * n]);
            let squared = dot(v, v);
            beside[at] = squared;
            if left == 1 || squared == 0.0 {
                continue;
            }
            // The reflection 1 - v v' / half takes the column to its length times an axis.
            let half = squared + squared.sqrt() * v[0].abs();
            v[0] += squared.sqrt().copysign(v[0]);
            for (row, p) in p.iter_mut().enumerate() {
                *p = dot(&a[rest(row)], v) / half;
            }
            let along = dot(v, p) / (2.0 * half);
            p.iter_mut().zip(v.iter()).for_each(|(p, v)| *p -= along * v);
            for row in 0..left {
                let (vr, pr) = (v[row], p[row]);
                for ((a, v), p) in a[rest(row)].iter_mut().zip(v.iter()).zip(p.iter()) {
                    *a -= vr * p + pr * v;
                }
            }
        }
        diagonal[n - 1] = a[n * n - 1];
        Tridiagonal { diagonal, beside }
    }
}

impl Index<[usize; 2]> for Symmetric {
    type Output = f64;

    fn index(&self, [i, j]: [usize; 2]) -> &f64 {
        &self.values[i * self.n + j]
    }
}

/// A symmetric tridiagonal matrix: how many of its eigenvalues lie above a number takes one pass (Sturm's
/// sequence), so that counting them takes a few passes where finding all takes hundreds.
pub(super) struct Tridiagonal {
    diagonal: Vec<f64>,
    /// The squares of the off-diagonal elements.
    beside: Vec<f64>,
}

impl Tridiagonal {
    /// The number of eigenvalues above each of `values`.
    pub fn above<const V: usize>(&self, values: [f64; V]) -> [usize; V] {
        let (mut counts, mut pivots, mut beside) = ([0; V], [1.0; V], 0.0);
        for (at, diagonal) in self.diagonal.iter().enumerate() {
            for ((count, pivot), value) in counts.iter_mut().zip(&mut pivots).zip(&values) {
                *pivot = diagonal - value - beside / *pivot;
                if *pivot == 0.0 {
                    *pivot = -f64::MIN_POSITIVE;
                }
                *count += usize::from(*pivot > 0.0);
            }
            beside = self.beside.get(at).copied().unwrap_or(0.0);
        }
        counts
    }

    /// The largest eigenvalue, to rounding.
    pub fn largest(&self) -> f64 {
        // Numbers tried at once, to hide the latency of divisions.
        const TRIED: usize = 8;
        let (mut low, mut high) = (0.0, self.bounds().1.max(0.0));
        // Each pass leaves a ninth.
        for _ in 0..19 {
            let tried: [f64; TRIED] =
                std::array::from_fn(|at| low + (high - low) * (at + 1) as f64 / (TRIED + 1) as f64);
            let below = self.above(tried).iter().filter(|count| **count > 0).count();
            (low, high) = (
                if below > 0 { tried[below - 1] } else { low },
                if below < TRIED { tried[below] } else { high },
            );
        }
        0.5 * (low + high)
    }

    /// Between which all eigenvalues are: Gershgorin's bounds.
    fn bounds(&self) -> (f64, f64) {
        let length = |at: Option<usize>| at.and_then(|at| self.beside.get(at)).map_or(0.0, |b| b.sqrt());
        let reaches = self.diagonal.iter().enumerate().map(|(at, d)| {
            let reach = length(at.checked_sub(1)) + length(Some(at));
            (d - reach, d + reach)
        });
        reaches.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), (l, h)| (low.min(l), high.max(h)))
    }

    /// All eigenvalues, in no order: by QL steps, of which two or three for each are usual, else by bisection.
    pub fn eigenvalues(self) -> Vec<f64> {
        const MOST: usize = 60;
        self.by_steps(MOST).unwrap_or_else(|left| left.by_bisection())
    }

    /// All eigenvalues by bisection, to a rounding of the largest: slow, but it ends for every matrix.
    fn by_bisection(&self) -> Vec<f64> {
        let largest = |at: usize| {
            let (mut low, mut high) = self.bounds();
            // 2^-60 of the whole is left.
            for _ in 0..60 {
                let middle = 0.5 * (low + high);
                let [above] = self.above([middle]);
                (low, high) = if above > at { (middle, high) } else { (low, middle) };
            }
            0.5 * (low + high)
        };
        (0..self.diagonal.len()).map(largest).collect()
    }

    /// All eigenvalues by QL steps with implicit shifts (Dubrulle, Martin & Wilkinson, 1968). Where one takes more than
    /// `most` of them, the matrix that the steps left, which has the same eigenvalues to rounding.
    fn by_steps(self, most: usize) -> std::result::Result<Vec<f64>, Tridiagonal> {
        let Tridiagonal { diagonal: mut d, beside } = self;
        let mut e: Vec<f64> = beside.into_iter().map(f64::sqrt).collect();
        e.push(0.0);
        for low in 0..d.len() {
            for step in 0.. {
                // The block from `low` on that no element splits.
                let splits = |at: &usize| e[*at].abs() <= f64::EPSILON * (d[*at].abs() + d[*at + 1].abs());
                let high = (low..d.len() - 1).find(splits).unwrap_or(d.len() - 1);
                if high == low {
                    break;
                }
                if step == most {
                    e.pop();
                    let beside = e.into_iter().map(|e| e * e).collect();
                    return Err(Tridiagonal { diagonal: d, beside });
                }
                let half = (d[low + 1] - d[low]) / (2.0 * e[low]);
                let mut g = d[high] - d[low] + e[low] / (half + half.hypot(1.0).copysign(half));
                let (mut s, mut c, mut p) = (1.0, 1.0, 0.0);
                let mut split = false;
                for at in (low..high).rev() {
                    let (f, b) = (s * e[at], c * e[at]);
                    let r = f.hypot(g);
                    e[at + 1] = r;
                    if r == 0.0 {
                        d[at + 1] -= p;
                        e[high] = 0.0;
                        split = true;
                        break;
                    }
                    (s, c) = (f / r, g / r);
                    g = d[at + 1] - p;
                    let r = (d[at] - g) * s + 2.0 * c * b;
                    p = s * r;
                    d[at + 1] = g + p;
                    g = c * r - b;
                }
                if !split {
                    d[low] -= p;
                    (e[low], e[high]) = (g, 0.0);
                }
            }
        }
        Ok(d)
    }
}

/// In partial sums, so that it vectorises.
fn dot(a: &[f64], b: &[f64]) -> f64 {
    const WIDTH: usize = 8;
    let mut partial = [0.0; WIDTH];
    let (whole_a, rest_a) = a.as_chunks::<WIDTH>();
    let (whole_b, rest_b) = b.as_chunks::<WIDTH>();
    for (a, b) in whole_a.iter().zip(whole_b) {
        for l in 0..WIDTH {
            partial[l] += a[l] * b[l];
        }
    }
    partial.iter().sum::<f64>() + rest_a.iter().zip(rest_b).map(|(a, b)| a * b).sum::<f64>()
}

#[cfg(test)]
mod tests {
    use super::*;
    use approx::{abs_diff_eq, assert_abs_diff_eq};
    use nalgebra::DMatrix;
    use rand::{RngExt, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    #[test]
    fn eigenvalues_are_counted_as_they_are_found() {
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        for size in [1, 2, 3, 7, 50] {
            for rank in [1, 2, 5, 60] {
                let x = DMatrix::from_fn(size, rank, |_, j| rng.random_range(-1.0..1.0) / (1.0 + j as f64));
                let gram = &x * x.transpose();
                let mut found: Vec<f64> = gram.symmetric_eigenvalues().iter().copied().collect();
                found.sort_by(|a, b| b.total_cmp(a));
                let tridiagonal = Symmetric::from_fn(size, |i, j| gram[(i, j)]).tridiagonal();
                assert_abs_diff_eq!(tridiagonal.largest() / found[0], 1.0, epsilon = 1e-12);
                for share in [0.01, 0.05, 0.3, 0.99] {
                    let limit = share * found[0];
                    assert_eq!(tridiagonal.above([limit])[0], found.iter().filter(|v| **v > limit).count());
                }
                // Bisection from the start, after a step, and never.
                for most in [0, 1, 60] {
                    let tridiagonal = Symmetric::from_fn(size, |i, j| gram[(i, j)]).tridiagonal();
                    let by_steps = tridiagonal.by_steps(most);
                    assert!(by_steps.is_ok() || most < 60, "{size} {rank}");
                    assert!(by_steps.is_err() || most == 60 || size <= 2 || rank == 1, "{size} {rank}");
                    let mut all = by_steps.unwrap_or_else(|left| left.by_bisection());
                    all.sort_by(|a, b| b.total_cmp(a));
                    for (got, want) in all.iter().zip(&found) {
                        let alike = abs_diff_eq!(got, want, epsilon = 1e-13 * found[0]);
                        assert!(alike, "{size} {rank}: {got} for {want}");
                    }
                    assert_eq!(all.len(), size);
                }
            }
        }
        let identity = || Symmetric::from_fn(4, |i, j| f64::from(u8::from(i == j))).tridiagonal();
        assert_eq!(identity().above([0.5]), [4]);
        assert_eq!(identity().eigenvalues(), [1.0; 4]);
    }
}
