//! `batch_norm` on a GPU.
#![allow(unused, clippy::too_many_arguments)]

use super::{BatchNorm, Gradients, Statistics, Weights};
use crate::device::{Addresses, Gpu};
use crate::{Result, Slot};

pub(super) fn workspace_len(gpu: &Gpu, norm: &BatchNorm) -> usize {
    todo!()
}

pub(super) fn forward_training(
    gpu: &Gpu,
    at: Addresses,
    norm: &BatchNorm,
    x: Slot,
    weights: Weights,
    shortcut: Slot,
    relu: bool,
    y: Slot,
    saved: Slot,
    work: Slot,
) -> Result<()> {
    todo!()
}

pub(super) fn forward_inference(
    gpu: &Gpu,
    at: Addresses,
    norm: &BatchNorm,
    x: Slot,
    weights: Weights,
    shortcut: Slot,
    relu: bool,
    y: Slot,
    saved: Slot,
) -> Result<()> {
    todo!()
}

pub(super) fn backward(
    gpu: &Gpu,
    at: Addresses,
    norm: &BatchNorm,
    statistics: Statistics,
    x: Slot,
    y: Slot,
    gamma: Slot,
    saved: Slot,
    dy: Slot,
    into: Gradients,
    work: Slot,
) -> Result<()> {
    todo!()
}
