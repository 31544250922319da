//! A small generated dataset: smooth gray images drawn from seven numbers each, in two classes.
//! Its true dimension is known, and it holds no images of patients.

use crate::data::buffer::{self, Buffer};
use crate::data::dataset::Dataset;
use crate::data::found::Found;
use crate::data::source::{Packed, Source, images_len};
use crate::random::Random;
use crate::{Error, Result};
use rayon::prelude::*;
use std::f64::consts::{FRAC_PI_3, TAU};
use std::path::{Path, PathBuf};

/// The numbers that an image of [`Dataset::generated`](crate::data::Dataset::generated) is drawn from.
///
/// ```
/// use sharpdim::{Device, data::{Dataset, GENERATED_LATENTS, Preprocess}};
/// use sharpdim::measure::{Estimator, Mle, intrinsic_dim};
/// let plain = Preprocess { size: None, ..Preprocess::default() };
/// let images = Dataset::generated(200, 32, 0)?.load(&plain, &|_| ())?;
/// let found = intrinsic_dim(&Device::cpu(), &images.samples.points()?, &Estimator::Mle(Mle::default()))?;
/// assert!(found.value < GENERATED_LATENTS as f64); // 400 images are few: estimates come out low
/// # Ok::<(), sharpdim::Error>(())
/// ```
pub const GENERATED_LATENTS: usize = 7;

impl Dataset {
    /// A small generated dataset: gray images of `size` x `size` pixels, `per_class` of each of two
    /// classes, in turns. `500, 64, 0` is a good default.
    ///
    /// Each shows a striped ellipse in a fixed ring, drawn from [`GENERATED_LATENTS`] uniform numbers:
    /// its place (two), size, aspect, angle, brightness and the stripes' phase. Class `lesion` has a
    /// bright spot at a fixed place in the ellipse, class `clear` has none.
    ///
    /// # Errors
    /// [`Error::Argument`] where `per_class` is 0 or `size` below 8; [`Error::Data`] where there is no
    /// memory for the images.
    ///
    /// ```
    /// use sharpdim::data::Dataset;
    /// // Eight images of 16 x 16 pixels; the same seed gives the same images.
    /// let dataset = Dataset::generated(4, 16, 7)?;
    /// assert_eq!(dataset.len(), 8);
    /// # Ok::<(), sharpdim::Error>(())
    /// ```
    pub fn generated(per_class: usize, size: usize, seed: u64) -> Result<Self> {
        Ok(generate(per_class, size, seed)?.into())
    }
}

/// An ellipse, the "organ", within a fixed bright ring. Positions and sizes are in half image sides.
struct Latents {
    x: f64,
    y: f64,
    /// The longer half axis.
    radius: f64,
    /// The shorter half axis over the longer.
    aspect: f64,
    angle: f64,
    brightness: f64,
    /// Where the stripes across the organ begin.
    phase: f64,
}

impl Latents {
    fn draw(rng: &mut Random) -> Self {
        let mut within = |low: f64, high: f64| low + (high - low) * rng.fraction();
        Latents {
            x: within(-0.22, 0.22),
            y: within(-0.22, 0.22),
            radius: within(0.36, 0.52),
            aspect: within(0.55, 0.8),
            angle: within(-FRAC_PI_3, FRAC_PI_3),
            brightness: within(0.3, 0.6),
            phase: within(0.0, TAU),
        }
    }

    /// The brightness, in [0, 1], at a point of the square [-1, 1] x [-1, 1].
    fn at(&self, x: f64, y: f64, lesion: bool) -> f64 {
        let ring = bell(x.hypot(y) - 0.9, 0.06);
        let (sin, cos) = self.angle.sin_cos();
        let (dx, dy) = (x - self.x, y - self.y);
        let along = (cos * dx + sin * dy) / self.radius;
        let across = (cos * dy - sin * dx) / (self.radius * self.aspect);
        let inside = 1.0 / (1.0 + ((along.hypot(across) - 1.0) / 0.08).exp());
        let stripes = 0.1 * (2.5 * along + self.phase).sin();
        let spot = if lesion { 0.3 * bell((along - 0.45).hypot(across), 0.16) } else { 0.0 };
        (0.05 + ring + inside * (self.brightness + stripes + spot)).clamp(0.0, 1.0)
    }
}

fn bell(distance: f64, width: f64) -> f64 {
    (-0.5 * (distance / width).powi(2)).exp()
}

fn generate(per_class: usize, size: usize, seed: u64) -> Result<Found> {
    if per_class == 0 || size < 8 {
        return Err(Error::Argument(format!(
            "{per_class} generated images a class of {size} x {size} pixels: at least 1 and 8 are needed"
        )));
    }
    let path = Path::new("generated");
    let count = per_class.saturating_mul(2);
    let len = images_len(path, count, [size, size, 1], 1)?;
    let mut pixels = buffer::zeros(len, "the generated images")?;
    pixels.par_chunks_exact_mut(size * size).enumerate().for_each(|(at, image)| {
        // A stream for each image: the first images are the same however many follow.
        let mut rng = Random::stream(seed, at as u64);
        let latents = Latents::draw(&mut rng);
        let place = |i: usize| (2 * i + 1) as f64 / size as f64 - 1.0;
        for (i, pixel) in image.iter_mut().enumerate() {
            let value = latents.at(place(i % size), place(i / size), at % 2 == 1);
            *pixel = (value * 255.0) as u8;
        }
    });
    Ok(packed(pixels, size, 1, ["clear", "lesion"]))
}

/// What is found of square images whose classes, 0 and 1, take turns.
pub(super) fn packed(pixels: Vec<u8>, size: usize, channels: usize, class_names: [&str; 2]) -> Found {
    let count = pixels.len() / (size * size * channels);
    let parts = vec![(PathBuf::from("generated"), count)];
    let packed =
        Packed { pixels: Buffer::u8(pixels), height: size, width: size, channels, features: false, parts };
    Found {
        format: "generated",
        source: Source::Packed(packed),
        labels: (0..count as u32).map(|at| at % 2).collect(),
        class_names: class_names.map(String::from).into(),
        labelled: true,
        notes: Vec::new(),
        left_out: Vec::new(),
    }
}
