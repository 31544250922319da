//! Samples as pictures: as they were measured, made small enough for a page.

use rayon::prelude::*;
use sharpdim::data::{Loaded, Scale};
use sharpdim::ops::resize::{Pixels, resize};
use sharpdim::report::Picture;
use sharpdim::{Device, Result, Values};

/// No side of a picture is longer: as large as the page shows it.
const SIDE: usize = 136;

pub struct Pictures<'a> {
    loaded: &'a Loaded,
    /// The value that is shown white.
    white: f32,
}

impl<'a> Pictures<'a> {
    /// `None` for features.
    pub fn new(loaded: &'a Loaded, scale: Scale) -> Option<Self> {
        let bytes = matches!(loaded.samples.points().ok()?.values(), Values::U8(_));
        let white = if bytes || scale == Scale::Max { 255.0 } else { white(loaded) };
        (!loaded.features).then_some(Pictures { loaded, white })
    }

    /// What should be known of how the pictures were made.
    pub fn note(&self) -> String {
        let loaded = self.loaded;
        let size = if loaded.height.max(loaded.width) > SIDE {
            format!(", made smaller for this page ({} x {} were measured)", loaded.height, loaded.width)
        } else {
            String::new()
        };
        let white = if self.white == 255.0 {
            String::new()
        } else {
            format!("; values of 0 and below are black, {} and above white", self.white)
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
        let less = |side: usize| (side * SIDE).div_ceil(longer);
        let (high, wide) = (less(height), less(width));
        let small =
            resize(&Device::cpu(), Pixels::U8(&pixels), [height, width, channels], [high, wide], true)?;
        let small: Vec<u8> = small.into_iter().map(|value| value.round() as u8).collect();
        Picture::new(&small, high, wide, channels, caption)
    }
}

/// What is white where values were taken as they are: 1, 255, or the largest value where that is more.
fn white(loaded: &Loaded) -> f32 {
    let brightest = |sample: usize| loaded.image(sample).into_iter().fold(0.0, f32::max);
    let largest = (0..loaded.samples.n()).into_par_iter().map(brightest).reduce(|| 0.0, f32::max);
    match largest {
        ..=1.0 => 1.0,
        ..=255.0 => 255.0,
        _ => largest,
    }
}
