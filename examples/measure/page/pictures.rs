//! Samples as pictures: as they were measured, made small enough for a page.

use image::imageops::thumbnail;
use image::{ImageBuffer, Luma, Rgb};
use sharpdim::data::{Loaded, Scale};
use sharpdim::report::Picture;
use sharpdim::{Points, Result, Values};

/// No side of a picture is longer: as large as the page shows it.
const SIDE: usize = 136;

pub struct Pictures<'a> {
    loaded: &'a Loaded,
    points: Points<'a>,
    /// The value that is shown white.
    white: f32,
}

impl<'a> Pictures<'a> {
    /// `None` for features.
    pub fn of(loaded: &'a Loaded, scale: Scale) -> Option<Self> {
        let points = loaded.samples.points().ok()?;
        let white = match (points.values(), scale) {
            (Values::F32(values), Scale::None) => white(values),
            _ => 255.0,
        };
        (!loaded.features).then_some(Pictures { loaded, points, white })
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
        let (loaded, dim) = (self.loaded, self.points.dim());
        let own = sample * dim..(sample + 1) * dim;
        let pixels: Vec<u8> = match self.points.values() {
            Values::U8(values) => values[own].to_vec(),
            // A cast to 8 bits stops at 0 and at 255.
            Values::F32(values) => {
                values[own].iter().map(|value| (value * (255.0 / self.white)).round() as u8).collect()
            }
        };
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
fn white(values: &[f32]) -> f32 {
    let largest = values.iter().copied().fold(0.0, f32::max);
    match largest {
        ..=1.0 => 1.0,
        ..=255.0 => 255.0,
        _ => largest,
    }
}
