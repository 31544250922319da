//! `dropout` on a GPU.
#![allow(unused, clippy::too_many_arguments)]

use super::Dropout;
use crate::device::{Addresses, Gpu};
use crate::{Result, Slot};

pub(super) fn apply(gpu: &Gpu, at: Addresses, dropout: &Dropout, x: Slot, step: Slot, y: Slot) -> Result<()> {
    todo!()
}
