//! Convolutions of 3 x 3 filters by Winograd's algorithms F(2 x 2, 3 x 3) and F(4 x 4, 3 x 3): an output tile of 2 x 2
//! pixels takes 16 instead of 36 multiplications per pair of channels, one of 4 x 4 takes 36 instead of 144.
//!
//! A tile's output is the product of two polynomials in both directions, so images' patches and filters are evaluated
//! at a few points, multiplied point by point (products of matrices over the channels), and interpolated. With the
//! matrices B, G and A of the points: y = A' \[(G w G') (B' x B)\] A. The images' gradient is a convolution of dy with
//! the filters rotated by 180 degrees; the weights' is the transpose of the above, dw = G' \[(A dy A') (B' x B)\] G.
//!
//! Rounding errors of small tiles are those of the definition, of large tiles about five times as large. That is harmless in
//! gradients, which are linear in dy; in the forward pass rounding decides the sign of activations near 0, and so it uses
//! small tiles.

use super::{Conv2d, Matrix, Shared, Spaces, TASKS, pieces};
use crate::ops::Activation;
use crate::simd::vectorized;
use macro_rules_attribute::apply;
use rayon::prelude::*;
use std::ops::{Add, Mul, Range, Sub};

/// Rows and columns of the largest tile's patch.
const MOST: usize = 6;
/// Channels transformed at once.
const LANES: usize = 16;
/// Filters in a panel of the transformed weights: the rows of the matrix kernel for AVX-512.
const PANEL: usize = 64;
/// Tiles in a task: few enough that `gemm` does not copy the weights.
const TILES: usize = 48;
/// Padding between the matrices of points: otherwise they would compete for the same cache sets.
const GAP: usize = LANES;
/// Approximate values of a chunk of transformed patches and gradients, in the weights' gradient.
const CHUNK: usize = 4 << 20;
/// Tiles over which a product of the weights' gradient sums.
const DEPTH: usize = 96;
/// Filters in a product of the weights' gradient: their sums stay in a core's cache between blocks.
const FILTERS: usize = 128;
/// Large tiles from which transforming the weights pays: those of a task.
const LEAST: usize = TILES;

/// Adjacent channels.
#[derive(Clone, Copy)]
struct Lanes([f32; LANES]);

impl Lanes {
    const ZERO: Lanes = Lanes([0.0; LANES]);

    #[inline(always)]
    fn load(values: &[f32]) -> Self {
        let mut lanes = [0.0; LANES];
        lanes.copy_from_slice(&values[..LANES]);
        Lanes(lanes)
    }

    #[inline(always)]
    fn put(self, out: &mut [f32]) {
        out[..LANES].copy_from_slice(&self.0);
    }
}

macro_rules! lanewise {
    ($operation:ident, $function:ident, $sign:tt) => {
        impl $operation for Lanes {
            type Output = Lanes;

            #[inline(always)]
            fn $function(mut self, other: Lanes) -> Lanes {
                for i in 0..LANES {
                    self.0[i] $sign other.0[i];
                }
                self
            }
        }
    };
}
lanewise!(Add, add, +=);
lanewise!(Sub, sub, -=);

impl Mul<f32> for Lanes {
    type Output = Lanes;

    #[inline(always)]
    fn mul(mut self, factor: f32) -> Lanes {
        for i in 0..LANES {
            self.0[i] *= factor;
        }
        self
    }
}

/// Lanes per point, or per pixel of a row or column; an algorithm ignores those beyond its size.
type Line = [Lanes; MOST];

/// One of the algorithms: its tile sizes, and its transforms of a row or column.
trait Algorithm {
    /// Rows and columns of an output tile.
    const OUT: usize;
    /// Rows and columns of its patch.
    const IN: usize = Self::OUT + 2;
    /// Values of a transformed patch or filter.
    const PLACES: usize = Self::IN * Self::IN;

    /// B': transforms a patch.
    fn patch(d: &Line) -> Line;
    /// G: transforms a filter.
    fn filter(g: &[Lanes; 3]) -> Line;
    /// A': transforms products to an output tile.
    fn tile(m: &Line) -> Line;
}

/// F(2 x 2, 3 x 3), with the points 0, 1, -1 and infinity.
struct Small;

impl Algorithm for Small {
    const OUT: usize = 2;

    #[inline(always)]
    fn patch(d: &Line) -> Line {
        [d[0] - d[2], d[1] + d[2], d[2] - d[1], d[3] - d[1], Lanes::ZERO, Lanes::ZERO]
    }

