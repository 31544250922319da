//! Samples of manifolds whose intrinsic dimension is known, to try estimators on: plain ones, and the
//! benchmark of the field, which Hein & Audibert began and others added to.
//!
//! A [`Manifold`] has a formula in its own coordinates, [`natural_dim`](Manifold::natural_dim) of them.
//! [`Settings`] turn these by a random isometry into a space of any larger dimension and add noise.
//!
//! ```
//! use sharpdim::data::manifolds::{Manifold, Settings};
//! use sharpdim::measure::{Estimator, Mle, intrinsic_dim};
//!
//! let settings = Settings { embedding_dim: Some(50), ..Settings::default() };
//! let sample = Manifold::FlatTorus { dim: 3 }.sample(1000, &settings)?;
//! assert_eq!((sample.values.len(), sample.dim, sample.intrinsic_dim), (1000 * 50, 50, 3));
//!
//! let found = intrinsic_dim(&sharpdim::Device::cpu(), &sample.points()?, &Estimator::Mle(Mle::default()))?;
//! assert!((found.value - 3.0).abs() < 0.5);
//! # Ok::<(), sharpdim::Error>(())
//! ```
//!
//! Sources: Hein & Audibert, *Intrinsic dimensionality estimation of submanifolds in R^d*, ICML 2005; Rozza
//! et al., *Novel high intrinsic dimensionality estimators*, Machine Learning 89, 2012; Campadelli et al.,
//! *Intrinsic dimension estimation: relevant techniques and a benchmark framework*, Mathematical Problems
//! in Engineering, 2015.

use crate::random::Random;
use crate::{Error, Points, Result};
use rayon::prelude::*;
use std::f64::consts::{PI, TAU};
use std::iter::repeat_with;
use std::str::FromStr;

/// More coordinates than this are taken for a mistake.
const MAX_NATURAL_DIM: usize = 1 << 20;

/// The stream of random numbers that the embedding is drawn from; sample i is drawn from stream i.
const EMBEDDING_STREAM: u64 = u64::MAX;

/// A manifold (or a distribution on one) of known intrinsic dimension.
///
/// Uniform means uniform in the parameters of the formula, which is not always uniform by area: the
/// benchmark has them so.
///
/// ```
/// use sharpdim::data::manifolds::Manifold;
/// let sphere: Manifold = "sphere:4".parse()?; // or a name of the benchmark's, as "M7_Roll"
/// assert_eq!(sphere, Manifold::Sphere { dim: 4 });
/// assert_eq!((sphere.intrinsic_dim(), sphere.natural_dim()), (4, 5));
/// # Ok::<(), sharpdim::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Manifold {
    /// The unit sphere around 0, uniform; `dim` + 1 coordinates.
    Sphere {
        /// Its dimension: 2 is the surface of the ball of everyday life.
        dim: usize,
    },
    /// The inside of the unit ball around 0, uniform; `dim` coordinates.
    Ball {
        /// Its dimension.
        dim: usize,
    },
    /// The inside of the unit cube, [0, 1] in each of `dim` coordinates, uniform.
    Cube {
        /// Its dimension.
        dim: usize,
    },
    /// The surface of the unit cube, uniform; `dim` + 1 coordinates.
    CubeSurface {
        /// Its dimension: 2 has six square faces.
        dim: usize,
    },
    /// A flat piece, [-2.5, 2.5] in each of `dim` coordinates, uniform. Embedded, it is part of an affine
    /// subspace.
    Affine {
        /// Its dimension.
        dim: usize,
    },
    /// A skewed parallelepiped of 3 dimensions in 5 coordinates, off the origin.
    Affine3To5,
    /// The standard normal distribution; `dim` coordinates.
    Gaussian {
        /// Its dimension.
        dim: usize,
    },
    /// The swiss roll (t cos t, h, t sin t), t in [1.5 pi, 4.5 pi], h in [0, 21]: 2 dimensions.
    SwissRoll,
    /// A closed curve eight times around a torus, ((2 + cos 8t) cos t, (2 + cos 8t) sin t, sin 8t): 1
    /// dimension.
    Helix,
    /// A helix's staircase (r cos p, r sin p, p / 2), r and p in [0, 10 pi]: 2 dimensions.
    Helicoid,
    /// Five turns of a helix, (100 cos t, 100 sin t, t): 1 dimension, in 13 coordinates, the last ten of
    /// which are 0.
    Spiral,
    /// An S of paper, (sin t, h, sign(t) (cos t - 1)), t in [-1.5 pi, 1.5 pi], h in [0, 2]: 2 dimensions.
    SCurve,
    /// A band twisted by ten half turns: 2 dimensions.
    Moebius,
    /// Circles of radius 1, one for each dimension: (cos a, sin a) each. Flat, and without an edge.
    FlatTorus {
        /// The number of circles; there are twice as many coordinates.
        dim: usize,
    },
    /// 4 dimensions in 6 coordinates, concentrated so that it is easily taken for 3.
    Nonlinear4To6,
    /// With p uniform in [0, 1], p_(i + 1) (cos, sin)(2 pi p_i) for each i, in a circle; all of it
    /// `repeats` times.
    Nonlinear {
        /// Its dimension.
        dim: usize,
        /// How often its 2 `dim` coordinates are repeated.
        repeats: usize,
    },
    /// With x of the Beta(10, 1/2) distribution, x sin(cos 2 pi x) and x cos(sin 2 pi x), all of it twice:
    /// coordinates that lie dense at one end and thin at the other.
    Beta {
        /// Its dimension; there are four times as many coordinates.
        dim: usize,
    },
    /// With x uniform in [0, 1] and y the same numbers backwards, tan(x cos y) and arctan(y sin x), all of
    /// it twice.
    Tangents {
        /// Its dimension; there are four times as many coordinates.
        dim: usize,
    },
    /// A paraboloid over a multivariate Burr distribution (alpha = 1): x, and |x|^2; then the sines and the
    /// squares of these.
    Paraboloid {
        /// Its dimension; there are 3 (`dim` + 1) coordinates.
        dim: usize,
    },
}

