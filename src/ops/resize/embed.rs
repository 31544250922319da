//! Embeddings of enlarged images: vectors with the same distances, and fewer numbers than they have pixels.
//!
//! Bilinear resizing is linear and separable: an image X becomes R X C', with one matrix for rows and one for columns.
//! Where R has more rows than columns, R'R = U'U with an upper triangular U of the image's own size (Cholesky), and
//! |R x| = |U x| for every x. So the embedding U X V', with as many numbers as the image has pixels, preserves
//! distances and inner products of differences. R'R is banded, as each output depends on a few adjacent inputs, and so
//! is U: two entries per row without antialiasing.

use super::Taps;
use super::cpu::resize_bilinear;
use crate::geometry::Geometry;

/// The linear map from images to vectors with the distances of the resized images, but fewer numbers.
///
/// ```
/// use sharpdim::ops::resize::{Embedding, Geometry, resize_bilinear};
/// let geometry = Geometry { from: [1, 2], to: [1, 4], channels: 1, antialias: false };
/// let embedding = Embedding::new(geometry).expect("two numbers are fewer than four");
/// let (mut embedded, mut resized) = ([0.0; 2], [0.0; 4]);
/// embedding.embed(&[1u8, 5], &mut embedded);
/// resize_bilinear(&[1u8, 5], 1, 2, 1, &mut resized, 1, 4, false); // 1, 2, 4, 5
/// let squared: f64 = embedded.iter().map(|value| value * value).sum();
/// assert!((squared - 46.0).abs() < 1e-12);
/// assert_eq!(embedding.image(&embedded), resized);
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Embedding {
    geometry: Geometry,
    rows: Axis,
    columns: Axis,
}

/// The map of one axis.
#[derive(Clone, Debug, PartialEq)]
enum Axis {
    /// It keeps its size.
    Kept,
    /// It shrinks: its resizing itself.
    Shrunk(Banded),
    /// It grows: the upper triangular factor, of the image's own size.
    Grown(Banded),
}

/// A banded matrix: each row has a few adjacent entries.
#[derive(Clone, Debug, PartialEq)]
struct Banded {
    /// The column of each row's first entry.
    first: Vec<usize>,
    /// The entries of each row.
    entries: Vec<Vec<f64>>,
}

/// The longest side: computing the condition of its factor takes quadratic time.
const LARGEST: usize = 8192;

/// The largest condition of an axis. Relative errors of squared distances are at most this times a few 2^-53.
const CONDITION: f64 = 1e8;

impl Embedding {
    /// The embedding for this resizing. `None` where it would be no smaller than the resized images, where the factor would be
    /// too ill-conditioned, and for a side of more than 8192 pixels.
    ///
    /// # Panics
    /// Where an extent is 0.
    pub fn new(geometry: Geometry) -> Option<Self> {
        let Geometry { from, to, channels, antialias } = geometry;
        assert!(channels > 0 && !from.contains(&0) && !to.contains(&0), "images without pixels");
        if from.iter().chain(&to).any(|side| *side > LARGEST) {
            return None;
        }
        let kept = |axis: usize| from[axis].min(to[axis]);
        if kept(0) * kept(1) >= to[0] * to[1] {
            return None;
        }
        let axis = |at: usize| Axis::new(from[at], to[at], antialias);
        Some(Embedding { geometry, rows: axis(0)?, columns: axis(1)? })
    }

    /// The resizing.
    pub fn geometry(&self) -> Geometry {
        self.geometry
    }

    /// Height and width of an embedding: each the smaller of the image's and the resized image's.
    pub fn size(&self) -> [usize; 2] {
        let Geometry { from, to, .. } = self.geometry;
        [from[0].min(to[0]), from[1].min(to[1])]
    }

    /// The number of values in an embedding.
    pub fn dim(&self) -> usize {
        let [height, width] = self.size();
        height * width * self.geometry.channels
    }

    /// Embeds an image of the geometry's `from` pixels, row-major, channels last, into `dim` values.
    ///
    /// # Panics
    /// Where a slice has another length than that.
    pub fn embed<T: Copy + Into<f64>>(&self, pixels: &[T], out: &mut [f64]) {
        let Geometry { from: [height, width], channels, .. } = self.geometry;
        assert_eq!(pixels.len(), height * width * channels, "values of an image, {}", self.geometry);
        assert_eq!(out.len(), self.dim(), "values of an embedding, {}", self.geometry);
        let mut between = vec![0.0; self.size()[0] * width * channels];
        self.rows.apply(pixels, &mut between, width * channels);
        let (line, out_line) = (width * channels, self.size()[1] * channels);
        for (line, out) in between.chunks_exact(line).zip(out.chunks_exact_mut(out_line)) {
            self.columns.apply(line, out, channels);
        }
    }

    /// The image of an embedding, of size [`size`](Self::size): growing axes at their original size, shrinking ones resized.
    /// Exact up to rounding, about 1e-13 of the largest value.
    ///
    /// # Panics
    /// Where the number of values is not that of an embedding.
    pub fn restore(&self, embedded: &[f64]) -> Vec<f64> {
        assert_eq!(embedded.len(), self.dim(), "values of an embedding, {}", self.geometry);
        let channels = self.geometry.channels;
        let line = self.size()[1] * channels;
        let mut image = embedded.to_vec();
        self.rows.undo(&mut image, line);
        image.chunks_exact_mut(line).for_each(|line| self.columns.undo(line, channels));
        image
    }

    /// The resized image of an embedding: of the geometry's `to` pixels, row-major, channels last.
    ///
    /// # Panics
    /// As [`restore`](Self::restore).
    pub fn image(&self, embedded: &[f64]) -> Vec<f32> {
        let Geometry { to: [tall, wide], channels, antialias, .. } = self.geometry;
        let [height, width] = self.size();
        let image: Vec<f32> = self.restore(embedded).into_iter().map(|value| value as f32).collect();
        let mut out = vec![0.0; tall * wide * channels];
        resize_bilinear(&image, height, width, channels, &mut out, tall, wide, antialias);
        out
    }
}

