//! Topologies: a network's layers by family, how they are built, and the names of activations.

mod resnet;
mod vgg;

pub use resnet::ResNet;
pub use vgg::Vgg;

use super::graph::{Graph, Shape};
use crate::{Error, Result};

/// A network's layers, for any shape of images and number of classes. Tests make small ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Topology {
    /// The network's name: `resnet18`.
    pub name: &'static str,
    /// Number and kind of layers.
    pub family: Family,
}

/// The families of networks, each in a file of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    /// He et al. 2016.
    ResNet(ResNet),
    /// Simonyan & Zisserman 2015.
    Vgg(Vgg),
}

/// Builds the networks of a family.
pub(super) trait Architecture {
    /// The family's name: `ResNet`.
    fn family(&self) -> &'static str;

    /// The smallest height and width of images.
    fn least_size(&self) -> usize;

    /// The module whose output is `last_hidden`, by torchvision's name.
    fn last_hidden(&self) -> &'static str;

    /// Adds all layers to an empty graph, and names the values whose activations can be kept. The last value is the
    /// logits. For modules in `apart`, a ReLU that follows is not fused, so that the module's own output can be kept.
    fn build(&self, graph: &mut Graph, classes: usize, apart: &[&str]) -> Result<()>;
}

impl Family {
    pub(super) fn architecture(&self) -> &dyn Architecture {
        match self {
            Family::ResNet(resnet) => resnet,
            Family::Vgg(vgg) => vgg,
        }
    }
}

impl Topology {
    pub(super) fn least_size(&self) -> usize {
        self.family.architecture().least_size()
    }

    /// The network for images of shape `input`; see [`Architecture::build`].
    pub(super) fn graph(&self, input: Shape, classes: usize, apart: &[&str]) -> Result<Graph> {
        let [_, height, width, _] = input;
        let least = self.least_size();
        if height < least || width < least {
            return Err(Error::Argument(format!(
                "{} takes images of {least} x {least} or more, not of {height} x {width}",
                self.name
            )));
        }
        let mut graph = Graph::empty(input);
        self.family.architecture().build(&mut graph, classes, apart)?;
        Ok(graph)
    }

    /// The names of the activations that can be kept.
    pub(super) fn activations(&self) -> Vec<String> {
        let least = self.least_size();
        let smallest = self.graph([1, least, least, 1], 1, &[]).expect("the least size is large enough");
        let modules = smallest.names.into_iter().map(|(name, _)| name);
        modules.chain(["last_hidden".to_owned()]).collect()
    }

    /// The module of an activation's name.
    pub(super) fn module<'a>(&self, name: &'a str) -> &'a str {
        if name == "last_hidden" { self.family.architecture().last_hidden() } else { name }
    }
}
