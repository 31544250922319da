//! `adam` on a GPU.
#![allow(unused, clippy::too_many_arguments)]

use super::Adam;
use crate::device::{Addresses, Gpu};
use crate::{Result, Slot};

pub(super) fn update(
    gpu: &Gpu,
    at: Addresses,
    adam: &Adam,
    weights: Slot,
    gradient: Slot,
    m: Slot,
    v: Slot,
    step: Slot,
    copy: Slot,
) -> Result<()> {
    todo!()
}