use Manifold::*;

/// The benchmark, with the names that scikit-dimension gives it.
const BENCHMARK: [(&str, Manifold); 24] = [
    ("M1_Sphere", Sphere { dim: 10 }),
    ("M2_Affine_3to5", Affine3To5),
    ("M3_Nonlinear_4to6", Nonlinear4To6),
    ("M4_Nonlinear", Nonlinear { dim: 4, repeats: 1 }),
    ("M5a_Helix1d", Helix),
    ("M5b_Helix2d", Helicoid),
    ("M6_Nonlinear", Nonlinear { dim: 6, repeats: 3 }),
    ("M7_Roll", SwissRoll),
    ("M8_Nonlinear", Nonlinear { dim: 12, repeats: 3 }),
    ("M9_Affine", Affine { dim: 20 }),
    ("M10a_Cubic", CubeSurface { dim: 10 }),
    ("M10b_Cubic", CubeSurface { dim: 17 }),
    ("M10c_Cubic", CubeSurface { dim: 24 }),
    ("M10d_Cubic", CubeSurface { dim: 70 }),
    ("M11_Moebius", Moebius),
    ("M12_Norm", Gaussian { dim: 20 }),
    ("M13a_Scurve", SCurve),
    ("M13b_Spiral", Spiral),
    ("Mbeta", Beta { dim: 10 }),
    ("Mn1_Nonlinear", Tangents { dim: 18 }),
    ("Mn2_Nonlinear", Tangents { dim: 24 }),
    ("Mp1_Paraboloid", Paraboloid { dim: 3 }),
    ("Mp2_Paraboloid", Paraboloid { dim: 6 }),
    ("Mp3_Paraboloid", Paraboloid { dim: 9 }),
];

/// A manifold of a dimension.
type OfDim = fn(usize) -> Manifold;

/// Those that are named with their dimension, as `sphere:5`.
const FAMILIES: [(&str, OfDim); 7] = [
    ("sphere", |dim| Sphere { dim }),
    ("ball", |dim| Ball { dim }),
    ("cube", |dim| Cube { dim }),
    ("cube_surface", |dim| CubeSurface { dim }),
    ("affine", |dim| Affine { dim }),
    ("gaussian", |dim| Gaussian { dim }),
    ("flat_torus", |dim| FlatTorus { dim }),
];