    #[inline(always)]
    fn filter(g: &[Lanes; 3]) -> Line {
        let even = g[0] + g[2];
        [g[0], (even + g[1]) * 0.5, (even - g[1]) * 0.5, g[2], Lanes::ZERO, Lanes::ZERO]
    }

    #[inline(always)]
    fn tile(m: &Line) -> Line {
        let (first, second) = (m[0] + m[1] + m[2], m[1] - m[2] + m[3]);
        [first, second, Lanes::ZERO, Lanes::ZERO, Lanes::ZERO, Lanes::ZERO]
    }
}

/// F(4 x 4, 3 x 3), with the points 0, P, -P, Q, -Q and infinity. Rounding errors are half of those of the usual points 1 and
/// 2, and the coefficients of A and B are exact.
struct Large;

const P: f32 = 0.625;
const Q: f32 = 1.5;
const P2: f32 = P * P;
const Q2: f32 = Q * Q;
/// Divisors of a filter's values at 0, +-P and +-Q.
const N0: f32 = P2 * Q2;
const NP: f32 = 2.0 * P2 * (P2 - Q2);
const NQ: f32 = 2.0 * Q2 * (Q2 - P2);

impl Algorithm for Large {
    const OUT: usize = 4;

    #[inline(always)]
    fn patch(d: &Line) -> Line {
        let (even, odd) = (d[4] - d[2] * Q2, (d[3] - d[1] * Q2) * P);
        let (even_q, odd_q) = (d[4] - d[2] * P2, (d[3] - d[1] * P2) * Q);
        [
            d[4] - d[2] * (P2 + Q2) + d[0] * (P2 * Q2),
            even + odd,
            even - odd,
            even_q + odd_q,
            even_q - odd_q,
            d[5] - d[3] * (P2 + Q2) + d[1] * (P2 * Q2),
        ]
    }

    #[inline(always)]
    fn filter(g: &[Lanes; 3]) -> Line {
        let (even, odd) = (g[0] + g[2] * P2, g[1] * P);
        let (even_q, odd_q) = (g[0] + g[2] * Q2, g[1] * Q);
        [
            g[0] * (1.0 / N0),
            (even + odd) * (1.0 / NP),
            (even - odd) * (1.0 / NP),
            (even_q + odd_q) * (1.0 / NQ),
            (even_q - odd_q) * (1.0 / NQ),
            g[2],
        ]
    }

    #[inline(always)]
    fn tile(m: &Line) -> Line {
        let (even, odd) = (m[1] + m[2], m[1] - m[2]);
        let (even_q, odd_q) = (m[3] + m[4], m[3] - m[4]);
        [
            m[0] + even + even_q,
            odd * P + odd_q * Q,
            even * P2 + even_q * Q2,
            odd * (P2 * P) + odd_q * (Q2 * Q) + m[5],
            Lanes::ZERO,
            Lanes::ZERO,
        ]
    }
}

impl Large {
    /// A: transforms an output tile's gradient.
    #[inline(always)]
    fn tile_back(y: &Line) -> Line {
        let (even, odd) = (y[0] + y[2] * P2, (y[1] + y[3] * P2) * P);
        let (even_q, odd_q) = (y[0] + y[2] * Q2, (y[1] + y[3] * Q2) * Q);
        [y[0], even + odd, even - odd, even_q + odd_q, even_q - odd_q, y[3]]
    }

    /// G': transforms the gradient of a transformed filter.
    #[inline(always)]
    fn filter_back(u: &Line) -> [Lanes; 3] {
        let (even, odd) = ((u[1] + u[2]) * (1.0 / NP), (u[1] - u[2]) * (1.0 / NP));
        let (even_q, odd_q) = ((u[3] + u[4]) * (1.0 / NQ), (u[3] - u[4]) * (1.0 / NQ));
        [u[0] * (1.0 / N0) + even + even_q, odd * P + odd_q * Q, even * P2 + even_q * Q2 + u[5]]
    }
}

/// Images divided into tiles.
#[derive(Clone, Copy)]
struct Grid {
    height: usize,
    width: usize,
    channels: usize,
    rows: usize,
    columns: usize,
}

impl Grid {
    fn new<A: Algorithm>(conv: &Conv2d, channels: usize) -> Self {
        let (height, width) = (conv.height, conv.width);
        Grid { height, width, channels, rows: height.div_ceil(A::OUT), columns: width.div_ceil(A::OUT) }
    }

