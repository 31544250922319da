//! What was measured and how, in the words that table, JSON and page share.

use crate::measure::args::Part;
use crate::measure::measured::Measured;
use sharpdim::Values;
use sharpdim::data::{Loaded, Preprocess, Scale};
use sharpdim::measure::{PaperProtocol, Protocol, ReleasedProtocol};
use sharpdim::ops::resize::Geometry;

impl Measured<'_> {
    /// What a sample is.
    pub fn each(&self) -> String {
        let Loaded { height, width, channels, features, ref samples, .. } = self.loaded;
        let (dim, values) = (self.loaded.dim(), self.values());
        let held = match samples.embedding() {
            Some(embedding) => format!(", embedded as {} ({values})", embedding.dim()),
            None => format!(" ({values})"),
        };
        match (features, channels) {
            (true, _) => format!("{dim} features{held}"),
            (false, 1) => format!("{height} x {width} gray: {dim} values{held}"),
            (false, _) => format!("{height} x {width} RGB: {dim} values{held}"),
        }
    }

    pub fn source(&self) -> String {
        let part = match self.args.split {
            Part::Train => "",
            Part::Test => ", test part",
        };
        match &self.path {
            Some(path) => format!("{} ({}{part})", path.display(), self.format),
            None => {
                "generated images (no path given): striped ellipses, with a bright spot or without".into()
            }
        }
    }

    /// What samples are stored as.
    pub fn values(&self) -> &'static str {
        match self.loaded.samples.points().map(|points| points.values()) {
            Ok(Values::U8(_)) => "u8",
            Ok(Values::F64(_)) => "f64",
            _ => "f32",
        }
    }

    pub fn scale(&self) -> &'static str {
        match (self.loaded.features, self.args.preprocess().scale) {
            (false, Scale::Max) => "max",
            _ => "none",
        }
    }

    pub fn preprocessing(&self) -> String {
        if self.loaded.features {
            return "none: features as they are".into();
        }
        let Preprocess { scale, size, antialias, .. } = self.args.preprocess();
        let scaled = scale.about();
        if let Some(embedding) = self.loaded.samples.embedding() {
            let Geometry { from: [height, width], to: [tall, wide], .. } = embedding.geometry();
            let antialiased = if antialias { ", antialiased" } else { "" };
            return format!(
                "{scaled}; resized to {tall} x {wide} (bilinear{antialiased}); distances computed from the native \
                 {height} x {width} pixels, as an exact linear map"
            );
        }
        match (size, antialias) {
            (None, _) => format!("{scaled}; size as it is"),
            (Some(_), true) => format!("{scaled}; resized, bilinear, antialiased"),
            (Some(_), false) => format!("{scaled}; resized, bilinear"),
        }
    }

    /// Which pairs were compared.
    pub fn pairs(&self) -> String {
        match self.args.protocol() {
            Protocol::AllPairs => "all there are".into(),
            Protocol::Paper(PaperProtocol { samples, repeats, seed }) => {
                format!("in {repeats} class-balanced draws of {samples} (seed {seed})")
            }
            Protocol::Released(ReleasedProtocol { samples, batch, repeats, seed }) => format!(
                "in {repeats} draws of {samples}, shuffled in batches of {batch}, as the released code does \
                 (seed {seed})"
            ),
        }
    }
}