/// How a manifold is sampled.
///
/// ```
/// use sharpdim::data::manifolds::{Manifold, Settings};
/// let noisy = Settings { embedding_dim: Some(20), noise_sd: 0.01, seed: 3 };
/// let sample = Manifold::Sphere { dim: 2 }.sample(100, &noisy)?;
/// assert_eq!((sample.points()?.n(), sample.dim), (100, 20));
/// # Ok::<(), sharpdim::Error>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Settings {
    /// The number of values in a sample: the manifold is turned into that many dimensions by a random
    /// isometry, which keeps all distances. `None` leaves the coordinates as the formula has them.
    pub embedding_dim: Option<usize>,
    /// The standard deviation of the Gaussian noise that is added to every value, in the formula's units.
    pub noise_sd: f64,
    /// The same seed gives the same bits, and the first samples are the same however many follow.
    pub seed: u64,
}

/// Samples of a manifold.
///
/// ```
/// use sharpdim::data::manifolds::{Manifold, Settings};
/// let sample = Manifold::Sphere { dim: 2 }.sample(10, &Settings::default())?;
/// assert_eq!((sample.values.len(), sample.dim, sample.intrinsic_dim), (30, 3, 2));
/// assert_eq!(sample.points()?.n(), 10);
/// # Ok::<(), sharpdim::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct ManifoldSample {
    /// Row-major: sample i is `values[i * dim .. (i + 1) * dim]`.
    pub values: Vec<f32>,
    /// The number of values in a sample.
    pub dim: usize,
    /// The dimension of the manifold, noise aside.
    pub intrinsic_dim: usize,
}

impl ManifoldSample {
    /// The samples as operations and measures read them.
    ///
    /// # Errors
    /// [`Error::Data`] where noise made a value infinite.
    pub fn points(&self) -> Result<Points<'_>> {
        Points::f32(&self.values, self.dim)
    }
}

impl Manifold {
    /// The 24 manifolds of the benchmark, with the names that scikit-dimension's `BenchmarkManifolds` gives
    /// them, of the published intrinsic and embedding dimensions: the latter is
    /// [`natural_dim`](Manifold::natural_dim).
    ///
    /// ```
    /// use sharpdim::data::manifolds::Manifold;
    /// let (name, roll) = Manifold::benchmark()[7];
    /// assert_eq!((name, roll.intrinsic_dim()), ("M7_Roll", 2));
    /// assert_eq!(Manifold::benchmark().len(), 24);
    /// ```
    pub fn benchmark() -> Vec<(&'static str, Manifold)> {
        BENCHMARK.to_vec()
    }

    /// The intrinsic dimension.
    pub fn intrinsic_dim(&self) -> usize {
        match *self {
            Helix | Spiral => 1,
            SwissRoll | Helicoid | SCurve | Moebius => 2,
            Affine3To5 => 3,
            Nonlinear4To6 => 4,
            Sphere { dim } | Ball { dim } | Cube { dim } | CubeSurface { dim } | Affine { dim } => dim,
            Gaussian { dim } | FlatTorus { dim } | Nonlinear { dim, .. } => dim,
            Beta { dim } | Tangents { dim } | Paraboloid { dim } => dim,
        }
    }

    /// The number of coordinates in the formula, and so the least dimension to embed in.
    pub fn natural_dim(&self) -> usize {
        match *self {
            Ball { dim } | Cube { dim } | Affine { dim } | Gaussian { dim } => dim,
            Sphere { dim } | CubeSurface { dim } => dim.saturating_add(1),
            SwissRoll | Helix | Helicoid | SCurve | Moebius => 3,
            Affine3To5 => 5,
            Nonlinear4To6 => 6,
            Spiral => 13,
            FlatTorus { dim } => dim.saturating_mul(2),
            Nonlinear { dim, repeats } => dim.saturating_mul(2).saturating_mul(repeats),
            Beta { dim } | Tangents { dim } => dim.saturating_mul(4),
            Paraboloid { dim } => dim.saturating_add(1).saturating_mul(3),
        }
    }

