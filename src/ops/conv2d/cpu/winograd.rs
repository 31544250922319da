//! Convolutions of 3 x 3 filters by Winograd's algorithm F(4 x 4, 3 x 3): an output tile of 4 x 4 pixels takes 36
//! multiplications for each pair of channels and not 144.
//!
//! A tile's output is the product of two polynomials in both directions, so images' patches and filters are evaluated at
//! six points, multiplied point by point (products of matrices over the channels), and interpolated. With the matrices
//! B, G and A of the points: y = A' \[(G w G') (B' x B)\] A. The images' gradient is a convolution of dy with the filters
//! turned by half a circle; the weights' is the transpose of the above, dw = G' \[(A dy A') (B' x B)\] G.
//!
//! The points are 0, +-5/8, +-3/2 and infinity: with them the rounding errors are several times smaller than with the
//! usual 0, +-1, +-2 and infinity, and the coefficients of B and A are exact.

use super::{Conv2d, Matrix, Shared, Spaces, TASKS, pieces};
use multiversion::multiversion;
use rayon::prelude::*;
use std::ops::{Add, Mul, Range, Sub};

/// Rows and columns of an output tile.
const OUT: usize = 4;
/// Rows and columns of the patch that it takes.
const IN: usize = OUT + 2;
/// Values of a transformed patch or filter.
const PLACES: usize = IN * IN;
/// Channels transformed at once.
const LANES: usize = 16;
/// Filters in a panel of the transformed weights: the rows of the matrix kernel for AVX-512.
const PANEL: usize = 64;
/// Tiles in a task, as products: few enough that `gemm` takes the weights as they lie.
const TILES: usize = 48;
/// Values between one place's matrix and the next, beyond the matrix: places would share a cache's sets otherwise.
const GAP: usize = LANES;
/// Values of a chunk of transformed patches and gradients, about, in the weights' gradient.
const CHUNK: usize = 8 << 20;
/// Tiles in a product of the weights' gradient, over which it sums.
const DEPTH: usize = 96;
/// Filters in a product of the weights' gradient: their sums stay in a core's cache from block to block.
const FILTERS: usize = 128;
/// Tiles from which on transforming the weights pays.
const LEAST: usize = 32;

/// The points beside 0 and infinity are +-P and +-Q.
const P: f32 = 0.625;
const Q: f32 = 1.5;
const P2: f32 = P * P;
const Q2: f32 = Q * Q;
/// What a filter's values at 0, +-P and +-Q are divided by.
const N0: f32 = P2 * Q2;
const NP: f32 = 2.0 * P2 * (P2 - Q2);
const NQ: f32 = 2.0 * Q2 * (Q2 - P2);

/// Neighbouring channels.
#[derive(Clone, Copy)]
struct Lanes([f32; LANES]);

impl Lanes {
    const ZERO: Lanes = Lanes([0.0; LANES]);

