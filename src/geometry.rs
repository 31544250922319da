//! The geometry of a resizing: embeddings can be compared only where it is the same.

use std::fmt;

/// From what size to what size images are resized, bilinear: two sets of embeddings have distances between them where all of
/// this is the same.
///
/// ```
/// use sharpdim::ops::resize::Geometry;
/// let mnist = Geometry { from: [28, 28], to: [224, 224], channels: 1, antialias: false };
/// assert_eq!(mnist.to_string(), "28 x 28 gray pixels resized to 224 x 224, bilinear");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Geometry {
    /// Height and width of the images.
    pub from: [usize; 2],
    /// Height and width that they are resized to.
    pub to: [usize; 2],
    /// Values in a pixel.
    pub channels: usize,
    /// Whether shrinking is antialiased.
    pub antialias: bool,
}

impl fmt::Display for Geometry {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Geometry { from: [height, width], to: [tall, wide], channels, antialias } = self;
        match channels {
            1 => write!(out, "{height} x {width} gray pixels")?,
            3 => write!(out, "{height} x {width} RGB pixels")?,
            _ => write!(out, "{height} x {width} pixels of {channels} values")?,
        }
        let antialiased = if *antialias { ", antialiased" } else { "" };
        write!(out, " resized to {tall} x {wide}, bilinear{antialiased}")
    }
}
