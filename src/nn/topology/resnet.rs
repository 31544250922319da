//! ResNets (He et al. 2016) as in torchvision: a stem of 7 x 7 convolution and max pool, four stages of residual
//! blocks, and one linear layer.

use super::Architecture;
use crate::Result;
use crate::nn::graph::Graph;
use crate::nn::init::Linear;
use crate::ops::Activation::{Identity, Relu};

/// A ResNet's layers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ResNet {
    /// Whether blocks are bottlenecks (1 x 1, 3 x 3, 1 x 1 with four times the width) or basic (3 x 3 twice).
    pub bottleneck: bool,
    /// Channels of the stem.
    pub stem: usize,
    /// Width and number of blocks of each stage.
    pub stages: [(usize, usize); 4],
}

impl ResNet {
    /// The paper's widths, with so many basic blocks in each stage.
    pub(in crate::nn) const fn basic([a, b, c, d]: [usize; 4]) -> Self {
        let stages = [(64, a), (128, b), (256, c), (512, d)];
        ResNet { bottleneck: false, stem: 64, stages }
    }

    /// The same with bottleneck blocks.
    pub(in crate::nn) const fn bottleneck(blocks: [usize; 4]) -> Self {
        ResNet { bottleneck: true, ..ResNet::basic(blocks) }
    }

    fn block(&self, graph: &mut Graph, name: &str, x: usize, width: usize, stride: usize) -> Result<usize> {
        let inputs = graph.values[x][3];
        let outputs = if self.bottleneck { 4 * width } else { width };
        let mut filters = |at: usize, k, c, size: usize, stride| {
            let conv =
                graph.filters(&format!("{name}.conv{at}"), [k, c, size, size], stride, size / 2, false);
            (conv, graph.norm_entries(&format!("{name}.bn{at}"), k))
        };
        // The bottleneck's stride is on its 3 x 3 convolution, as in torchvision.
        let layers = if self.bottleneck {
            vec![
                filters(1, width, inputs, 1, 1),
                filters(2, width, width, 3, stride),
                filters(3, outputs, width, 1, 1),
            ]
        } else {
            vec![filters(1, width, inputs, 3, stride), filters(2, width, width, 3, 1)]
        };
        let shortcut = if stride != 1 || inputs != outputs {
            let conv =
                graph.filters(&format!("{name}.downsample.0"), [outputs, inputs, 1, 1], stride, 0, false);
            let norm = graph.norm_entries(&format!("{name}.downsample.1"), outputs);
            let shortcut = graph.conv(conv, x, Identity)?;
            graph.norm(norm, shortcut, None, Identity)?
        } else {
            x
        };
        let mut y = x;
        let last = layers.len() - 1;
        for (at, (conv, norm)) in layers.into_iter().enumerate() {
            y = graph.conv(conv, y, Identity)?;
            y = graph.norm(norm, y, (at == last).then_some(shortcut), Relu)?;
        }
        Ok(y)
    }
}

impl Architecture for ResNet {
    fn family(&self) -> &'static str {
        "ResNet"
    }

    fn least_size(&self) -> usize {
        1
    }

    fn last_hidden(&self) -> &'static str {
        "layer4"
    }

    fn build(&self, graph: &mut Graph, classes: usize, _apart: &[&str]) -> Result<()> {
        let channels = graph.values[0][3];
        let conv1 = graph.filters("conv1", [self.stem, channels, 7, 7], 2, 3, false);
        let bn1 = graph.norm_entries("bn1", self.stem);
        let x = graph.conv(conv1, 0, Identity)?;
        let x = graph.norm(bn1, x, None, Relu)?;
        let mut x = graph.max_pool(x, [3, 2, 1])?;
        graph.named("maxpool", x);
        for (stage, (width, blocks)) in self.stages.iter().enumerate() {
            let layer = format!("layer{}", stage + 1);
            for block in 0..*blocks {
                let stride = if block == 0 && stage > 0 { 2 } else { 1 };
                x = self.block(graph, &format!("{layer}.{block}"), x, *width, stride)?;
            }
            graph.named(&layer, x);
        }
        let x = graph.avg_pool(x, [1, 1])?;
        graph.named("avgpool", x);
        let inputs = graph.values[x][3];
        let fc = graph.linear("fc", [classes, inputs, 1, 1], Linear::Uniform);
        let y = graph.dense(fc, x, Identity)?;
        graph.named("fc", y);
        Ok(())
    }
}
