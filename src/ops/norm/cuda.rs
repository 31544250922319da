//! `norm` on a GPU.
#![allow(unused, clippy::too_many_arguments)]

use crate::device::{Addresses, Gpu};
use crate::{Result, Slot};

pub(super) fn workspace_len(gpu: &Gpu, len: usize) -> usize {
    todo!()
}

pub(super) fn norm(gpu: &Gpu, at: Addresses, x: Slot, out: Slot, work: Slot) -> Result<()> {
    todo!()
}