    /// Draws `n` samples.
    ///
    /// # Errors
    /// [`Error::Argument`] where `n` or the manifold's dimension is 0, where the embedding has fewer
    /// dimensions than the formula has coordinates, and where the noise is negative or not finite;
    /// [`Error::Data`] where there is no memory for the samples.
    pub fn sample(&self, n: usize, settings: &Settings) -> Result<ManifoldSample> {
        self.check(n, settings)?;
        let dim = settings.embedding_dim.unwrap_or(self.natural_dim());
        let mut values: Vec<f32> = zeros(n, dim, "the samples")?;
        let axes =
            settings.embedding_dim.map(|dim| axes(self.natural_dim(), dim, settings.seed)).transpose()?;
        values.par_chunks_exact_mut(dim).enumerate().for_each(|(at, row)| {
            let mut rng = Variates::new(settings.seed, at as u64);
            let mut place = self.place(&self.draw(&mut rng));
            if let Some(axes) = &axes {
                place = combine(&place, axes, dim);
            }
            for (value, exact) in row.iter_mut().zip(place) {
                // Noise comes last: without it, the samples are the same.
                let noise = if settings.noise_sd > 0.0 { settings.noise_sd * rng.normal() } else { 0.0 };
                *value = (exact + noise) as f32;
            }
        });
        Ok(ManifoldSample { values, dim, intrinsic_dim: self.intrinsic_dim() })
    }

    fn check(&self, n: usize, settings: &Settings) -> Result<()> {
        let natural = self.natural_dim();
        let wrong = |reason: String| Err(Error::Argument(format!("{self:?}: {reason}")));
        if self.intrinsic_dim() == 0 || natural == 0 {
            return wrong("every number in it must be at least 1".into());
        }
        if natural > MAX_NATURAL_DIM {
            return wrong(format!("{natural} coordinates are more than {MAX_NATURAL_DIM}, the most allowed"));
        }
        if n == 0 {
            return wrong("0 samples: at least 1 is needed".into());
        }
        if let Some(dim) = settings.embedding_dim.filter(|dim| *dim < natural) {
            return wrong(format!(
                "{dim} dimensions do not hold its {natural} coordinates: embed in {natural} or more"
            ));
        }
        if !(settings.noise_sd.is_finite() && settings.noise_sd >= 0.0) {
            return wrong(format!("noise of standard deviation {}: 0 or more is needed", settings.noise_sd));
        }
        Ok(())
    }

    /// The random numbers that a point is made of.
    fn draw(&self, rng: &mut Variates) -> Vec<f64> {
        match *self {
            Sphere { dim } => rng.many(dim + 1, Variates::normal),
            Ball { dim } => [rng.many(dim, Variates::normal), vec![rng.uniform()]].concat(),
            Gaussian { dim } => rng.many(dim, Variates::normal),
            Cube { dim } | Nonlinear { dim, .. } | Tangents { dim } => rng.many(dim, Variates::uniform),
            // The whole part of the first number is the face.
            CubeSurface { dim } => {
                [vec![rng.uniform() * (2 * (dim + 1)) as f64], rng.many(dim, Variates::uniform)].concat()
            }
            Affine { dim } => rng.many(dim, |rng| rng.within(-2.5, 2.5)),
            Affine3To5 => rng.many(3, |rng| rng.within(0.0, 4.0)),
            SwissRoll => vec![rng.within(1.5 * PI, 4.5 * PI), rng.within(0.0, 21.0)],
            Helix => vec![rng.within(0.0, TAU)],
            Helicoid => rng.many(2, |rng| rng.within(0.0, 10.0 * PI)),
            Spiral => vec![rng.within(0.0, 10.0 * PI)],
            SCurve => vec![rng.within(-1.5 * PI, 1.5 * PI), rng.within(0.0, 2.0)],
            Moebius => vec![rng.within(0.0, TAU), rng.within(-1.0, 1.0)],
            FlatTorus { dim } => rng.many(dim, |rng| rng.within(0.0, TAU)),
            Nonlinear4To6 => rng.many(4, Variates::uniform),
            Beta { dim } => rng.many(dim, Variates::beta_10_half),
            Paraboloid { dim } => rng.many(dim + 1, Variates::exponential),
        }
    }

