//! Representations of a trained network, layer by layer: their intrinsic dimension and label sharpness.
//!
//! An image's representation is a layer's output as one vector; its intrinsic dimension is that of all images' vectors, by the
//! same estimators as for the images themselves ([`measure`](crate::measure)). Along a network it first rises and then falls (Ansuini et al., *Intrinsic dimension of data representations in deep neural networks*, NeurIPS 2019); Konz &
//! Mazurowski 2024 set the last hidden layer's, d_repr, against the dataset's, d_data, which bounds it in their theory.
//!
//! ```
//! use sharpdim::Device;
//! use sharpdim::data::{Dataset, Images, Preprocess};
//! use sharpdim::nn::{Model, Recipe, Trained, Trainer};
//! use sharpdim::represent::{RepresentationOptions, representations};
//! let how = Preprocess { size: Some((32, 32)), ..Preprocess::default() };
//! let images = Images::new(Dataset::generated(15, 32, 0)?.load_pixels(&how, &|_finished| {})?)?;
//! let device = Device::cpu();
//! let mut trainer = Trainer::new(&device, &images, &images, Recipe { epochs: 1, ..Recipe::paper(Model::ResNet18, &device) })?;
//! while !trainer.is_finished() {
//!     trainer.step()?;
//! }
//! # let folder = tempfile::tempdir().unwrap();
//! # let path = folder.path().join("checkpoint.safetensors");
//! trainer.save(&path)?;
//!
//! let options = RepresentationOptions { layers: vec!["input".into(), "last_hidden".into()], ..Default::default() };
//! let found = representations(&device, &Trained::read(&path)?, &images, &options, &|_stage| ())?;
//! let [data, hidden] = &found[..] else { unreachable!("one for each layer") };
//! println!("d_data {:.1}", data.dims[0].as_ref().map_or(f64::NAN, |found| found.value));
//! assert_eq!((hidden.shape, hidden.values), ([1, 1, 512], 512));
//! # Ok::<(), sharpdim::Error>(())
//! ```

mod matrix;

use crate::data::Images;
use crate::measure::{
    Estimate, Estimator, LabelSharpness, Mle, Properties, Protocol, intrinsic_dims, intrinsic_properties,
};
use crate::nn::{Model, Purpose, Trained};
use crate::{Device, Error, Points, Result};
use matrix::{Matrix, Rows, held};
use std::sync::Mutex;

/// The name of the images themselves among activations.
const INPUT: &str = "input";
const LAST_HIDDEN: &str = "last_hidden";

/// Which layers and quantities are measured, and with how much memory.
///
/// ```
/// use sharpdim::measure::{Estimator, TwoNn};
/// use sharpdim::represent::RepresentationOptions;
/// let options = RepresentationOptions {
///     layers: vec!["input".into(), "last_hidden".into()],
///     estimators: vec![Estimator::TwoNn(TwoNn::default())],
///     ..RepresentationOptions::default()
/// };
/// assert_eq!((options.batch, options.memory), (40, 2 << 30));
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct RepresentationOptions {
    /// Of [`Model::activations`], each measured once. Empty: all, `last_hidden` left out, as it is one of the others
    /// ([`Model::last_hidden`]).
    pub layers: Vec<String>,
    /// Estimators of the dimension: by default the MLE with k = 20, as in the paper.
    pub estimators: Vec<Estimator>,
    /// Which pairs label sharpness compares; `None`: it is not measured.
    pub sharpness: Option<Protocol>,
    /// Images that go through the network at once.
    pub batch: usize,
    /// Bytes of activations held in memory, 2 GiB by default: the narrowest layers, as many as fit. The others are written
    /// to temporary files (in `TMPDIR`), which are gone when the process ends. All layers come from one pass of the images.
    pub memory: u64,
}

impl Default for RepresentationOptions {
    fn default() -> Self {
        RepresentationOptions {
            layers: Vec::new(),
            estimators: vec![Estimator::Mle(Mle::default())],
            sharpness: None,
            batch: 40,
            memory: 2 << 30,
        }
    }
}

/// The measures of a layer's activations.
#[derive(Debug)]
#[non_exhaustive]
pub struct Representation {
    /// Its name, of [`Model::activations`].
    pub layer: String,
    /// Its [`relative_depth`].
    pub depth: f64,
    /// Height, width and channels of an image's activation; (1, 1, values) of linear layers.
    pub shape: [usize; 3],
    /// The number of values: the samples' extrinsic dimension.
    pub values: usize,
    /// The dimension by each estimator, in their order.
    pub dims: Vec<Result<Estimate>>,
    /// The label sharpness, in 1 / units of the activation, if requested. Scales of layers differ, so that K_F of
    /// different layers is not comparable without normalisation.
    pub sharpness: Option<Result<LabelSharpness>>,
}

