//! Datasets that are drawn rather than read: a small plain one, and families of images whose number of latent factors
//! and whose label sharpness are set apart from each other.

mod canvas;
mod family;
mod objects;
mod params;
mod plain;
mod radiology;
mod scene;

pub use family::Family;
pub use plain::GENERATED_LATENTS;

use super::buffer;
use super::dataset::Dataset;
use super::source::images_len;
use crate::random::Random;
use crate::{Error, Result};
use canvas::Canvas;
use rayon::prelude::*;
use scene::Scene;
use std::ops::RangeInclusive;
use std::path::Path;

/// A distribution of labelled images, whose intrinsic dimension and label sharpness are set apart from each other.
///
/// An image follows from its latents, as many uniform numbers in [0, 1) as there are dimensions, and from its class. Each
/// latent moves the image smoothly, and all of them about equally far. docs/generated.md has pictures, and what the
/// estimators say of them.
///
/// ```
/// use sharpdim::{Device, data::{Dataset, Domain, Family, Preprocess}};
/// use sharpdim::measure::{Estimator, Mle, intrinsic_dim};
/// let as_they_are = Preprocess { size: None, ..Preprocess::default() };
/// let dimension = |latents| {
///     let domain = Domain { family: Family::Radiology, latents, contrast: 0.3, size: 32, seed: 0 };
///     let samples = Dataset::generate(&domain, 150)?.load(&as_they_are, &|_| ())?.samples;
///     let mle = Estimator::Mle(Mle::default());
///     Ok::<f64, sharpdim::Error>(intrinsic_dim(&Device::cpu(), &samples.points()?, &mle)?.value)
/// };
/// assert!(1.5 * dimension(4)? < dimension(16)?);
/// # Ok::<(), sharpdim::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Domain {
    /// What the images look like.
    pub family: Family,
    /// How many numbers an image is drawn from, its class aside: the intrinsic dimension. 2 to 64.
    pub latents: usize,
    /// How plain the labelled change is, above 0 and at most 1: two images of the same latents and of different classes
    /// differ, before they are rounded to 8 bits, by this times [`Family::spread`], as root mean square over values. The
    /// smaller, the sharper the labels.
    pub contrast: f64,
    /// Height and width in pixels, at least 16.
    pub size: usize,
    /// What the latents of all images follow from.
    pub seed: u64,
}

impl Domain {
    /// How many latents there may be.
    pub const LATENTS: RangeInclusive<usize> = 2..=scene::MOST;

    /// The fewest pixels of a side: below, what makes classes differ falls between pixels.
    pub const LEAST_SIZE: usize = 16;

    pub(crate) fn check(&self) -> Result<()> {
        let Domain { latents, contrast, size, .. } = self;
        let (least, most) = (Domain::LATENTS.start(), Domain::LATENTS.end());
        let wrong = if !Domain::LATENTS.contains(latents) {
            format!("images of {latents} latents: {least} to {most} are possible")
        } else if !(*contrast > 0.0 && *contrast <= 1.0) {
            format!("a contrast of {contrast}: it must be above 0 and at most 1")
        } else if *size < Domain::LEAST_SIZE {
            let least = Domain::LEAST_SIZE;
            format!("generated images of {size} x {size} pixels: at least {least} x {least} are needed")
        } else {
            return Ok(());
        };
        Err(Error::Argument(wrong))
    }

    /// The latents of an image of [`Dataset::generate`], by its number there: each from 0 to below 1. None of the other
    /// settings but the seed has a part in them, and with more latents the first stay the same.
    ///
    /// ```
    /// use sharpdim::data::{Domain, Family};
    /// let domain = Domain { family: Family::Objects, latents: 8, contrast: 0.3, size: 32, seed: 5 };
    /// let latents = domain.latents_of(17);
    /// assert!(latents.len() == 8 && latents.iter().all(|latent| (0.0..1.0).contains(latent)));
    /// ```
    pub fn latents_of(&self, image: usize) -> Vec<f64> {
        // A stream for each image: the first images are the same however many follow.
        let mut rng = Random::stream(self.seed, image as u64);
        (0..self.latents).map(|_| rng.fraction()).collect()
    }

