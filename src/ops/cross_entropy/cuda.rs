//! `cross_entropy` on a GPU.
#![allow(unused, clippy::too_many_arguments)]

use super::CrossEntropy;
use crate::device::{Addresses, Gpu};
use crate::{Result, Slot};

pub(super) fn forward(
    gpu: &Gpu,
    at: Addresses,
    loss: &CrossEntropy,
    logits: Slot,
    labels: Slot,
    losses: Slot,
) -> Result<()> {
    todo!()
}

pub(super) fn backward(
    gpu: &Gpu,
    at: Addresses,
    loss: &CrossEntropy,
    logits: Slot,
    labels: Slot,
    scale: f32,
    gradient: Slot,
) -> Result<()> {
    todo!()
}