/// The progress of [`representations`].
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum Stage<'a> {
    /// The forward pass.
    Activations {
        /// Images done.
        done: usize,
        /// Images in all.
        total: usize,
    },
    /// A layer is being measured.
    Measuring {
        /// Its name.
        layer: &'a str,
        /// Layers measured before it.
        done: usize,
        /// Layers in all.
        total: usize,
        /// How much of it is done, from 0 to 1.
        fraction: f64,
    },
}

/// The relative depth of a layer: 0 for the images, 1 for the logits, in equal steps from one activation to the next.
/// `last_hidden` has the depth of the layer it stands for. (Ansuini et al. 2019
/// count layers with weights; these are the modules whose outputs they take.)
///
/// # Errors
/// [`Error::Argument`] for a name that is not among [`Model::activations`].
///
/// ```
/// use sharpdim::{nn::Model, represent::relative_depth};
/// assert_eq!(relative_depth(Model::ResNet18, "input")?, 0.0);
/// assert_eq!(relative_depth(Model::ResNet18, "layer1")?, 2.0 / 7.0);
/// assert_eq!(relative_depth(Model::ResNet18, "last_hidden")?, relative_depth(Model::ResNet18, "layer4")?);
/// assert_eq!(relative_depth(Model::Vgg16, "classifier.6")?, 1.0);
/// # Ok::<(), sharpdim::Error>(())
/// ```
pub fn relative_depth(model: Model, layer: &str) -> Result<f64> {
    let all = distinct(model);
    let module = if layer == LAST_HIDDEN { model.last_hidden() } else { layer };
    match all.iter().position(|name| name == module) {
        Some(at) => Ok(at as f64 / (all.len() - 1) as f64),
        None => Err(Error::Argument(format!(
            "{model} has no activation {layer:?}: it has {}",
            model.activations().join(", ")
        ))),
    }
}

/// A network's activations, each once, from the images to the logits.
fn distinct(model: Model) -> Vec<String> {
    model.activations().into_iter().filter(|name| name != LAST_HIDDEN).collect()
}