    /// The point that these numbers make: `natural_dim` coordinates.
    fn place(&self, from: &[f64]) -> Vec<f64> {
        match *self {
            Sphere { .. } => scaled(from, 1.0 / norm(from)),
            Ball { dim } => scaled(&from[..dim], from[dim].powf(1.0 / dim as f64) / norm(&from[..dim])),
            Cube { .. } | Affine { .. } | Gaussian { .. } => from.to_vec(),
            CubeSurface { .. } => on_face(from[0] as usize, &from[1..]),
            Affine3To5 => affine_3_to_5(from[0], from[1], from[2]),
            SwissRoll => vec![from[0] * from[0].cos(), from[1], from[0] * from[0].sin()],
            Helix => around_torus(from[0]),
            Helicoid => vec![from[0] * from[1].cos(), from[0] * from[1].sin(), 0.5 * from[1]],
            Spiral => [&[100.0 * from[0].cos(), 100.0 * from[0].sin(), from[0]], &[0.0; 10][..]].concat(),
            SCurve => vec![from[0].sin(), from[1], from[0].signum() * (from[0].cos() - 1.0)],
            Moebius => moebius(from[0], from[1]),
            FlatTorus { .. } => from.iter().flat_map(|angle| [angle.cos(), angle.sin()]).collect(),
            Nonlinear4To6 => nonlinear_4_to_6([from[0], from[1], from[2], from[3]]),
            Nonlinear { repeats, .. } => nonlinear(from).repeat(repeats),
            Beta { .. } => beta(from).repeat(2),
            Tangents { .. } => tangents(from).repeat(2),
            Paraboloid { .. } => paraboloid(from[0], &from[1..]),
        }
    }
}

/// Reads a name of the benchmark (`M7_Roll`), or a family and a dimension (`sphere:5`), in any case.
///
/// ```
/// use sharpdim::data::manifolds::Manifold;
///
/// assert_eq!("M7_Roll".parse::<Manifold>()?, Manifold::SwissRoll);
/// assert_eq!("flat_torus:3".parse::<Manifold>()?, Manifold::FlatTorus { dim: 3 });
/// # Ok::<(), sharpdim::Error>(())
/// ```
impl FromStr for Manifold {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let of_benchmark = BENCHMARK.iter().find(|(name, _)| name.eq_ignore_ascii_case(text));
        if let Some((_, manifold)) = of_benchmark {
            return Ok(*manifold);
        }
        let of_dim = text.split_once(':').and_then(|(family, dim)| {
            let (_, make) = FAMILIES.iter().find(|(name, _)| name.eq_ignore_ascii_case(family))?;
            Some(make(dim.parse().ok()?))
        });
        of_dim.ok_or_else(|| {
            let names: Vec<&str> = BENCHMARK.iter().map(|(name, _)| *name).collect();
            let families: Vec<String> = FAMILIES.iter().map(|(name, _)| format!("{name}:5")).collect();
            Error::Argument(format!(
                "'{text}' is no manifold: {} are, and with any dimension {}",
                names.join(", "),
                families.join(", ")
            ))
        })
    }
}

/// Random variates, from one stream of a seed.
struct Variates(Random);

impl Variates {
    fn new(seed: u64, stream: u64) -> Self {
        Variates(Random::stream(seed, stream))
    }

    /// Uniform between 0 and 1, and neither of them: the top 52 bits and a half, as a fraction of 2^52.
    fn uniform(&mut self) -> f64 {
        ((self.0.bits() >> 12) as f64 + 0.5) / (1u64 << 52) as f64
    }

    fn within(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * self.uniform()
    }

    /// Standard normal, after Box and Muller.
    fn normal(&mut self) -> f64 {
        (2.0 * self.exponential()).sqrt() * (TAU * self.uniform()).cos()
    }

    fn exponential(&mut self) -> f64 {
        -self.uniform().ln()
    }

    /// Beta(10, 1/2), as a / (a + b) of a Gamma(10), ten exponentials, and a Gamma(1/2), half a squared
    /// normal.
    fn beta_10_half(&mut self) -> f64 {
        let a: f64 = self.many(10, Variates::exponential).iter().sum();
        a / (a + 0.5 * self.normal().powi(2))
    }

    fn many(&mut self, count: usize, mut draw: impl FnMut(&mut Self) -> f64) -> Vec<f64> {
        repeat_with(|| draw(self)).take(count).collect()
    }
}