    /// The index of each pixel of a tile in the images, with a border of one pixel where `around`; `None` outside.
    #[inline(always)]
    fn pixels<A: Algorithm>(&self, tile: usize, around: bool) -> [[Option<usize>; MOST]; MOST] {
        let image = tile / (self.rows * self.columns);
        let (row, column) = (tile / self.columns % self.rows * A::OUT, tile % self.columns * A::OUT);
        let (before, extent) = if around { (1, A::IN) } else { (0, A::OUT) };
        let mut pixels = [[None; MOST]; MOST];
        for (r, pixels) in pixels.iter_mut().enumerate().take(extent) {
            for (s, pixel) in pixels.iter_mut().enumerate().take(extent) {
                let (row, column) = ((row + r).wrapping_sub(before), (column + s).wrapping_sub(before));
                if row < self.height && column < self.width {
                    *pixel = Some(((image * self.height + row) * self.width + column) * self.channels);
                }
            }
        }
        pixels
    }
}

fn tiles<A: Algorithm>(conv: &Conv2d) -> usize {
    conv.batch * conv.height.div_ceil(A::OUT) * conv.width.div_ceil(A::OUT)
}

/// Whether the algorithms are defined for a convolution and pay.
pub(super) fn pays(conv: &Conv2d) -> bool {
    [conv.kernel, conv.stride, conv.padding] == [3, 1, 1]
        && conv.in_channels.is_multiple_of(PANEL)
        && conv.out_channels.is_multiple_of(PANEL)
        && tiles::<Large>(conv) >= LEAST
}

/// Values of all points' matrices with rows for so many tiles.
fn matrices<A: Algorithm>(tiles: usize, channels: usize) -> usize {
    A::PLACES * place(tiles, channels)
}

/// Stride between the matrices of points.
fn place(tiles: usize, channels: usize) -> usize {
    tiles * channels + GAP
}

/// A task's workspace, for patches with so many channels.
fn space<A: Algorithm>(conv: &Conv2d, channels: usize) -> usize {
    let tiles = TILES.min(tiles::<A>(conv));
    matrices::<A>(tiles, channels) + matrices::<A>(tiles, PANEL)
}

/// Tiles in a chunk of the weights' gradient: whole blocks.
fn chunk(conv: &Conv2d) -> usize {
    let most = CHUNK / (Large::PLACES * (conv.in_channels + conv.out_channels));
    (most / DEPTH).max(1).min(tiles::<Large>(conv).div_ceil(DEPTH)) * DEPTH
}

/// Values of the transformed weights.
fn weights<A: Algorithm>(conv: &Conv2d) -> usize {
    A::PLACES * conv.in_channels * conv.out_channels
}

pub(super) fn workspace_len(conv: &Conv2d) -> usize {
    let (c, k, threads) = (conv.in_channels, conv.out_channels, rayon::current_num_threads());
    let forward = weights::<Small>(conv) + space::<Small>(conv, c) * threads;
    let input = weights::<Large>(conv) + space::<Large>(conv, k) * threads;
    let blocks = chunk(conv) / DEPTH;
    let weight =
        weights::<Large>(conv) + blocks * (matrices::<Large>(DEPTH, c) + matrices::<Large>(DEPTH, k));
    forward.max(input).max(weight)
}

/// The transformed patches of these tiles: for each point, a matrix of tiles by channels.
#[apply(vectorized)]
fn transform_patches<A: Algorithm>(grid: Grid, x: &[f32], tiles: Range<usize>, out: &mut [f32]) {
    let (c, place) = (grid.channels, place(tiles.len(), grid.channels));
    let (mut half, mut column) = ([[Lanes::ZERO; MOST]; MOST], [Lanes::ZERO; MOST]);
    for (at, tile) in tiles.enumerate() {
        let pixels = grid.pixels::<A>(tile, true);
        for first in (0..c).step_by(LANES) {
            for s in 0..A::IN {
                for r in 0..A::IN {
                    column[r] = pixels[r][s].map_or(Lanes::ZERO, |pixel| Lanes::load(&x[pixel + first..]));
                }
                let column = A::patch(&column);
                for r in 0..A::IN {
                    half[r][s] = column[r];
                }
            }
            for r in 0..A::IN {
                let row = A::patch(&half[r]);
                for s in 0..A::IN {
                    row[s].put(&mut out[(r * A::IN + s) * place + at * c + first..]);
                }
            }
        }
    }
}

