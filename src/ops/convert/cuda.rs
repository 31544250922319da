//! `convert` on a GPU.
#![allow(unused, clippy::too_many_arguments)]

use crate::device::{Addresses, Gpu};
use crate::{Result, Slot};

pub(super) fn copy(gpu: &Gpu, at: Addresses, x: Slot, y: Slot) -> Result<()> {
    todo!()
}
