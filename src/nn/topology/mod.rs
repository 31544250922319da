//! Topologies: a network's layers, its family's way of building them, and the names that its activations have.

mod resnet;
mod vgg;

pub use resnet::ResNet;
pub use vgg::Vgg;

use super::graph::{Graph, Shape};
use crate::{Error, Result};

/// A network's layers, whatever the shape of its images and its number of classes. Tests make small ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Topology {
    /// The network's name: `resnet18`.
    pub name: &'static str,
    /// How many layers of which kind.
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

/// What a family knows of its networks.
pub(super) trait Architecture {
    /// The family's name: `ResNet`.
    fn family(&self) -> &'static str;

    /// The least height and width of images.
    fn least_size(&self) -> usize;

    /// The module whose output is `last_hidden`, by torchvision's name.
    fn last_hidden(&self) -> &'static str;

    /// Adds all layers to a graph that has images only, and names the values whose activations can be kept. The last
    /// value is the logits. Where a module is among `apart` and ReLU follows it, ReLU is an operation of its own, so that
    /// the module's own output stays.
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

    /// The network for images of `input`'s extents; see [`Architecture::build`].
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

    /// The module that an activation's name stands for.
    pub(super) fn module<'a>(&self, name: &'a str) -> &'a str {
        if name == "last_hidden" { self.family.architecture().last_hidden() } else { name }
    }
}
