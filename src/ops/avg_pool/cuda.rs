//! `avg_pool` on a GPU.
#![allow(unused, clippy::too_many_arguments)]

use super::AvgPool;
use crate::device::{Addresses, Gpu};
use crate::{Result, Slot};

pub(super) fn forward(gpu: &Gpu, at: Addresses, pool: &AvgPool, x: Slot, y: Slot) -> Result<()> {
    todo!()
}

pub(super) fn backward(gpu: &Gpu, at: Addresses, pool: &AvgPool, dy: Slot, dx: Slot) -> Result<()> {
    todo!()
}
