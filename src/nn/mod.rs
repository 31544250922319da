//! Networks: ResNet-18, -34 and -50 and VGG-13, -16 and -19 as torchvision defines them, their forward and backward
//! passes, optimisers and weights, and training them.
//!
//! A [`NetworkPlan`] lays out a network's tensors and steps for images of one size in batches of one size; a [`Network`] is a
//! plan with its memory. While it runs nothing is allocated and nothing waits for the host: passes are lists of
//! operations of [`ops`](crate::ops), in f32 on the CPU, in f32 or bf16 on GPUs. A [`Trainer`] trains a network on images by
//! a [`Recipe`], with checkpoints to resume from.
//!
//! ```
//! use sharpdim::Device;
//! use sharpdim::nn::{Model, Network, Optimiser, NetworkPlan, Purpose, Settings};
//! use sharpdim::ops::adam::Adam;
//! let adam = Adam { weight_decay: 1e-4, ..Adam::default() };
//! let purpose = Purpose::Training(Optimiser::Adam(adam));
//! let settings = Settings { batch: 4, size: [32, 32], channels: 1, purpose, ..Settings::default() };
//! let plan = NetworkPlan::new(&Device::cpu(), Model::ResNet18, &settings)?;
//! println!("{plan}");
//! let mut network = Network::new(plan, 0)?;
//! // Four images, NHWC, and their labels.
//! let images: Vec<f32> = (0..4 * 32 * 32).map(|i| (i % 251) as f32).collect();
//! let loss = network.train(&images, &[0, 1, 0, 1], 1e-3)?;
//! assert!(loss.is_finite());
//! # Ok::<(), sharpdim::Error>(())
//! ```

// Files from below, each of which uses only those before it: init, settings, graph, memory, topology, model, step,
// compile, program, plan, state, network, resident, weights, attacked, recipe, epoch, checkpoint, trained, trainer,
// save_timer.
mod attacked;
mod checkpoint;
mod compile;
mod epoch;
mod graph;
mod init;
mod memory;
mod model;
mod network;
mod plan;
mod program;
mod recipe;
mod resident;
mod save_timer;
mod settings;
mod state;
mod step;
mod topology;
mod trained;
mod trainer;
mod weights;

pub(crate) use attacked::Passes;
pub use epoch::Epoch;
pub(crate) use memory::AttackTensors;
pub use model::Model;
pub use network::Network;
pub(crate) use network::run_recorded;
pub use plan::{Bytes, NetworkPlan};
pub use recipe::{Normalise, Recipe};
pub use save_timer::SaveTimer;
pub use settings::{Mode, Optimiser, Purpose, Settings};
pub use state::{Numbers, State, StateTensor};
#[doc(hidden)]
pub use topology::{Family, ResNet, Topology, Vgg};
pub use trained::Trained;
pub use trainer::{Trainer, TrainingProgress};
