//! How it goes, on stderr and only where that is a terminal: images through the network, then layer after layer.

use crate::bar::style;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressFinish};
use sharpdim::represent::Stage;

/// Steps of the bar for a layer.
const OF_LAYER: f64 = 1000.0;

pub struct Watch(ProgressBar);

impl Watch {
    pub fn start(quiet: bool) -> Self {
        let target = if quiet { ProgressDrawTarget::hidden() } else { ProgressDrawTarget::stderr() };
        let bar = ProgressBar::with_draw_target(Some(1), target).with_finish(ProgressFinish::AndClear);
        Watch(bar.with_style(style("{pos}/{len}")).with_prefix("network"))
    }

    pub fn show(&self, stage: Stage<'_>) {
        match stage {
            Stage::Activations { done, total } => {
                self.0.set_length(total as u64);
                self.0.set_position(done as u64);
            }
            Stage::Measuring { layer, done, total, fraction } => {
                if fraction == 0.0 && done == 0 {
                    self.0.reset();
                    self.0.set_style(style("{percent} %"));
                }
                self.0.set_prefix(layer.to_owned());
                self.0.set_length((total as f64 * OF_LAYER) as u64);
                self.0.set_position(((done as f64 + fraction) * OF_LAYER) as u64);
            }
            // A stage that this program does not know moves no bar.
            _ => (),
        }
    }
}