    /// The image of any latents, in class 0 or 1, before it is rounded: (size, size, channels) gray levels from 0 to 255.
    ///
    /// # Errors
    /// [`Error::Argument`] where the domain's settings, the latents (as many as the domain has, each in [0, 1]) or the
    /// class are out of range.
    ///
    /// ```
    /// use sharpdim::data::{Dataset, Domain, Family, Preprocess};
    /// use sharpdim::Values;
    /// let domain = Domain { family: Family::Radiology, latents: 6, contrast: 0.5, size: 16, seed: 0 };
    /// let drawn: Vec<u8> = domain.draw(&domain.latents_of(1), 1)?.iter().map(|v| v.round() as u8).collect();
    /// // The dataset's image 1 is of class 1.
    /// let as_they_are = Preprocess { size: None, ..Preprocess::default() };
    /// let loaded = Dataset::generate(&domain, 1)?.load(&as_they_are, &|_| ())?;
    /// assert!(matches!(loaded.samples.points()?.values(), Values::U8(all) if all[256..] == drawn));
    /// # Ok::<(), sharpdim::Error>(())
    /// ```
    pub fn draw(&self, latents: &[f64], class: usize) -> Result<Vec<f32>> {
        self.check()?;
        if latents.len() != self.latents || latents.iter().any(|latent| !(0.0..=1.0).contains(latent)) {
            return Err(Error::Argument(format!(
                "{} numbers for latents, {:?}: {} are needed, each from 0 to 1",
                latents.len(),
                latents,
                self.latents
            )));
        }
        if class > 1 {
            return Err(Error::Argument(format!("class {class} of generated images: there are 0 and 1")));
        }
        let len = self.len_of(1)?;
        let mut canvas = Canvas::new(self.size, self.family.channels());
        let mut levels = vec![0.0; len];
        Scene::get(self.family, self.latents).levels(latents, class, self.contrast, &mut canvas, &mut levels);
        Ok(levels)
    }

    /// The number of values of this many images.
    fn len_of(&self, count: usize) -> Result<usize> {
        images_len(Path::new("generated"), count, [self.size, self.size, self.family.channels()], 4)
            .map(|bytes| bytes / 4)
    }
}

impl Dataset {
    /// The first images of a [`Domain`], `per_class` of each of its two classes, in turns: image `i` is of class `i % 2`
    /// and has the latents of [`Domain::latents_of`].
    ///
    /// # Errors
    /// [`Error::Argument`] where `per_class` is 0 or a setting is out of range; [`Error::Format`] where there are more
    /// images than memory can address, [`Error::Data`] where there is no memory for them.
    ///
    /// ```
    /// use sharpdim::data::{Dataset, Domain, Family};
    /// let domain = Domain { family: Family::Objects, latents: 8, contrast: 0.3, size: 32, seed: 0 };
    /// let dataset = Dataset::generate(&domain, 10)?;
    /// assert_eq!((dataset.len(), dataset.format()), (20, "generated"));
    /// assert_eq!(dataset.class_names(), ["pebble", "pyramid"]);
    /// # Ok::<(), sharpdim::Error>(())
    /// ```
    pub fn generate(domain: &Domain, per_class: usize) -> Result<Self> {
        domain.check()?;
        if per_class == 0 {
            return Err(Error::Argument("0 generated images a class: at least 1 is needed".into()));
        }
        let Domain { family, latents, contrast, size, .. } = *domain;
        let len = domain.len_of(per_class.saturating_mul(2))?;
        let mut pixels = buffer::zeros(len, "the generated images")?;
        let scene = Scene::get(family, latents);
        let image_len = size * size * family.channels();
        let brushes = || (Canvas::new(size, family.channels()), vec![0.0; image_len]);
        pixels.par_chunks_exact_mut(image_len).enumerate().for_each_init(
            brushes,
            |(canvas, levels), (at, image)| {
                scene.levels(&domain.latents_of(at), at % 2, contrast, canvas, levels);
                for (pixel, level) in image.iter_mut().zip(&*levels) {
                    // As `round`: levels are not negative.
                    *pixel = (level + 0.5) as u8;
                }
            },
        );
        Ok(plain::packed(pixels, size, family.channels(), family.class_names()).into())
    }
}
