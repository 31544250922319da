//! The table of networks: names, layers, the paper's settings and costs, read by command lines, study plans and docs.

use super::topology::{Family, ResNet, Topology, Vgg};
use crate::{Error, Result};
use std::fmt;
use std::str::FromStr;

/// A network in the table.
struct Row {
    /// torchvision's name.
    name: &'static str,
    /// Its layers.
    family: Family,
    /// Batch size in Konz & Mazurowski 2024.
    batch: usize,
    /// Learning rate there.
    rate: f32,
    /// Multiplications of a forward pass, relative to ResNet-18.
    cost: f64,
}

const fn resnet(name: &'static str, layers: ResNet, batch: usize, cost: f64) -> Row {
    Row { name, family: Family::ResNet(layers), batch, rate: 1e-3, cost }
}

const fn vgg(name: &'static str, stages: &'static [(usize, usize)], cost: f64) -> Row {
    Row { name, family: Family::Vgg(Vgg::with_stages(stages)), batch: 6, rate: 1e-4, cost }
}

/// Makes the enum of networks and the table of their rows.
macro_rules! models {
    ($($(#[$doc:meta])* $model:ident = $row:expr;)*) => {
        /// The networks of Konz & Mazurowski 2024, with torchvision's topologies: ResNets (He et al. 2016; the
        /// bottleneck's stride on its 3 x 3 convolution) and VGGs without batch normalisation (Simonyan & Zisserman 2015).
        ///
        /// ```
        /// use sharpdim::nn::Model;
        /// assert_eq!("resnet50".parse::<Model>()?, Model::ResNet50);
        /// assert_eq!(Model::Vgg13.to_string(), "vgg13");
        /// assert_eq!(Model::ALL[0], Model::ResNet18);
        /// # Ok::<(), sharpdim::Error>(())
        /// ```
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[non_exhaustive]
        pub enum Model {
            $($(#[$doc])* $model,)*
        }

        static ROWS: [Row; Model::ALL.len()] = [$($row),*];

        impl Model {
            /// All of them.
            pub const ALL: [Model; [$(Model::$model),*].len()] = [$(Model::$model),*];
        }
    };
}

models! {
    /// `resnet18`: basic blocks, 2 2 2 2.
    ResNet18 = resnet("resnet18", ResNet::basic([2, 2, 2, 2]), 40, 1.0);
    /// `resnet34`: basic blocks, 3 4 6 3.
    ResNet34 = resnet("resnet34", ResNet::basic([3, 4, 6, 3]), 25, 2.0);
    /// `resnet50`: bottleneck blocks, 3 4 6 3.
    ResNet50 = resnet("resnet50", ResNet::bottleneck([3, 4, 6, 3]), 12, 2.3);
    /// `vgg13`: ten convolutions, three linear layers.
    Vgg13 = vgg("vgg13", &[(64, 2), (128, 2), (256, 2), (512, 2), (512, 2)], 6.2);
    /// `vgg16`: thirteen convolutions, three linear layers.
    Vgg16 = vgg("vgg16", &[(64, 2), (128, 2), (256, 3), (512, 3), (512, 3)], 8.5);
    /// `vgg19`: sixteen convolutions, three linear layers.
    Vgg19 = vgg("vgg19", &[(64, 2), (128, 2), (256, 4), (512, 4), (512, 4)], 10.8);
}

impl Model {
    const fn row(self) -> &'static Row {
        &ROWS[self as usize]
    }

    /// torchvision's name: `resnet18`.
    pub const fn name(self) -> &'static str {
        self.row().name
    }

    /// The family's name: `ResNet` or `VGG`.
    pub fn family(self) -> &'static str {
        self.row().family.architecture().family()
    }

    /// Approximate multiplications of a forward pass, relative to ResNet-18 on the same images.
    pub const fn cost(self) -> f64 {
        self.row().cost
    }

    /// Batch size in Konz & Mazurowski 2024.
    pub(super) const fn paper_batch(self) -> usize {
        self.row().batch
    }

    /// Learning rate in Konz & Mazurowski 2024.
    pub(super) const fn paper_rate(self) -> f32 {
        self.row().rate
    }

    /// Its layers.
    #[doc(hidden)]
    pub const fn topology(self) -> Topology {
        let Row { name, family, .. } = *self.row();
        Topology { name, family }
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
        self.row().family.architecture().last_hidden()
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
            let names = Model::ALL.map(Model::name).join(", ");
            Error::Argument(format!("no network is called {name:?}: there are {names}"))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nn::graph::Node;
    use approx::abs_diff_eq;

    #[test]
    fn costs_are_those_of_the_layers() {
        let products = |model: Model| {
            let graph = model.topology().graph([1, 224, 224, 3], 1000, &[]).unwrap();
            let layers = graph.nodes.iter().map(|node| match node {
                Node::Conv { conv, .. } => {
                    conv.weight_shape().iter().product::<usize>() * conv.out_height() * conv.out_width()
                }
                _ => 0,
            });
            layers.sum::<usize>() as f64
        };
        // torchvision's documentation of its weights: 1.81, 3.66, 4.09, 11.31, 15.47 and 19.63 GFLOPS.
        let published: [f64; Model::ALL.len()] = [1.81, 3.66, 4.09, 11.31, 15.47, 19.63];
        for (model, published) in Model::ALL.into_iter().zip(published) {
            let found = products(model) / 1e9;
            // Published with two decimals.
            assert!(abs_diff_eq!(found / published, 1.0, epsilon = 0.01), "{model}: {found}");
            let ratio = published / 1.81;
            let cost = model.cost();
            assert!(abs_diff_eq!(cost / ratio, 1.0, epsilon = 0.03), "{model}: {cost}, not {ratio:.2}");
        }
    }
}