    #[inline(always)]
    fn of(values: &[f32]) -> Self {
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
    ($of:ident, $function:ident, $sign:tt) => {
        impl $of for Lanes {
            type Output = Lanes;

            #[inline(always)]
            fn $function(mut self, other: Lanes) -> Lanes {
                for i in 0..LANES {
                    self.0[i] = self.0[i] $sign other.0[i];
                }
                self
            }
        }
    };
}
lanewise!(Add, add, +);
lanewise!(Sub, sub, -);

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

/// B': a row or column of a patch.
#[inline(always)]
fn patch_line(d: [Lanes; IN]) -> [Lanes; IN] {
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

/// G: a row or column of a filter.
#[inline(always)]
fn filter_line(g: [Lanes; 3]) -> [Lanes; IN] {
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

/// G': back from the gradient of a transformed filter's row or column.
#[inline(always)]
fn filter_line_back(u: [Lanes; IN]) -> [Lanes; 3] {
    let (even, odd) = ((u[1] + u[2]) * (1.0 / NP), (u[1] - u[2]) * (1.0 / NP));
    let (even_q, odd_q) = ((u[3] + u[4]) * (1.0 / NQ), (u[3] - u[4]) * (1.0 / NQ));
    [u[0] * (1.0 / N0) + even + even_q, odd * P + odd_q * Q, even * P2 + even_q * Q2 + u[5]]
}

/// A': a row or column of an output tile.
#[inline(always)]
fn tile_line(m: [Lanes; IN]) -> [Lanes; OUT] {
    let (even, odd) = (m[1] + m[2], m[1] - m[2]);
    let (even_q, odd_q) = (m[3] + m[4], m[3] - m[4]);
    [
        m[0] + even + even_q,
        odd * P + odd_q * Q,
        even * P2 + even_q * Q2,
        odd * (P2 * P) + odd_q * (Q2 * Q) + m[5],
    ]
}

/// A: a row or column of an output tile's gradient.
#[inline(always)]
fn tile_line_back(y: [Lanes; OUT]) -> [Lanes; IN] {
    let (even, odd) = (y[0] + y[2] * P2, (y[1] + y[3] * P2) * P);
    let (even_q, odd_q) = (y[0] + y[2] * Q2, (y[1] + y[3] * Q2) * Q);
    [y[0], even + odd, even - odd, even_q + odd_q, even_q - odd_q, y[3]]
}

/// Images cut into tiles.
#[derive(Clone, Copy)]
struct Grid {
    height: usize,
    width: usize,
    channels: usize,
    rows: usize,
    columns: usize,
}

impl Grid {
    fn new(conv: &Conv2d, channels: usize) -> Self {
        let (height, width) = (conv.height, conv.width);
        Grid { height, width, channels, rows: height.div_ceil(OUT), columns: width.div_ceil(OUT) }
    }

    /// Where the pixels of a tile start in the images, with `around` pixels more on each side: none outside.
    #[inline(always)]
    fn pixels<const N: usize>(&self, tile: usize, around: usize) -> [[Option<usize>; N]; N] {
        let (image, row, column) = (
            tile / (self.rows * self.columns),
            tile / self.columns % self.rows * OUT,
            tile % self.columns * OUT,
        );
        let mut pixels = [[None; N]; N];
        for (r, pixels) in pixels.iter_mut().enumerate() {
            for (s, pixel) in pixels.iter_mut().enumerate() {
                let (row, column) = (row + r, column + s);
                if row >= around
                    && row - around < self.height
                    && column >= around
                    && column - around < self.width
                {
                    let at = (image * self.height + row - around) * self.width + column - around;
                    *pixel = Some(at * self.channels);
                }
            }
        }
        pixels
    }
}

fn tiles(conv: &Conv2d) -> usize {
    conv.batch * conv.height.div_ceil(OUT) * conv.width.div_ceil(OUT)
}

/// Whether the algorithm is defined for a convolution and pays.
pub(super) fn pays(conv: &Conv2d) -> bool {
    [conv.kernel, conv.stride, conv.padding] == [3, 1, 1]
        && conv.in_channels % PANEL == 0
        && conv.out_channels % PANEL == 0
        && tiles(conv) >= LEAST
}

/// Values of all places' matrices with rows for so many tiles.
fn matrices(tiles: usize, channels: usize) -> usize {
    PLACES * (tiles * channels + GAP)
}

/// A task's workspace, where patches have so many channels.
fn space(conv: &Conv2d, channels: usize) -> usize {
    let tiles = TILES.min(tiles(conv));
    matrices(tiles, channels) + matrices(tiles, PANEL)
}

/// Tiles in a chunk of the weights' gradient: whole blocks.
fn chunk(conv: &Conv2d) -> usize {
    let most = CHUNK / (PLACES * (conv.in_channels + conv.out_channels));
    (most / DEPTH).max(1).min(tiles(conv).div_ceil(DEPTH)) * DEPTH
}

/// Values of the transformed weights.
fn weights(conv: &Conv2d) -> usize {
    PLACES * conv.in_channels * conv.out_channels
}

pub(super) fn workspace_len(conv: &Conv2d) -> usize {
    let most = conv.in_channels.max(conv.out_channels);
    let products = space(conv, most) * rayon::current_num_threads();
    let block = matrices(DEPTH, conv.in_channels) + matrices(DEPTH, conv.out_channels);
    let gradient = chunk(conv) / DEPTH * block;
    weights(conv) + products.max(gradient)
}

/// The tiles' patches of these images as transformed: for each place, a matrix of tiles by channels.
#[multiversion(targets("x86_64+avx512f+avx512bw+avx512dq+avx512vl", "x86_64+avx2+fma"))]
fn transform_patches(grid: Grid, x: &[f32], tiles: Range<usize>, out: &mut [f32], place: usize) {
    for (at, tile) in tiles.enumerate() {
        let pixels = grid.pixels::<IN>(tile, 1);
        for first in (0..grid.channels).step_by(LANES) {
            let mut half = [[Lanes::ZERO; IN]; IN];
            for s in 0..IN {
                let mut column = [Lanes::ZERO; IN];
                for r in 0..IN {
                    if let Some(pixel) = pixels[r][s] {
                        column[r] = Lanes::of(&x[pixel + first..]);
                    }
                }
                let column = patch_line(column);
                for r in 0..IN {
                    half[r][s] = column[r];
                }
            }
            for r in 0..IN {
                let row = patch_line(half[r]);
                for s in 0..IN {
                    row[s].put(&mut out[(r * IN + s) * place + at * grid.channels + first..]);
                }
            }
        }
    }
}

/// The tiles of the output's gradient as transformed, like `transform_patches`.
#[multiversion(targets("x86_64+avx512f+avx512bw+avx512dq+avx512vl", "x86_64+avx2+fma"))]
fn transform_gradients(grid: Grid, dy: &[f32], tiles: Range<usize>, out: &mut [f32], place: usize) {
    for (at, tile) in tiles.enumerate() {
        let pixels = grid.pixels::<OUT>(tile, 0);
        for first in (0..grid.channels).step_by(LANES) {
            let mut half = [[Lanes::ZERO; OUT]; IN];
            for s in 0..OUT {
                let mut column = [Lanes::ZERO; OUT];
                for r in 0..OUT {
                    if let Some(pixel) = pixels[r][s] {
                        column[r] = Lanes::of(&dy[pixel + first..]);
                    }
                }
                let column = tile_line_back(column);
                for r in 0..IN {
                    half[r][s] = column[r];
                }
            }
            for r in 0..IN {
                let row = tile_line_back(half[r]);
                for s in 0..IN {
                    row[s].put(&mut out[(r * IN + s) * place + at * grid.channels + first..]);
                }
            }
        }
    }
}

/// What becomes of an output tile.
#[derive(Clone, Copy)]
struct Finish<'a> {
    /// Of all filters, or empty.
    bias: &'a [f32],
    relu: bool,
    /// Adds to what is there.
    add: bool,
}

/// Writes the tiles of a panel of filters, which begins at `first`, from their products.
///
/// # Safety
/// No other task may read or write the panel's channels of these tiles in `y`.
#[multiversion(targets("x86_64+avx512f+avx512bw+avx512dq+avx512vl", "x86_64+avx2+fma"))]
unsafe fn transform_back(
    grid: Grid,
    products: &[f32],
    place: usize,
    tiles: Range<usize>,
    first: usize,
    finish: Finish<'_>,
    y: &Shared,
) {
    for (at, tile) in tiles.enumerate() {
        let pixels = grid.pixels::<OUT>(tile, 0);
        for lane in (0..PANEL).step_by(LANES) {
            let mut half = [[Lanes::ZERO; IN]; OUT];
            for s in 0..IN {
                let mut column = [Lanes::ZERO; IN];
                for r in 0..IN {
                    column[r] = Lanes::of(&products[(r * IN + s) * place + at * PANEL + lane..]);
                }
                let column = tile_line(column);
                for r in 0..OUT {
                    half[r][s] = column[r];
                }
            }
            let bias = if finish.bias.is_empty() {
                Lanes::ZERO
            } else {
                Lanes::of(&finish.bias[first + lane..])
            };
            for r in 0..OUT {
                let row = tile_line(half[r]);
                for s in 0..OUT {
                    let Some(pixel) = pixels[r][s] else { continue };
                    // SAFETY: the caller's promise.
                    let out = unsafe { y.part(pixel + first + lane, LANES) };
                    let mut values = row[s] + bias;
                    if finish.add {
                        values = values + Lanes::of(out);
                    }
                    if finish.relu {
                        // Not `max`, which would make a number of NaN.
                        for v in &mut values.0 {
                            *v = if *v < 0.0 { 0.0 } else { *v };
                        }
                    }
                    values.put(out);
                }
            }
        }
    }
}

/// A filter's 9 values for neighbouring channels, transformed.
#[inline(always)]
fn transform_filter(g: [[Lanes; 3]; 3]) -> [[Lanes; IN]; IN] {
    let mut half = [[Lanes::ZERO; 3]; IN];
    for s in 0..3 {
        let column = filter_line([g[0][s], g[1][s], g[2][s]]);
        for r in 0..IN {
            half[r][s] = column[r];
        }
    }
    let mut all = [[Lanes::ZERO; IN]; IN];
    for r in 0..IN {
        all[r] = filter_line(half[r]);
    }
    all
}

/// A panel of filters, transformed: for each place, a matrix of channels by filters.
#[multiversion(targets("x86_64+avx512f+avx512bw+avx512dq+avx512vl", "x86_64+avx2+fma"))]
fn transform_panel(w: &[f32], c: usize, out: &mut [f32]) {
    let mut lines = [[[0f32; LANES]; LANES]; PLACES];
    for first in (0..c).step_by(LANES) {
        for filters in (0..PANEL).step_by(LANES) {
            for filter in 0..LANES {
                let w = &w[(filters + filter) * 9 * c..][..9 * c];
                let mut g = [[Lanes::ZERO; 3]; 3];
                for r in 0..3 {
                    for s in 0..3 {
                        g[r][s] = Lanes::of(&w[(r * 3 + s) * c + first..]);
                    }
                }
                let all = transform_filter(g);
                for r in 0..IN {
                    for s in 0..IN {
                        for channel in 0..LANES {
                            lines[r * IN + s][channel][filter] = all[r][s].0[channel];
                        }
                    }
                }
            }
            for (place, lines) in lines.iter().enumerate() {
                for (channel, line) in lines.iter().enumerate() {
                    out[(place * c + first + channel) * PANEL + filters..][..LANES].copy_from_slice(line);
                }
            }
        }
    }
}

/// A panel of channels, which begins at `first`, of the filters turned by half a circle: for each place, a matrix of
/// filters by channels.
#[multiversion(targets("x86_64+avx512f+avx512bw+avx512dq+avx512vl", "x86_64+avx2+fma"))]
fn transform_turned_panel(w: &[f32], c: usize, first: usize, out: &mut [f32]) {
    let k = w.len() / (9 * c);
    for (filter, w) in w.chunks_exact(9 * c).enumerate() {
        for lane in (0..PANEL).step_by(LANES) {
            let mut g = [[Lanes::ZERO; 3]; 3];
            for r in 0..3 {
                for s in 0..3 {
                    g[r][s] = Lanes::of(&w[((2 - r) * 3 + 2 - s) * c + first + lane..]);
                }
            }
            let all = transform_filter(g);
            for r in 0..IN {
                for s in 0..IN {
                    all[r][s].put(&mut out[((r * IN + s) * k + filter) * PANEL + lane..]);
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
    relu: bool,
    y: &mut [f32],
    work: &mut [f32],
) {
    let (panels, work) = work.split_at_mut(weights(conv));
    let c = conv.in_channels;
    panels
        .par_chunks_exact_mut(PLACES * c * PANEL)
        .zip(w.par_chunks_exact(PANEL * 9 * c))
        .for_each(|(panel, w)| transform_panel(w, c, panel));
    multiply(conv, x, [c, conv.out_channels], panels, Finish { bias, relu, add: false }, y, work);
}

pub(super) fn backward_input(
    conv: &Conv2d,
    dy: &[f32],
    w: &[f32],
    add: bool,
    dx: &mut [f32],
    work: &mut [f32],
) {
    let (panels, work) = work.split_at_mut(weights(conv));
    let (c, k) = (conv.in_channels, conv.out_channels);
    panels
        .par_chunks_exact_mut(PLACES * k * PANEL)
        .enumerate()
        .for_each(|(at, panel)| transform_turned_panel(w, c, at * PANEL, panel));
    multiply(conv, dy, [k, c], panels, Finish { bias: &[], relu: false, add }, dx, work);
}

/// y from x and transformed weights: each task some tiles and, where those are few, some panels of filters.
fn multiply(
    conv: &Conv2d,
    x: &[f32],
    [c, k]: [usize; 2],
    panels: &[f32],
    finish: Finish<'_>,
    y: &mut [f32],
    work: &mut [f32],
) {
    let (from, to) = (Grid::new(conv, c), Grid::new(conv, k));
    let blocks = pieces(tiles(conv), TILES);
    let count = tiles(conv).div_ceil(TILES);
    let most = if count < TASKS { (k / PANEL).div_ceil(TASKS.div_ceil(count)).max(2) } else { k / PANEL };
    let tasks: Vec<(Range<usize>, Range<usize>)> =
        blocks.flat_map(|tiles| pieces(k / PANEL, most).map(move |part| (tiles.clone(), part))).collect();
    let (spaces, y) = (Spaces::new(work, space(conv, c)), Shared::new(y));
    tasks.into_par_iter().for_each(|(tiles, part)| {
        spaces.with(|space| {
            let len = tiles.len();
            let (patches, products) = space.split_at_mut(matrices(len, c));
            let products = &mut products[..matrices(len, PANEL)];
            transform_patches(from, x, tiles.clone(), patches, len * c + GAP);
            for panel in part {
                let weights = &panels[panel * PLACES * c * PANEL..][..PLACES * c * PANEL];
                let target = Shared::new(products);
                for place in 0..PLACES {
                    let left = Matrix { values: &patches[place * (len * c + GAP)..], row: c, column: 1 };
                    let right = Matrix { values: &weights[place * c * PANEL..], row: PANEL, column: 1 };
                    // SAFETY: the space is this task's.
                    unsafe {
                        target.multiply(
                            [len, c, PANEL],
                            left,
                            right,
                            (place * (len * PANEL + GAP), PANEL),
                            false,
                        );
                    }
                }
                // SAFETY: this task's tiles and panels are its alone.
                unsafe {
                    transform_back(
                        to,
                        products,
                        len * PANEL + GAP,
                        tiles.clone(),
                        panel * PANEL,
                        finish,
                        &y,
                    );
                }
            }
        });
    });
}

/// A filter's gradient, from that of the transformed filter: of places so far apart.
#[multiversion(targets("x86_64+avx512f+avx512bw+avx512dq+avx512vl", "x86_64+avx2+fma"))]
fn transform_filter_back(sums: &[f32], place: usize, c: usize, dw: &mut [f32]) {
    for first in (0..c).step_by(LANES) {
        let mut half = [[Lanes::ZERO; IN]; 3];
        for s in 0..IN {
            let mut column = [Lanes::ZERO; IN];
            for r in 0..IN {
                column[r] = Lanes::of(&sums[(r * IN + s) * place + first..]);
            }
            let column = filter_line_back(column);
            for r in 0..3 {
                half[r][s] = column[r];
            }
        }
        for r in 0..3 {
            let row = filter_line_back(half[r]);
            for s in 0..3 {
                row[s].put(&mut dw[(r * 3 + s) * c + first..]);
            }
        }
    }
}

pub(super) fn backward_weight(conv: &Conv2d, x: &[f32], dy: &[f32], dw: &mut [f32], work: &mut [f32]) {
    let (c, k) = (conv.in_channels, conv.out_channels);
    let (images, outputs) = (Grid::new(conv, c), Grid::new(conv, k));
    let (sums, work) = work.split_at_mut(weights(conv));
    let sums = Shared::new(sums);
    let tasks: Vec<(usize, Range<usize>)> =
        (0..PLACES).flat_map(|place| pieces(k, FILTERS).map(move |part| (place, part))).collect();
    let all = tiles(conv);
    for (at, chunk) in pieces(all, chunk(conv)).enumerate() {
        let blocks: Vec<Range<usize>> = pieces(chunk.len(), DEPTH)
            .map(|block| chunk.start + block.start..chunk.start + block.end)
            .collect();
        let (patches, gradients) = work.split_at_mut(blocks.len() * matrices(DEPTH, c));
        let stride = |channels: usize| DEPTH * channels + GAP;
        patches.par_chunks_exact_mut(matrices(DEPTH, c)).zip(&blocks).for_each(|(out, tiles)| {
            transform_patches(images, x, tiles.clone(), out, stride(c));
        });
        gradients.par_chunks_exact_mut(matrices(DEPTH, k)).zip(&blocks).for_each(|(out, tiles)| {
            transform_gradients(outputs, dy, tiles.clone(), out, stride(k));
        });
        let (patches, gradients) = (&*patches, &*gradients);
        tasks.par_iter().for_each(|(place, filters)| {
            for (block, tiles) in blocks.iter().enumerate() {
                let left = &gradients[block * matrices(DEPTH, k) + place * stride(k) + filters.start..];
                let right = &patches[block * matrices(DEPTH, c) + place * stride(c)..];
                // SAFETY: this task's place and filters are its alone.
                unsafe {
                    sums.multiply(
                        [filters.len(), tiles.len(), c],
                        Matrix { values: left, row: 1, column: k },
                        Matrix { values: right, row: c, column: 1 },
                        ((place * k + filters.start) * c, c),
                        at + block > 0,
                    );
                }
            }
        });
    }
    // SAFETY: the tasks above have ended.
    let sums = unsafe { sums.part(0, weights(conv)) };
    dw.par_chunks_exact_mut(9 * c)
        .enumerate()
        .for_each(|(filter, dw)| transform_filter_back(&sums[filter * c..], k * c, c, dw));
}