/// Measures the representations that a trained network has of `images`, in evaluation mode: one [`Representation`] for each
/// layer, in the order of [`RepresentationOptions::layers`]. `progress` is called from any thread with the stage reached.
///
/// The layer `input` is the network's input: the normalised images. Its dimension is the images' own, d_data, and
/// its label sharpness in units of normalised values.
///
/// # Errors
/// [`Error::Argument`] for a layer that the network does not have, invalid settings of an estimator, nothing to
/// measure, a batch of 0, and images of another shape than it was trained on; [`Error::Data`] for too few images for
/// an estimator, and activations that are not finite; [`Error::Io`] where a temporary file cannot be written, a full disk for
/// example; [`Error::Device`] where the device fails.
/// For each estimator of each layer: as [`intrinsic_dims`], and [`Error::Data`] where all images have the same
/// activation, as after a dead ReLU. For label sharpness: as [`label_sharpness`](crate::measure::label_sharpness).
///
/// The module's head has an example.
pub fn representations(
    device: &Device,
    trained: &Trained,
    images: &Images,
    options: &RepresentationOptions,
    progress: &(dyn Fn(Stage<'_>) + Sync),
) -> Result<Vec<Representation>> {
    let (model, n) = (trained.model, images.len());
    let mut layers: Vec<String> = Vec::new();
    let asked = if options.layers.is_empty() { distinct(model) } else { options.layers.clone() };
    for layer in asked {
        relative_depth(model, &layer)?;
        if !layers.contains(&layer) {
            layers.push(layer);
        }
    }
    check(trained, images, options)?;

    let names: Vec<&str> = layers.iter().map(String::as_str).collect();
    let mut network = trained.network(device, options.batch.min(n), Purpose::Inference, &names)?;
    let shapes: Vec<[usize; 3]> =
        names.iter().map(|name| network.plan().activation_shape(name)).collect::<Result<_>>()?;
    let matrices = shapes.iter().map(|shape| n * shape.iter().product::<usize>());
    let sizes: Vec<u64> = matrices.map(|values| 4 * values as u64).collect();
    let in_memory = held(&sizes, options.memory);
    let mut matrices: Vec<Matrix> = sizes
        .iter()
        .zip(in_memory)
        .map(|(bytes, held)| if held { Matrix::held((*bytes / 4) as usize) } else { Matrix::filed() })
        .collect::<Result<_>>()?;

    let image: usize = images.shape().iter().product();
    let inputs = images.pixels().chunks_exact(image).map(|pixels| trained.normalised(pixels));
    progress(Stage::Activations { done: 0, total: n });
    network.activations(inputs, |rows, name, values| {
        // The names are the layers', each once.
        if let Some(at) = names.iter().position(|layer| *layer == name) {
            matrices[at].append(values)?;
        }
        progress(Stage::Activations { done: rows.end, total: n });
        Ok(())
    })?;
    // Frees its memory.
    drop(network);

    let total = layers.len();
    let mut found = Vec::with_capacity(total);
    for (done, ((layer, shape), matrix)) in layers.into_iter().zip(shapes).zip(matrices).enumerate() {
        let report = |fraction| progress(Stage::Measuring { layer: &layer, done, total, fraction });
        let (dims, sharpness) = measure(device, &layer, &matrix.finish()?, images, options, &report)?;
        let depth = relative_depth(model, &layer)?;
        found.push(Representation { depth, shape, values: shape.iter().product(), dims, sharpness, layer });
    }
    Ok(found)
}

/// Checks the arguments before any work.
fn check(trained: &Trained, images: &Images, options: &RepresentationOptions) -> Result<()> {
    if images.shape() != trained.shape {
        let in_words = |[h, w, c]: [usize; 3]| format!("{h} x {w} x {c}");
        return Err(Error::Argument(format!(
            "these images are {}: the network was trained on images of {}",
            in_words(images.shape()),
            in_words(trained.shape)
        )));
    }
    if options.batch == 0 {
        return Err(Error::Argument(
            "the batch is 0: images go through the network 1 or more at once".into(),
        ));
    }
    if options.estimators.is_empty() && options.sharpness.is_none() {
        return Err(Error::Argument(
            "nothing to measure: name an estimator or ask for label sharpness".into(),
        ));
    }
    for estimator in &options.estimators {
        estimator.check()?;
        let (n, k) = (images.len(), estimator.neighbours());
        if n <= k {
            return Err(Error::Data(format!(
                "{n} images are too few for {estimator}, which reads {k} neighbours of each: it needs {} or more",
                k + 1
            )));
        }
    }
    if options.sharpness.is_some() && images.labels().iter().all(|label| *label == images.labels()[0]) {
        return Err(Error::Data(
            "all images are of one class: label sharpness compares those of different ones".into(),
        ));
    }
    Ok(())
}

type Measured = (Vec<Result<Estimate>>, Option<Result<LabelSharpness>>);

fn measure(
    device: &Device,
    layer: &str,
    rows: &Rows,
    images: &Images,
    options: &RepresentationOptions,
    progress: &(dyn Fn(f64) + Sync),
) -> Result<Measured> {
    let (values, estimators) = (rows.values(), &options.estimators);
    let points = Points::f32(values, values.len() / images.len()).map_err(|error| in_layer(layer, error))?;
    let (first, others) = values.split_at(points.dim());
    if others.chunks_exact(points.dim()).all(|row| row == first) {
        let same = || {
            Error::Data(format!(
                "{layer}: all {} images have the same activation: it has no dimension and no label sharpness",
                images.len()
            ))
        };
        let sharpness = options.sharpness.is_some().then(|| Err(same()));
        return Ok((estimators.iter().map(|_| Err(same())).collect(), sharpness));
    }
    let furthest = Mutex::new(0.0);
    let report = |fraction: f64| {
        // Late threads are ignored: progress does not go back.
        let mut furthest = furthest.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        if fraction > *furthest {
            *furthest = fraction;
            progress(fraction);
        }
    };
    progress(0.0);
    let (dims, sharpness) = match options.sharpness {
        Some(protocol) => {
            let labels = images.labels();
            let found = intrinsic_properties(device, &points, labels, estimators, protocol, 1, &report);
            let Properties { dimensions, sharpness } = found.map_err(|error| in_layer(layer, error))?;
            (dimensions, Some(sharpness.map_err(|error| in_layer(layer, error))))
        }
        None if estimators.is_empty() => (Vec::new(), None),
        None => (
            intrinsic_dims(device, &points, estimators, &report).map_err(|error| in_layer(layer, error))?,
            None,
        ),
    };
    let dims = dims
        .into_iter()
        .map(|found| found.and_then(finite).map_err(|error| in_layer(layer, error)))
        .collect();
    Ok((dims, sharpness))
}

/// An estimate whose value is a number.
fn finite(found: Estimate) -> Result<Estimate> {
    if found.value.is_finite() {
        return Ok(found);
    }
    Err(Error::Data(format!(
        "{}: the dimension is {}: too many images are at equal distances",
        found.estimator, found.value
    )))
}

/// An error of a layer's activations, with the layer. A sample is an image's activation.
fn in_layer(layer: &str, error: Error) -> Error {
    match error {
        Error::Data(reason) if layer == INPUT => Error::Data(format!("the images: {reason}")),
        Error::Data(reason) => Error::Data(format!("{layer}: {reason}")),
        other => other,
    }
}
