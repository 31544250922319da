//! Samples as pictures: as they were measured, made small enough for a page.

use image::imageops::thumbnail;
use image::{ImageBuffer, Luma, Rgb};
use rayon::prelude::*;
use sharpdim::data::{Loaded, Scale};
use sharpdim::report::Picture;
use sharpdim::{Result, Values};

/// No side of a picture is longer: as large as the page shows it.
const SIDE: usize = 136;

pub struct Pictures<'a> {
    loaded: &'a Loaded,
    /// The value that is shown white.
    white: f32,
}

impl<'a> Pictures<'a> {
    /// `None` for features.
    pub fn of(loaded: &'a Loaded, scale: Scale) -> Option<Self> {
        let bytes = matches!(loaded.samples.points().ok()?.values(), Values::U8(_));
        let white = if bytes || scale == Scale::Max { 255.0 } else { white(loaded) };
        (!loaded.features).then_some(Pictures { loaded, white })
    }

    /// What should be known of how the pictures were made.
    pub fn note(&self) -> String {
        let loaded = self.loaded;
        let size = match loaded.height.max(loaded.width) > SIDE {
            true => {
                format!(", made smaller for this page ({} x {} were measured)", loaded.height, loaded.width)
            }
            false => String::new(),
        };
        let white = match self.white == 255.0 {
            true => String::new(),
            false => format!("; values of 0 and below are black, {} and above white", self.white),
        };
        format!("Images are shown as they were measured{size}{white}.")
    }

    /// A sample, with its caption.
    pub fn picture(&self, sample: usize, caption: impl Into<String>) -> Result<Picture> {
        let loaded = self.loaded;
        // A cast to 8 bits stops at 0 and at 255.
        let shown = |value: f32| (value * (255.0 / self.white)).round() as u8;
        let pixels: Vec<u8> = loaded.image(sample).into_iter().map(shown).collect();
        let (height, width, channels) = (loaded.height, loaded.width, loaded.channels);
        let longer = height.max(width);
        if longer <= SIDE {
            return Picture::new(&pixels, height, width, channels, caption);
        }
        let less = |side: usize| (side * SIDE).div_ceil(longer) as u32;
        let (high, wide) = (less(height), less(width));
        let fits = "a sample is height x width x channels values";
        let small = match channels {
            1 => {
                let whole = ImageBuffer::<Luma<u8>, _>::from_raw(width as u32, height as u32, pixels);
                thumbnail(&whole.expect(fits), wide, high).into_raw()
            }
            _ => {
                let whole = ImageBuffer::<Rgb<u8>, _>::from_raw(width as u32, height as u32, pixels);
                thumbnail(&whole.expect(fits), wide, high).into_raw()
            }
        };
        Picture::new(&small, high as usize, wide as usize, channels, caption)
    }
}

/// What is white where values were taken as they are: 1, 255, or the largest value where that is more.
fn white(loaded: &Loaded) -> f32 {
    let of = |sample: usize| loaded.image(sample).into_iter().fold(0.0, f32::max);
    let largest = (0..loaded.samples.n()).into_par_iter().map(of).reduce(|| 0.0, f32::max);
    match largest {
        ..=1.0 => 1.0,
        ..=255.0 => 255.0,
        _ => largest,
    }
}
