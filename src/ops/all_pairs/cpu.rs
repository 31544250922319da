//! `all_pairs` on the CPU: the readers of `neighbours`, `sharpness` and `class_pairs` look at the same blocks.

use crate::ops::Progress;
use crate::ops::class_pairs::{Classes, cpu as class_pairs};
use crate::ops::neighbours::exact::Exact;
use crate::ops::neighbours::{Neighbours, cpu as neighbours};
use crate::ops::pairs::Rows;
use crate::ops::pairs::pass::Pass;
use crate::ops::sharpness::{self, cpu as sharp};

pub(super) struct Found {
    pub neighbours: Neighbours,
    pub sharpness: Option<sharpness::Found>,
    pub classes: Option<Vec<crate::ops::class_pairs::Found>>,
}

/// `None` where values are bounded by nothing.
pub(super) fn all_pairs(
    rows: &Rows<'_>,
    k: usize,
    task: Option<&sharpness::Task<'_>>,
    classes: Option<&Classes<'_>>,
    progress: Progress<'_>,
) -> Option<Found> {
    let pass = Pass::new(*rows);
    if !pass.bounds().bounded() {
        return None;
    }
    let (row, col) = pass.terms();
    let exact = pass.integers().then(|| Exact::new(rows, (row, col), k));
    let mut keepers = if exact.is_some() { Vec::new() } else { neighbours::keepers(rows) };
    let screen = exact.is_none().then(|| neighbours::Screen::new(pass.bounds(), row, col, k, &mut keepers));
    let scan = task.map(|task| sharp::Scan::new(task, &pass));
    let table = classes.map(|classes| class_pairs::Table::new(classes, &pass));
    let mut readers = ((exact, screen), (scan, table));
    pass.blocks(&mut readers, |(_, (scan, table)), tile, done| {
        scan.iter_mut().for_each(|scan| scan.settle(tile));
        table.iter_mut().for_each(|table| table.settle());
        progress(done);
    });
    let ((exact, _), (scan, table)) = readers;
    let (sharpness, classes) = (scan.map(|scan| scan.finish()), table.map(|table| table.finish()));
    let neighbours = match exact {
        Some(exact) => exact.finish(rows, pass.bounds().unit()),
        None => neighbours::chosen(rows, pass.bounds(), k, keepers),
    };
    Some(Found { neighbours, sharpness, classes })
}
