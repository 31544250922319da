//! `conv2d` on a GPU.
#![allow(unused, clippy::too_many_arguments)]

use super::Conv2d;
use crate::Precision;
use crate::device::{Addresses, Gpu};
use crate::{Result, Slot};

pub(super) fn workspace_len(gpu: &Gpu, conv: &Conv2d, precision: Precision) -> usize {
    todo!()
}

pub(super) fn forward(
    gpu: &Gpu,
    at: Addresses,
    conv: &Conv2d,
    x: Slot,
    w: Slot,
    bias: Slot,
    relu: bool,
    y: Slot,
    work: Slot,
) -> Result<()> {
    todo!()
}

pub(super) fn backward_input(
    gpu: &Gpu,
    at: Addresses,
    conv: &Conv2d,
    dy: Slot,
    w: Slot,
    add: bool,
    dx: Slot,
    work: Slot,
) -> Result<()> {
    todo!()
}

pub(super) fn backward_weight(
    gpu: &Gpu,
    at: Addresses,
    conv: &Conv2d,
    x: Slot,
    dy: Slot,
    dw: Slot,
    db: Slot,
    work: Slot,
) -> Result<()> {
    todo!()
}
