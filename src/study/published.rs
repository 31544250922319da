//! The paper's values, for comparison with a study's.

/// Dimension and label sharpness of a dataset as published by Konz & Mazurowski (ICLR 2024).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Published {
    /// The dataset, by its name in the paper's plan.
    pub dataset: &'static str,
    /// d_data by the MLE with k = 20, at 224 x 224.
    pub d_data: f64,
    /// The label sharpness, in 1 / units of pixel value.
    pub k_f: f64,
}

/// The relative error of these values: they were read off the paper's first figure.
pub const PUBLISHED_ERROR: f64 = 0.05;

/// The paper's eleven datasets.
///
/// ```
/// use sharpdim::study::PUBLISHED;
/// let sharpest = PUBLISHED.iter().max_by(|a, b| a.k_f.total_cmp(&b.k_f)).unwrap();
/// assert_eq!(sharpest.dataset, "oai");
/// ```
pub const PUBLISHED: [Published; 11] = [
    published("brats", 11.1, 2.05e-4),
    published("dbc", 17.0, 3.1e-4),
    published("oai", 8.6, 3.4e-4),
    published("chexpert", 15.4, 1.4e-4),
    published("mura", 10.8, 2.85e-4),
    published("rsna", 11.2, 2.1e-4),
    published("prostate", 5.8, 1.85e-4),
    published("mnist", 9.4, 1.6e-4),
    published("cifar10", 16.5, 0.63e-4),
    published("svhn", 12.6, 1.05e-4),
    published("imagenet", 18.0, 0.62e-4),
];

const fn published(dataset: &'static str, d_data: f64, k_f: f64) -> Published {
    Published { dataset, d_data, k_f }
}