impl Axis {
    /// `None` where the factor would not be accurate.
    fn new(input: usize, output: usize, antialias: bool) -> Option<Self> {
        if input == output {
            return Some(Axis::Kept);
        }
        let taps = Taps::new(input, output, antialias);
        // Resizing uses the weights as f32; f64 holds their products without error.
        let resizing: Banded = (0..output)
            .map(|at| {
                let (first, weights) = taps.at(at);
                (first, weights.iter().map(|weight| f64::from(*weight)).collect())
            })
            .collect();
        if output < input { Some(Axis::Shrunk(resizing)) } else { factor(&resizing, input).map(Axis::Grown) }
    }

    /// Resizes the first axis of `src`, of lines of `inner` values.
    fn apply<T: Copy + Into<f64>>(&self, src: &[T], out: &mut [f64], inner: usize) {
        let (Axis::Shrunk(matrix) | Axis::Grown(matrix)) = self else {
            out.iter_mut().zip(src).for_each(|(out, value)| *out = (*value).into());
            return;
        };
        let lines = matrix.first.iter().zip(&matrix.entries);
        for (out, (first, entries)) in out.chunks_exact_mut(inner).zip(lines) {
            out.fill(0.0);
            for (line, entry) in src[first * inner..].chunks_exact(inner).zip(entries) {
                for (out, value) in out.iter_mut().zip(line) {
                    *out += entry * (*value).into();
                }
            }
        }
    }

    /// Inverts [`apply`](Self::apply) where the axis grows, by back substitution from the last line.
    fn undo(&self, lines: &mut [f64], inner: usize) {
        let Axis::Grown(factor) = self else { return };
        for (at, entries) in factor.entries.iter().enumerate().rev() {
            let (own, below) = lines[at * inner..].split_at_mut(inner);
            for (line, entry) in below.chunks_exact(inner).zip(&entries[1..]) {
                own.iter_mut().zip(line).for_each(|(own, value)| *own -= entry * value);
            }
            own.iter_mut().for_each(|own| *own /= entries[0]);
        }
    }
}

impl FromIterator<(usize, Vec<f64>)> for Banded {
    fn from_iter<I: IntoIterator<Item = (usize, Vec<f64>)>>(rows: I) -> Self {
        let (first, entries) = rows.into_iter().unzip();
        Banded { first, entries }
    }
}

/// The upper triangular U with U'U = R'R, where R has `n` columns; `None` where it would not be accurate.
fn factor(resizing: &Banded, n: usize) -> Option<Banded> {
    let most = resizing.entries.iter().map(Vec::len).max().unwrap_or(1);
    // Row i of R'R from its diagonal on; then, row by row, of U.
    let mut rows: Vec<Vec<f64>> = (0..n).map(|i| vec![0.0; most.min(n - i)]).collect();
    for (first, entries) in resizing.first.iter().zip(&resizing.entries) {
        for (at, a) in entries.iter().enumerate() {
            for (right, b) in entries[at..].iter().enumerate() {
                rows[first + at][right] += a * b;
            }
        }
    }
    let norm = rows.iter().map(|row| row[0]).fold(0.0, f64::max) * (2 * most - 1) as f64;
    for i in 0..n {
        let pivot = rows[i][0];
        // Such a pivot is only rounding error.
        if pivot.is_nan() || pivot <= norm / CONDITION {
            return None;
        }
        let root = pivot.sqrt();
        rows[i].iter_mut().for_each(|entry| *entry /= root);
        let row = rows[i].clone();
        for (down, a) in row.iter().enumerate().skip(1) {
            for (right, b) in row[down..].iter().enumerate() {
                rows[i + down][right] -= a * b;
            }
        }
    }
    // |U^-1|^2, by columns: U x = e_j has x_j first, and goes up from there.
    let mut inverse = 0.0;
    let mut x = vec![0.0; n];
    for j in 0..n {
        for i in (0..=j).rev() {
            let known: f64 = rows[i]
                .iter()
                .enumerate()
                .skip(1)
                .map(|(right, entry)| if i + right <= j { entry * x[i + right] } else { 0.0 })
                .sum();
            x[i] = (f64::from(u8::from(i == j)) - known) / rows[i][0];
            inverse += x[i] * x[i];
        }
    }
    (norm * inverse <= CONDITION).then(|| rows.into_iter().enumerate().collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every enlargement is embedded, however small.
    #[test]
    fn factors_are_of_good_condition() {
        for antialias in [false, true] {
            for output in [2, 3, 7, 8, 31, 64, 224, 225] {
                for input in 1..output {
                    assert!(
                        Axis::new(input, output, antialias).is_some(),
                        "{input} to {output}, {antialias}"
                    );
                }
            }
        }
    }

    /// R'R of this is nearly singular: its two columns agree to 1e-9.
    #[test]
    fn what_is_nearly_lost_is_not_embedded() {
        let alike: Banded =
            [(0, vec![1.0, 1.0]), (0, vec![1.0, 1.0 + 1e-9]), (0, vec![1.0, 1.0])].into_iter().collect();
        assert_eq!(factor(&alike, 2), None);
        let lost: Banded = [(0, vec![1.0]), (0, vec![1.0]), (0, vec![1.0, 0.0])].into_iter().collect();
        assert_eq!(factor(&lost, 2), None);
        let different: Banded = [(0, vec![1.0, 0.0]), (0, vec![0.6, 0.8])].into_iter().collect();
        assert!(factor(&different, 2).is_some());
    }
}