/// The transformed tiles of the output's gradient, laid out as in `transform_patches`.
#[apply(vectorized)]
fn transform_gradients(grid: Grid, dy: &[f32], tiles: Range<usize>, out: &mut [f32]) {
    let (k, place) = (grid.channels, place(tiles.len(), grid.channels));
    let (mut half, mut column) = ([[Lanes::ZERO; MOST]; MOST], [Lanes::ZERO; MOST]);
    for (at, tile) in tiles.enumerate() {
        let pixels = grid.pixels::<Large>(tile, false);
        for first in (0..k).step_by(LANES) {
            for s in 0..Large::OUT {
                for r in 0..Large::OUT {
                    column[r] = pixels[r][s].map_or(Lanes::ZERO, |pixel| Lanes::load(&dy[pixel + first..]));
                }
                let column = Large::tile_back(&column);
                for r in 0..Large::IN {
                    half[r][s] = column[r];
                }
            }
            for r in 0..Large::IN {
                let row = Large::tile_back(&half[r]);
                for s in 0..Large::IN {
                    row[s].put(&mut out[(r * Large::IN + s) * place + at * k + first..]);
                }
            }
        }
    }
}

/// The epilogue of an output tile.
#[derive(Clone, Copy)]
struct Finish<'a> {
    /// The bias of all filters, or empty.
    bias: &'a [f32],
    activation: Activation,
    /// Accumulates into the output.
    add: bool,
}

/// Writes the output tiles of a panel of filters from `first` on, from their products.
///
/// # Safety
/// No other task may read or write the panel's channels of these tiles in `y`.
#[apply(vectorized)]
unsafe fn transform_back<A: Algorithm>(
    grid: Grid,
    products: &[f32],
    tiles: Range<usize>,
    first: usize,
    finish: Finish<'_>,
    y: &Shared<'_>,
) {
    let place = place(tiles.len(), PANEL);
    let (mut half, mut column) = ([[Lanes::ZERO; MOST]; MOST], [Lanes::ZERO; MOST]);
    for (at, tile) in tiles.enumerate() {
        let pixels = grid.pixels::<A>(tile, false);
        for lane in (0..PANEL).step_by(LANES) {
            for s in 0..A::IN {
                for r in 0..A::IN {
                    column[r] = Lanes::load(&products[(r * A::IN + s) * place + at * PANEL + lane..]);
                }
                let column = A::tile(&column);
                for r in 0..A::OUT {
                    half[r][s] = column[r];
                }
            }
            let bias =
                if finish.bias.is_empty() { Lanes::ZERO } else { Lanes::load(&finish.bias[first + lane..]) };
            for r in 0..A::OUT {
                let row = A::tile(&half[r]);
                for s in 0..A::OUT {
                    let Some(pixel) = pixels[r][s] else { continue };
                    // SAFETY: the caller's promise.
                    let out = unsafe { y.part(pixel + first + lane, LANES) };
                    let mut values = row[s] + bias;
                    if finish.add {
                        values = values + Lanes::load(out);
                    }
                    finish.activation.apply(&mut values.0);
                    values.put(out);
                }
            }
        }
    }
}

/// Transforms a filter's 9 values for adjacent channels.
#[inline(always)]
fn transform_filter<A: Algorithm>(g: &[[Lanes; 3]; 3], all: &mut [Line; MOST]) {
    let mut half = [[Lanes::ZERO; 3]; MOST];
    for s in 0..3 {
        let column = A::filter(&[g[0][s], g[1][s], g[2][s]]);
        for r in 0..A::IN {
            half[r][s] = column[r];
        }
    }
    for r in 0..A::IN {
        all[r] = A::filter(&half[r]);
    }
}

