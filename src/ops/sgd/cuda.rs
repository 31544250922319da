//! `sgd` on a GPU.
#![allow(unused, clippy::too_many_arguments)]

use super::Sgd;
use crate::device::{Addresses, Gpu};
use crate::{Result, Slot};

pub(super) fn update(
    gpu: &Gpu,
    at: Addresses,
    sgd: &Sgd,
    weights: Slot,
    gradient: Slot,
    buffer: Slot,
    rate: Slot,
    copy: Slot,
) -> Result<()> {
    todo!()
}