fn norm(values: &[f64]) -> f64 {
    dot(values, values).sqrt()
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

fn scaled(values: &[f64], by: f64) -> Vec<f64> {
    values.iter().map(|value| value * by).collect()
}

/// A point of a cube's surface: face 2i is where coordinate i is 0, face 2i + 1 where it is 1.
fn on_face(face: usize, others: &[f64]) -> Vec<f64> {
    let (axis, end) = (face / 2, (face % 2) as f64);
    [&others[..axis], &[end], &others[axis..]].concat()
}

fn affine_3_to_5(a: f64, b: f64, c: f64) -> Vec<f64> {
    vec![
        1.2 * a - 0.5 * b + 3.0,
        0.5 * a + 0.9 * b - 1.0,
        -0.5 * a - 0.2 * b + c,
        0.4 * a - 0.9 * b - 0.1 * c,
        1.1 * a - 0.3 * b + 8.0,
    ]
}

fn around_torus(t: f64) -> Vec<f64> {
    let (sin, cos) = (8.0 * t).sin_cos();
    vec![(2.0 + cos) * t.cos(), (2.0 + cos) * t.sin(), sin]
}

/// `across` goes from one edge, -1, to the other, 1.
fn moebius(angle: f64, across: f64) -> Vec<f64> {
    let (sin, cos) = (5.0 * angle).sin_cos();
    let radius = 1.0 + 0.5 * across * cos;
    vec![radius * angle.cos(), radius * angle.sin(), 0.5 * across * sin]
}

fn nonlinear_4_to_6([a, b, c, d]: [f64; 4]) -> Vec<f64> {
    let (sin, cos) = (TAU * a).sin_cos();
    vec![
        b * b * cos,
        c * c * sin,
        b + c + (b - d).powi(2),
        b - 2.0 * c + (a - d).powi(2),
        -b - 2.0 * c + (c - d).powi(2),
        a * a - b * b + c * c - d * d,
    ]
}

fn nonlinear(p: &[f64]) -> Vec<f64> {
    let radii = p.iter().cycle().skip(1);
    let turned = |(p, radius): (&f64, &f64)| [radius * (TAU * p).cos(), radius * (TAU * p).sin()];
    p.iter().zip(radii).flat_map(turned).collect()
}

fn beta(x: &[f64]) -> Vec<f64> {
    let first = x.iter().map(|x| x * (TAU * x).cos().sin());
    first.chain(x.iter().map(|x| x * (TAU * x).sin().cos())).collect()
}

fn tangents(x: &[f64]) -> Vec<f64> {
    let pairs = || x.iter().zip(x.iter().rev());
    pairs().map(|(x, y)| (x * y.cos()).tan()).chain(pairs().map(|(x, y)| (y * x.sin()).atan())).collect()
}

fn paraboloid(shared: f64, others: &[f64]) -> Vec<f64> {
    let mut x: Vec<f64> = others.iter().map(|other| 1.0 / (1.0 + other / shared)).collect();
    x.push(dot(&x, &x));
    let sines = x.iter().map(|x| x.sin());
    x.iter().copied().chain(sines).chain(x.iter().map(|x| x * x)).collect()
}

/// `count` random orthonormal axes of `dim` values each, row-major: Gaussian vectors, each made orthogonal
/// to those before it.
fn axes(count: usize, dim: usize, seed: u64) -> Result<Vec<f64>> {
    let mut axes: Vec<f64> = zeros(count, dim, "the embedding")?;
    let mut rng = Variates::new(seed, EMBEDDING_STREAM);
    for at in 0..count {
        let (before, rest) = axes.split_at_mut(at * dim);
        let axis = &mut rest[..dim];
        axis.iter_mut().for_each(|value| *value = rng.normal());
        // The second pass takes away what rounding left in the first.
        for _ in 0..2 {
            for other in before.chunks_exact(dim) {
                let along = dot(axis, other);
                axis.iter_mut().zip(other).for_each(|(value, other)| *value -= along * other);
            }
            let length = norm(axis);
            axis.iter_mut().for_each(|value| *value /= length);
        }
    }
    Ok(axes)
}

/// The point of the embedding space that has these coordinates along its axes.
fn combine(coordinates: &[f64], axes: &[f64], dim: usize) -> Vec<f64> {
    let mut point = vec![0.0; dim];
    for (coordinate, axis) in coordinates.iter().zip(axes.chunks_exact(dim)) {
        point.iter_mut().zip(axis).for_each(|(value, axis)| *value += coordinate * axis);
    }
    point
}

/// Zeros, or an error where there is no memory for them.
fn zeros<T: Copy + Default>(rows: usize, columns: usize, what: &str) -> Result<Vec<T>> {
    let mut values = Vec::new();
    let len = rows.checked_mul(columns).filter(|len| values.try_reserve_exact(*len).is_ok());
    let Some(len) = len else {
        return Err(Error::Data(format!(
            "there is no memory for {what}, {rows} x {columns} values: take fewer samples or dimensions"
        )));
    };
    values.resize(len, T::default());
    Ok(values)
}

#[cfg(test)]
mod tests {
    use super::*;
    use approx::abs_diff_eq;

    /// The number of directions in which a point moves when the numbers that it is made of do: the rank of
    /// the derivatives, by Gram-Schmidt with pivots.
    fn tangent_rank(manifold: &Manifold, from: &[f64]) -> usize {
        let step = 1e-6;
        let moved = |at: usize, by: f64| {
            let mut from = from.to_vec();
            from[at] += by;
            manifold.place(&from)
        };
        let derivative = |at: usize| {
            let (ahead, behind) = (moved(at, step), moved(at, -step));
            ahead.iter().zip(behind).map(|(a, b)| (a - b) / (2.0 * step)).collect::<Vec<f64>>()
        };
        let mut left: Vec<Vec<f64>> = (0..from.len()).map(derivative).collect();
        let mut rank = 0;
        let mut first = 0.0;
        while let Some(longest) = left.iter().map(|v| norm(v)).enumerate().max_by(|a, b| a.1.total_cmp(&b.1))
        {
            first = f64::max(first, longest.1);
            if longest.1 < 1e-7 * first {
                break;
            }
            let pivot = scaled(&left.swap_remove(longest.0), 1.0 / longest.1);
            for vector in &mut left {
                let along = dot(vector, &pivot);
                vector.iter_mut().zip(&pivot).for_each(|(value, pivot)| *value -= along * pivot);
            }
            rank += 1;
        }
        rank
    }

    #[test]
    fn tangent_spaces_have_the_intrinsic_dimension() {
        let families = FAMILIES.iter().flat_map(|(name, make)| [1, 2, 7].map(|dim| (*name, make(dim))));
        for (name, manifold) in Manifold::benchmark().into_iter().chain(families) {
            for at in 0..20 {
                let from = manifold.draw(&mut Variates::new(3, at));
                let found = tangent_rank(&manifold, &from);
                assert_eq!(found, manifold.intrinsic_dim(), "{name}, point {at}");
                assert_eq!(manifold.place(&from).len(), manifold.natural_dim(), "{name}");
            }
        }
    }

    #[test]
    fn random_numbers_have_their_moments() {
        let mut rng = Variates::new(0, 0);
        let count = 200_000;
        let mut check = |name: &str, draw: fn(&mut Variates) -> f64, mean: f64, variance: f64| {
            let drawn = rng.many(count, draw);
            let found = drawn.iter().sum::<f64>() / count as f64;
            let spread = drawn.iter().map(|x| (x - found).powi(2)).sum::<f64>() / count as f64;
            assert!((found - mean).abs() < 5.0 * (variance / count as f64).sqrt(), "{name}: mean {found}");
            assert!(abs_diff_eq!(spread / variance, 1.0, epsilon = 0.05), "{name}: variance {spread}");
        };
        check("uniform", Variates::uniform, 0.5, 1.0 / 12.0);
        check("normal", Variates::normal, 0.0, 1.0);
        check("exponential", Variates::exponential, 1.0, 1.0);
        // Beta(a, b): a / (a + b), and a b / ((a + b)^2 (a + b + 1)).
        check("beta", Variates::beta_10_half, 10.0 / 10.5, 5.0 / (10.5f64.powi(2) * 11.5));
    }
}