/// Transforms a panel of filters: for each point, a matrix of channels by filters.
#[apply(vectorized)]
fn transform_panel<A: Algorithm>(w: &[f32], c: usize, out: &mut [f32]) {
    let mut lines = [[[0f32; LANES]; LANES]; MOST * MOST];
    let (mut g, mut all) = ([[Lanes::ZERO; 3]; 3], [[Lanes::ZERO; MOST]; MOST]);
    for first in (0..c).step_by(LANES) {
        for filters in (0..PANEL).step_by(LANES) {
            for filter in 0..LANES {
                let w = &w[(filters + filter) * 9 * c..][..9 * c];
                for r in 0..3 {
                    for s in 0..3 {
                        g[r][s] = Lanes::load(&w[(r * 3 + s) * c + first..]);
                    }
                }
                transform_filter::<A>(&g, &mut all);
                for r in 0..A::IN {
                    for s in 0..A::IN {
                        lines[r * A::IN + s][filter] = all[r][s].0;
                    }
                }
            }
            for (place, lines) in lines[..A::PLACES].iter().enumerate() {
                for channel in 0..LANES {
                    let out = &mut out[(place * c + first + channel) * PANEL + filters..][..LANES];
                    for filter in 0..LANES {
                        out[filter] = lines[filter][channel];
                    }
                }
            }
        }
    }
}

/// Transforms a panel of channels from `first` on, of the filters rotated by 180 degrees: for each point, a matrix of
/// filters by channels.
#[apply(vectorized)]
fn transform_turned_panel<A: Algorithm>(w: &[f32], c: usize, first: usize, out: &mut [f32]) {
    let k = w.len() / (9 * c);
    let (mut g, mut all) = ([[Lanes::ZERO; 3]; 3], [[Lanes::ZERO; MOST]; MOST]);
    for (filter, w) in w.chunks_exact(9 * c).enumerate() {
        for lane in (0..PANEL).step_by(LANES) {
            for r in 0..3 {
                for s in 0..3 {
                    g[r][s] = Lanes::load(&w[((2 - r) * 3 + 2 - s) * c + first + lane..]);
                }
            }
            transform_filter::<A>(&g, &mut all);
            for r in 0..A::IN {
                for s in 0..A::IN {
                    all[r][s].put(&mut out[((r * A::IN + s) * k + filter) * PANEL + lane..]);
                }
            }
        }
    }
}

pub(super) fn forward(
    conv: &Conv2d,
    x: &[f32],
    w: &[f32],
    bias: &[f32],
    activation: Activation,
    y: &mut [f32],
    work: &mut [f32],
) {
    let (panels, work) = work.split_at_mut(weights::<Small>(conv));
    let c = conv.in_channels;
    panels
        .par_chunks_exact_mut(Small::PLACES * c * PANEL)
        .zip(w.par_chunks_exact(PANEL * 9 * c))
        .for_each(|(panel, w)| transform_panel::<Small>(w, c, panel));
    let finish = Finish { bias, activation, add: false };
    multiply::<Small>(conv, x, [c, conv.out_channels], panels, finish, y, work);
}

pub(super) fn backward_input(
    conv: &Conv2d,
    dy: &[f32],
    w: &[f32],
    add: bool,
    dx: &mut [f32],
    work: &mut [f32],
) {
    let (panels, work) = work.split_at_mut(weights::<Large>(conv));
    let (c, k) = (conv.in_channels, conv.out_channels);
    panels
        .par_chunks_exact_mut(Large::PLACES * k * PANEL)
        .enumerate()
        .for_each(|(at, panel)| transform_turned_panel::<Large>(w, c, at * PANEL, panel));
    multiply::<Large>(
        conv,
        dy,
        [k, c],
        panels,
        Finish { bias: &[], activation: Activation::Identity, add },
        dx,
        work,
    );
}

/// y from x and transformed weights: a task takes some tiles and, where those are few, some panels of filters.
fn multiply<A: Algorithm>(
    conv: &Conv2d,
    x: &[f32],
    [c, k]: [usize; 2],
    panels: &[f32],
    finish: Finish<'_>,
    y: &mut [f32],
    work: &mut [f32],
) {
    let (from, to) = (Grid::new::<A>(conv, c), Grid::new::<A>(conv, k));
    let blocks = pieces(tiles::<A>(conv), TILES);
    let count = tiles::<A>(conv).div_ceil(TILES);
    let most = if count < TASKS { (k / PANEL).div_ceil(TASKS.div_ceil(count)).max(2) } else { k / PANEL };
    let tasks: Vec<(Range<usize>, Range<usize>)> =
        blocks.flat_map(|tiles| pieces(k / PANEL, most).map(move |part| (tiles.clone(), part))).collect();
    let (spaces, y) = (Spaces::new(work, space::<A>(conv, c)), Shared::new(y));
    tasks.into_par_iter().for_each(|(tiles, part)| {
        spaces.with(|space| {
            let len = tiles.len();
            let (patches, products) = space.split_at_mut(matrices::<A>(len, c));
            let products = &mut products[..matrices::<A>(len, PANEL)];
            transform_patches::<A>(from, x, tiles.clone(), patches);
            for panel in part {
                let weights = &panels[panel * A::PLACES * c * PANEL..][..A::PLACES * c * PANEL];
                let target = Shared::new(products);
                for at in 0..A::PLACES {
                    let left = Matrix { values: &patches[at * place(len, c)..], row: c, column: 1 };
                    let right = Matrix { values: &weights[at * c * PANEL..], row: PANEL, column: 1 };
                    // SAFETY: the space is this task's.
                    unsafe {
                        target.multiply([len, c, PANEL], left, right, (at * place(len, PANEL), PANEL), false);
                    }
                }
                // SAFETY: this task's tiles and panels are its alone.
                unsafe { transform_back::<A>(to, products, tiles.clone(), panel * PANEL, finish, &y) };
            }
        });
    });
}

