//! The page's first section: the numbers that matter most, what they mean, and what makes them doubtful.

use super::{Part, capital};
use crate::measure::measured::Measured;
use sharpdim::Result;
use sharpdim::measure::Estimate;

pub fn add(part: &mut Part, measured: &Measured) -> Result<()> {
    part.section("At a glance", |_, section| {
        let section = section.headline(numbers(measured)).paragraph(&in_words(measured));
        Ok(warnings(measured).iter().fold(section, |section, warning| section.warning(&capital(warning))))
    })
}

fn numbers(measured: &Measured) -> Vec<(String, String, String)> {
    let loaded = &measured.loaded;
    let what = if loaded.features { "samples" } else { "images" };
    let classes = measured.classes().filter(|(_, count)| *count > 0).count();
    let in_classes = match measured.sharpness {
        Some(_) => format!("in {classes} classes"),
        None => "without labels".into(),
    };
    let mut numbers = vec![(loaded.samples.n().to_string(), what.to_owned(), in_classes)];
    let dimension = |found: &Estimate, name: String| {
        let interval = format!("95 % interval {:.1} .. {:.1}", found.low, found.high);
        (format!("{:.1}", found.value), name, interval)
    };
    let main = measured.main_estimate();
    if let Some(found) = main {
        numbers.push(dimension(found, format!("dimension ({})", found.estimator.name())));
    }
    if let Some(found) = measured.estimate("twonn").filter(|found| main != Some(found)) {
        numbers.push(dimension(found, "dimension (twonn)".into()));
    }
    if let Some(found) = &measured.sharpness {
        let (name, detail) = match (&found.released, found.sharpest.first()) {
            (Some(released), _) => {
                let right = format!("{:.2e} by the definition, of the same draws", released.definition_max());
                ("K_F as the released code has it", right)
            }
            (None, Some(sharp)) => (
                "label sharpness K_F",
                format!("1 / {:.0}, the distance of the sharpest pair", sharp.distance),
            ),
            (None, None) => ("label sharpness K_F", String::new()),
        };
        numbers.push((format!("{:.2e}", found.max), name.to_owned(), detail));
    }
    numbers
}

fn in_words(measured: &Measured) -> String {
    let (one, many) = if measured.loaded.features { ("sample", "samples") } else { ("image", "images") };
    let mut words = String::new();
    if let Some(found) = measured.main_estimate() {
        words = format!(
            "Near each {one} the dataset varies in about {:.0} independent ways, of the {} that its values \
             would allow. ",
            found.value,
            measured.loaded.dim()
        );
    }
    let by_definition = measured.sharpness.as_ref().filter(|found| found.released.is_none());
    if let Some(sharp) = by_definition.and_then(|found| found.sharpest.first()) {
        words += &format!(
            "The two nearest {many} of different classes are {:.0} apart, so that a label can change within \
             that distance: the nearer, the sharper.",
            sharp.distance
        );
    }
    words
}

/// A TwoNN that is less than this part of the MLE, or the inverse of it more, needs an explanation.
const APART: f64 = 0.67;
/// A larger part of samples with identical twins is worth a warning.
const MANY: f64 = 0.01;

fn warnings(measured: &Measured) -> Vec<String> {
    let loaded = &measured.loaded;
    let n = loaded.samples.n();
    let main_name = measured.main_estimate().map(|main| main.estimator.name());
    let mut warnings = Vec::new();
    if measured.sharpness.as_ref().is_some_and(|found| found.released.is_some()) {
        warnings.push(
            "K_F is what the authors' released code computes, from some of the pairs of equal labels. The paper \
             defines it over all pairs of different labels: that number stands beside it."
                .into(),
        );
    }
    if !loaded.skipped.is_empty() {
        warnings.push(format!("{} images could not be read and were left out.", loaded.skipped.len()));
    }
    let twins = (0..n).filter(|&i| measured.nearest.squared_distances(i)[0] == 0.0).count();
    if twins as f64 > MANY * n as f64 {
        warnings.push(format!(
            "{twins} of {n} have an identical twin. They are left out of the dimension, and some may be in \
             training and test data at once."
        ));
    }
    if let Some(count) =
        measured.sharpness.as_ref().map(|found| found.contradictions).filter(|count| *count > 0)
    {
        warnings.push(format!(
            "{count} pairs of identical images have different labels. No step is short enough between them: \
             they are left out of K_F."
        ));
    }
    if let (Some(mle), Some(two)) = (measured.estimate("mle"), measured.estimate("twonn")) {
        let ratio = two.value / mle.value;
        if ratio < APART {
            warnings.push(format!(
                "TwoNN ({:.1}) is far below the MLE ({:.1}): near-duplicates do that. Look for them below.",
                two.value, mle.value
            ));
        } else if ratio > 1.0 / APART {
            warnings.push(format!(
                "TwoNN ({:.1}) is far above the MLE ({:.1}): from so near it sees noise, of the camera or of \
                 compression, or the samples are too few for their dimension.",
                two.value, mle.value
            ));
        }
    }
    let shown = |(name, _): &(&str, &str)| [main_name, Some("twonn")].contains(&Some(*name));
    let unsettled: Vec<String> =
        measured.unsettled().filter(shown).map(|(name, warning)| format!("{name} {warning}.")).collect();
    if !unsettled.is_empty() {
        warnings.push(format!("Not settled: {}", unsettled.join(" ")));
    }
    warnings
}
