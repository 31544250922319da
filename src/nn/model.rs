//! The six networks by name, and their topologies as data: how many blocks of which kind, how wide.

use crate::{Error, Result};
use std::fmt;
use std::str::FromStr;

/// The networks of Konz & Mazurowski 2024, with torchvision's topologies: ResNets (He et al. 2016; the bottleneck's
/// stride on its 3 x 3 convolution) and VGGs without batch normalisation (Simonyan & Zisserman 2015).
///
/// ```
/// use sharpdim::nn::Model;
/// assert_eq!("resnet50".parse::<Model>()?, Model::ResNet50);
/// assert_eq!(Model::Vgg13.to_string(), "vgg13");
/// assert_eq!(Model::ALL.len(), 6);
/// # Ok::<(), sharpdim::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Model {
    /// `resnet18`: basic blocks, 2 2 2 2.
    ResNet18,
    /// `resnet34`: basic blocks, 3 4 6 3.
    ResNet34,
    /// `resnet50`: bottleneck blocks, 3 4 6 3.
    ResNet50,
    /// `vgg13`: ten convolutions, three linear layers.
    Vgg13,
    /// `vgg16`: thirteen convolutions, three linear layers.
    Vgg16,
    /// `vgg19`: sixteen convolutions, three linear layers.
    Vgg19,
}

impl Model {
    /// All of them.
    pub const ALL: [Model; 6] =
        [Model::ResNet18, Model::ResNet34, Model::ResNet50, Model::Vgg13, Model::Vgg16, Model::Vgg19];

    /// torchvision's name: `resnet18`.
    pub const fn name(self) -> &'static str {
        match self {
            Model::ResNet18 => "resnet18",
            Model::ResNet34 => "resnet34",
            Model::ResNet50 => "resnet50",
            Model::Vgg13 => "vgg13",
            Model::Vgg16 => "vgg16",
            Model::Vgg19 => "vgg19",
        }
    }

    /// What it is made of.
    #[doc(hidden)]
    pub fn topology(self) -> Topology {
        let residual = |bottleneck, blocks: [usize; 4]| {
            let stages = std::array::from_fn(|stage| (64 << stage, blocks[stage]));
            Topology::Residual { name: self.name(), bottleneck, stem: 64, stages }
        };
        let plain = |convolutions: [usize; 5]| {
            let stages = [64, 128, 256, 512, 512].into_iter().zip(convolutions).collect();
            Topology::Plain { name: self.name(), stages, pooled: 7, hidden: 4096 }
        };
        match self {
            Model::ResNet18 => residual(false, [2, 2, 2, 2]),
            Model::ResNet34 => residual(false, [3, 4, 6, 3]),
            Model::ResNet50 => residual(true, [3, 4, 6, 3]),
            Model::Vgg13 => plain([2, 2, 2, 2, 2]),
            Model::Vgg16 => plain([2, 2, 3, 3, 3]),
            Model::Vgg19 => plain([2, 2, 4, 4, 4]),
        }
    }

    /// The names of the activations that can be kept ([`Settings::taps`](super::Settings::taps)), from the images to
    /// the logits: torchvision's module names, each module's own output, and `last_hidden`, the one whose dimension the
    /// paper measures: `layer4`, or `classifier.3` before its ReLU.
    ///
    /// ```
    /// use sharpdim::nn::Model;
    /// let names = Model::ResNet18.activations();
    /// assert_eq!(names[..3], ["input", "maxpool", "layer1"]);
    /// assert_eq!(names.last().unwrap(), "last_hidden");
    /// ```
    pub fn activations(self) -> Vec<String> {
        self.topology().activations()
    }

    /// The module whose output is `last_hidden`: `layer4` of ResNets, `classifier.3` of VGGs.
    ///
    /// ```
    /// use sharpdim::nn::Model;
    /// assert_eq!((Model::ResNet50.last_hidden(), Model::Vgg16.last_hidden()), ("layer4", "classifier.3"));
    /// ```
    pub fn last_hidden(self) -> &'static str {
        self.topology().module("last_hidden")
    }

    /// The least height and width of images: 1 for ResNets, 32 for VGGs, which halve an image five times.
    pub fn least_size(self) -> usize {
        self.topology().least_size()
    }
}

impl fmt::Display for Model {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Model {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self> {
        Model::ALL.into_iter().find(|model| model.name() == name).ok_or_else(|| {
            let names: Vec<&str> = Model::ALL.into_iter().map(Model::name).collect();
            Error::Argument(format!("no network is called {name:?}: there are {}", names.join(", ")))
        })
    }
}

/// A network's shape, apart from that of its images and classes. Tests make small ones.
#[doc(hidden)]
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Topology {
    /// A stem of 7 x 7 convolution and max pool, four stages of residual blocks, and one linear layer.
    Residual {
        /// For messages.
        name: &'static str,
        /// Whether blocks are 1 x 1, 3 x 3, 1 x 1 with four times the width at their end, or 3 x 3 twice.
        bottleneck: bool,
        /// Channels of the stem.
        stem: usize,
        /// Width and number of blocks of each stage.
        stages: [(usize, usize); 4],
    },
    /// Stages of 3 x 3 convolutions, each ending in a max pool, and three linear layers.
    Plain {
        /// For messages.
        name: &'static str,
        /// Width and number of convolutions of each stage.
        stages: Vec<(usize, usize)>,
        /// Rows and columns that images are averaged to before the first linear layer.
        pooled: usize,
        /// Width of the two hidden linear layers.
        hidden: usize,
    },
}

impl Topology {
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Topology::Residual { name, .. } | Topology::Plain { name, .. } => name,
        }
    }

    pub(super) fn least_size(&self) -> usize {
        match self {
            Topology::Residual { .. } => 1,
            Topology::Plain { stages, .. } => 1 << stages.len(),
        }
    }

    pub(super) fn activations(&self) -> Vec<String> {
        let mut names = vec!["input".to_owned()];
        match self {
            Topology::Residual { .. } => {
                let modules =
                    ["maxpool", "layer1", "layer2", "layer3", "layer4", "avgpool", "fc", "last_hidden"];
                names.extend(modules.map(String::from));
            }
            Topology::Plain { stages, .. } => {
                let mut module = 0;
                for (_, convolutions) in stages {
                    module += 2 * convolutions;
                    names.push(format!("features.{module}"));
                    module += 1;
                }
                let modules = ["avgpool", "classifier.0", "classifier.3", "classifier.6", "last_hidden"];
                names.extend(modules.map(String::from));
            }
        }
        names
    }

    /// The module that an activation's name stands for.
    pub(super) fn module<'a>(&self, name: &'a str) -> &'a str {
        match (name, self) {
            ("last_hidden", Topology::Residual { .. }) => "layer4",
            ("last_hidden", Topology::Plain { .. }) => "classifier.3",
            _ => name,
        }
    }
}
