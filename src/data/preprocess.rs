//! Preprocessing, from images to samples: its settings, and their effect on one decoded image.

use super::image::{Image, Shape, Values};
use crate::ops::resize::{resize_bilinear, scale_by_max_f32, scale_by_max_u16, scale_in_place};
use std::borrow::Cow;

/// How images become samples. The default is the paper's: each image scaled by its own maximum to 8 bits,
/// then resized to 224 x 224, bilinear, without antialiasing; gray stays gray, RGB stays RGB.
///
/// Features are taken as they are: for them only `on_bad` counts.
///
/// ```
/// use sharpdim::data::{Color, OnBad, Preprocess, Scale};
/// // The paper's, but at the images' own size and in RGB, and going on past files that cannot be read.
/// let how = Preprocess { size: None, color: Color::Rgb, on_bad: OnBad::Skip, ..Preprocess::default() };
/// assert_eq!((how.scale, how.antialias), (Scale::Max, false));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Preprocess {
    /// How values are scaled.
    pub scale: Scale,
    /// Height and width to resize to; `None` keeps the images' own, which must then be one size.
    pub size: Option<(usize, usize)>,
    /// Which channels samples have.
    pub color: Color,
    /// Whether shrinking averages over all the pixels it drops (torchvision's `antialias=True`).
    pub antialias: bool,
    /// What to do about an image that cannot be read.
    pub on_bad: OnBad,
}

impl Default for Preprocess {
    fn default() -> Self {
        Preprocess {
            scale: Scale::Max,
            size: Some((224, 224)),
            color: Color::AsIs,
            antialias: false,
            on_bad: OnBad::Fail,
        }
    }
}

/// How values are scaled.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Scale {
    /// Each image by its own maximum, over all its channels: `floor(v * 255 / max)`, as 8 bits. An image of
    /// zeros stays so; a negative value is an error. Of a DICOM image stored values are scaled, those below 0
    /// as 0, and MONOCHROME1 is inverted then, to `255 - v`.
    #[default]
    Max,
    /// Values are used as they are: 8-bit ones stay 8-bit, 16-bit ones become floats. Those of a DICOM image
    /// are what stored ones stand for by its rescale slope and intercept, MONOCHROME1 as what is left to the
    /// largest there can be.
    None,
}

/// Which channels samples have.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Color {
    /// Those of the images. Where a few are gray among RGB ones they are expanded to RGB, and where a few
    /// are RGB among gray ones they are made gray (RGB where both are as many):
    /// [`Loaded::notes`](super::Loaded::notes) says so.
    #[default]
    AsIs,
    /// One channel: `(19595 R + 38470 G + 7471 B + 2^15) / 2^16`, the ITU-R 601 luma as Pillow rounds it.
    Grayscale,
    /// Three channels: gray is repeated.
    Rgb,
}

impl Scale {
    /// The scaling, in a few words.
    ///
    /// ```
    /// assert_eq!(sharpdim::data::Scale::None.about(), "values as they are");
    /// ```
    pub fn about(self) -> &'static str {
        match self {
            Scale::Max => "each image scaled by its maximum to 8 bits",
            Scale::None => "values as they are",
        }
    }
}

impl Color {
    /// Its name, as checkpoints of trainings keep it.
    ///
    /// ```
    /// use sharpdim::data::Color;
    /// assert_eq!([Color::AsIs, Color::Grayscale, Color::Rgb].map(Color::name), ["as it is", "gray", "rgb"]);
    /// ```
    pub fn name(self) -> &'static str {
        match self {
            Color::AsIs => "as it is",
            Color::Grayscale => "gray",
            Color::Rgb => "rgb",
        }
    }
}

/// What to do about an image that cannot be read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum OnBad {
    /// Stop, and name the first such image.
    #[default]
    Fail,
    /// Leave it out, and list it in [`Loaded::skipped`](super::Loaded::skipped).
    Skip,
}

/// The preprocessing of features: none.
pub(super) const FEATURES: Preprocess =
    Preprocess { scale: Scale::None, size: None, color: Color::AsIs, antialias: false, on_bad: OnBad::Fail };

/// The common form of all samples.
#[derive(Clone, Copy)]
pub(super) struct Conversion<'a> {
    pub how: &'a Preprocess,
    pub height: usize,
    pub width: usize,
    pub channels: usize,
}