/// A filter's gradient, from that of the transformed filter, whose points have this stride.
#[apply(vectorized)]
fn transform_filter_back(sums: &[f32], place: usize, c: usize, dw: &mut [f32]) {
    let (mut half, mut column) = ([[Lanes::ZERO; MOST]; 3], [Lanes::ZERO; MOST]);
    for first in (0..c).step_by(LANES) {
        for s in 0..MOST {
            for r in 0..MOST {
                column[r] = Lanes::load(&sums[(r * MOST + s) * place + first..]);
            }
            let column = Large::filter_back(&column);
            for r in 0..3 {
                half[r][s] = column[r];
            }
        }
        for r in 0..3 {
            let row = Large::filter_back(&half[r]);
            for s in 0..3 {
                row[s].put(&mut dw[(r * 3 + s) * c + first..]);
            }
        }
    }
}

pub(super) fn backward_weight(conv: &Conv2d, x: &[f32], dy: &[f32], dw: &mut [f32], work: &mut [f32]) {
    let (c, k) = (conv.in_channels, conv.out_channels);
    let (images, outputs) = (Grid::new::<Large>(conv, c), Grid::new::<Large>(conv, k));
    let (sums, work) = work.split_at_mut(weights::<Large>(conv));
    let sums = Shared::new(sums);
    let tasks: Vec<(usize, Range<usize>)> =
        (0..Large::PLACES).flat_map(|at| pieces(k, FILTERS).map(move |part| (at, part))).collect();
    let all = tiles::<Large>(conv);
    for chunk in pieces(all, chunk(conv)) {
        let blocks: Vec<Range<usize>> = pieces(chunk.len(), DEPTH)
            .map(|block| chunk.start + block.start..chunk.start + block.end)
            .collect();
        let (patches, gradients) = work.split_at_mut(blocks.len() * matrices::<Large>(DEPTH, c));
        patches.par_chunks_exact_mut(matrices::<Large>(DEPTH, c)).zip(&blocks).for_each(|(out, tiles)| {
            transform_patches::<Large>(images, x, tiles.clone(), out);
        });
        gradients.par_chunks_exact_mut(matrices::<Large>(DEPTH, k)).zip(&blocks).for_each(|(out, tiles)| {
            transform_gradients(outputs, dy, tiles.clone(), out);
        });
        let (patches, gradients) = (&*patches, &*gradients);
        tasks.par_iter().for_each(|(at, filters)| {
            for (block, tiles) in blocks.iter().enumerate() {
                let left = &gradients[block * matrices::<Large>(DEPTH, k)..]
                    [at * place(tiles.len(), k) + filters.start..];
                let right = &patches[block * matrices::<Large>(DEPTH, c)..][at * place(tiles.len(), c)..];
                // SAFETY: this task's place and filters are its alone.
                unsafe {
                    sums.multiply(
                        [filters.len(), tiles.len(), c],
                        Matrix { values: left, row: 1, column: k },
                        Matrix { values: right, row: c, column: 1 },
                        ((at * k + filters.start) * c, c),
                        tiles.start > 0,
                    );
                }
            }
        });
    }
    // SAFETY: the tasks above have ended.
    let sums = unsafe { sums.part(0, weights::<Large>(conv)) };
    dw.par_chunks_exact_mut(9 * c)
        .enumerate()
        .for_each(|(filter, dw)| transform_filter_back(&sums[filter * c..], k * c, c, dw));
}
