//! The canvas of a generated image, with and without the part that its label depends on.

/// The canvas of an image.
pub struct Canvas {
    pub size: usize,
    /// Values of 0 to 1, channels last, without the labelled change.
    pub common: Vec<f32>,
    /// The labelled change, in any unit, likewise.
    pub change: Vec<f32>,
}

impl Canvas {
    pub fn new(size: usize, channels: usize) -> Self {
        let len = size * size * channels;
        Canvas { size, common: vec![0.0; len], change: vec![0.0; len] }
    }
}
