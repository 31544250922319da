//! VGGs without batch normalisation (Simonyan & Zisserman 2015) as in torchvision: stages of 3 x 3 convolutions,
//! each ending in a max pool, and three linear layers with dropout.

use super::Architecture;
use crate::Result;
use crate::nn::graph::Graph;
use crate::nn::init::Linear;
use crate::ops::Activation::{Identity, Relu};

/// A VGG's layers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Vgg {
    /// Width and number of convolutions of each stage.
    pub stages: &'static [(usize, usize)],
    /// Rows and columns after average pooling, before the first linear layer.
    pub pooled: usize,
    /// Width of the two hidden linear layers.
    pub hidden: usize,
}

impl Vgg {
    /// These stages, with the paper's linear layers.
    pub(in crate::nn) const fn with_stages(stages: &'static [(usize, usize)]) -> Self {
        Vgg { stages, pooled: 7, hidden: 4096 }
    }
}

impl Architecture for Vgg {
    fn family(&self) -> &'static str {
        "VGG"
    }

    fn least_size(&self) -> usize {
        // Each stage halves an image.
        1 << self.stages.len()
    }

    fn last_hidden(&self) -> &'static str {
        "classifier.3"
    }

    fn build(&self, graph: &mut Graph, classes: usize, apart: &[&str]) -> Result<()> {
        let &Vgg { stages, pooled, hidden } = self;
        let (mut x, mut module) = (0, 0);
        for (width, convolutions) in stages {
            for _ in 0..*convolutions {
                let inputs = graph.values[x][3];
                let conv = graph.filters(&format!("features.{module}"), [*width, inputs, 3, 3], 1, 1, true);
                x = graph.conv(conv, x, Relu)?;
                module += 2;
            }
            x = graph.max_pool(x, [2, 2, 0])?;
            graph.named(&format!("features.{module}"), x);
            module += 1;
        }
        let [_, height, width, channels] = graph.values[x];
        // Pooling to the size that images already have is the identity.
        if [height, width] != [pooled, pooled] {
            x = graph.avg_pool(x, [pooled, pooled])?;
        }
        graph.named("avgpool", x);
        let layers = [[hidden, channels, pooled, pooled], [hidden, hidden, 1, 1], [classes, hidden, 1, 1]];
        for (at, shape) in layers.into_iter().enumerate() {
            let name = format!("classifier.{}", 3 * at);
            let layer = graph.linear(&name, shape, Linear::Normal(0.01));
            let (last, alone) = (at == 2, apart.contains(&name.as_str()));
            x = graph.dense(layer, x, if last || alone { Identity } else { Relu })?;
            graph.named(&name, x);
            if last {
                break;
            }
            if alone {
                x = graph.relu(x);
            }
            // In place: dropped values are 0, and so get no gradient from ReLU.
            graph.dropout(at as u32, x);
        }
        Ok(())
    }
}