impl Conversion<'_> {
    /// An image whose size is kept and whose values are 8-bit.
    pub fn exact_row(&self, image: Image<'_>, row: &mut [u8]) -> Result<(), String> {
        match self.scaled(image)?.values {
            Values::U8(values) => row.copy_from_slice(&values),
            _ => return Err("its values are not 8-bit".into()),
        }
        Ok(())
    }

    /// Any other image.
    pub fn float_row(&self, image: Image<'_>, row: &mut [f32]) -> Result<(), String> {
        let Image { shape, values } = self.scaled(image)?;
        match values {
            Values::U8(values) => self.resized(&values, shape, row),
            Values::U16(values) => self.resized(&values, shape, row),
            Values::F32(values) => {
                self.resized(&values, shape, row);
                // Finite values near the largest float can overflow in the interpolation.
                if !row.iter().all(|value| value.is_finite()) {
                    return Err("its values overflow when they are resized".into());
                }
            }
        }
        Ok(())
    }

    /// Values as floats, at the samples' size.
    fn resized<T: Copy + Into<f32>>(&self, values: &[T], shape: Shape, row: &mut [f32]) {
        let Conversion { height, width, channels, how } = self;
        if (shape.height, shape.width) == (*height, *width) {
            row.iter_mut().zip(values).for_each(|(out, value)| *out = (*value).into());
            return;
        }
        resize_bilinear(values, shape.height, shape.width, *channels, row, *height, *width, how.antialias);
    }

    fn scaled<'a>(&self, image: Image<'a>) -> Result<Image<'a>, String> {
        let Image { shape, values } = self.recoloured(image);
        let values = match self.how.scale {
            Scale::None => match shape.modality {
                Some(modality) => modality.meant(values),
                None => values,
            },
            Scale::Max => {
                let values = match shape.modality {
                    Some(_) => at_least_zero(values),
                    None => values,
                };
                let mut scaled = match values {
                    Values::U8(mut values) => {
                        scale_in_place(values.to_mut());
                        values
                    }
                    Values::U16(values) => {
                        let mut scaled = vec![0; values.len()];
                        scale_by_max_u16(&values, &mut scaled);
                        Cow::Owned(scaled)
                    }
                    Values::F32(values) => {
                        let mut scaled = vec![0; values.len()];
                        scale_by_max_f32(&values, &mut scaled).map_err(|at| {
                            format!(
                                "has the value {} at {}: an image scaled by its maximum has none below 0",
                                values[at],
                                shape.pixel(at)
                            )
                        })?;
                        Cow::Owned(scaled)
                    }
                };
                if shape.modality.is_some_and(|modality| modality.inverted) {
                    scaled.to_mut().iter_mut().for_each(|value| *value = 255 - *value);
                }
                Values::U8(scaled)
            }
        };
        Ok(Image { shape, values })
    }

    /// The image with the samples' channels.
    fn recoloured<'a>(&self, image: Image<'a>) -> Image<'a> {
        let Image { shape, values } = image;
        let values = match (shape.channels, self.channels) {
            (1, 3) => match values {
                Values::U8(values) => Values::U8(Cow::Owned(repeat(&values))),
                Values::U16(values) => Values::U16(Cow::Owned(repeat(&values))),
                Values::F32(values) => Values::F32(Cow::Owned(repeat(&values))),
            },
            (3, 1) => match values {
                Values::U8(values) => {
                    Values::U8(luma(&values, |[r, g, b]| integer_luma([r.into(), g.into(), b.into()]) as u8))
                }
                Values::U16(values) => Values::U16(luma(&values, |[r, g, b]| {
                    integer_luma([r.into(), g.into(), b.into()]) as u16
                })),
                Values::F32(values) => Values::F32(luma(&values, |[r, g, b]| {
                    let [r, g, b] = [f64::from(r), f64::from(g), f64::from(b)];
                    ((19595.0 * r + 38470.0 * g + 7471.0 * b) / 65536.0) as f32
                })),
            },
            _ => values,
        };
        Image { shape: Shape { channels: self.channels, ..shape }, values }
    }
}

/// Stored values of a radiology image below 0 (air, what is outside a scanner's circle) count as 0.
fn at_least_zero(values: Values<'_>) -> Values<'_> {
    match values {
        Values::F32(values) => Values::F32(values.iter().map(|value| value.max(0.0)).collect()),
        unsigned => unsigned,
    }
}

fn repeat<T: Copy>(values: &[T]) -> Vec<T> {
    values.iter().flat_map(|value| [*value; 3]).collect()
}

fn luma<T: Copy>(values: &[T], luma_of: impl Fn([T; 3]) -> T) -> Cow<'static, [T]> {
    values.as_chunks().0.iter().map(|pixel| luma_of(*pixel)).collect()
}

/// Pillow's `L`. The three weights sum to 2^16, so that gray given as RGB comes back as it was.
fn integer_luma([r, g, b]: [u64; 3]) -> u64 {
    (19595 * r + 38470 * g + 7471 * b + 0x8000) >> 16
}
