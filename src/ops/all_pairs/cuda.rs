//! `all_pairs` on a GPU: the kernel of `neighbours` makes each tile's sums, and that of `sharpness` reads the same.

use crate::Result;
use crate::device::Gpu;
use crate::ops::Progress;
use crate::ops::neighbours::{Neighbours, cuda as neighbours};
use crate::ops::pairs::Rows;
use crate::ops::pairs::cuda::Prepared;
use crate::ops::sharpness::{Found, Task, cuda as sharpness};

/// `None` where the device cannot find both: each is then to be found by itself.
pub(super) fn all_pairs(
    gpu: &Gpu,
    rows: &Rows<'_>,
    k: usize,
    task: &Task<'_>,
    progress: Progress<'_>,
) -> Result<Option<(Neighbours, Found)>> {
    let Some(list) = neighbours::list_length(rows, k) else { return Ok(None) };
    let prepared = Prepared::new(gpu, rows)?;
    let Some(mut sums) = sharpness::Sums::new(gpu, task, &prepared)? else { return Ok(None) };
    let lists = neighbours::Lists::new(gpu, rows, k, list)?;
    prepared.for_each_launch(progress, |work| {
        lists.launch(work)?;
        sums.launch(&work.again())
    })?;
    let Some(found) = sums.finish(&prepared)? else { return Ok(None) };
    Ok(Some((lists.finish(&prepared)?, found)))
}
