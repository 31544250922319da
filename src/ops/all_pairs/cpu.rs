//! `all_pairs` on the CPU: the readers of `neighbours`, `sharpness` and `class_pairs`, and a counter of pairs within
//! distances, read the same blocks.

use super::within::Counter;
use super::{Found, Readers};
use crate::ops::Progress;
use crate::ops::class_pairs::cpu as class_pairs;
use crate::ops::neighbours::cpu as neighbours;
use crate::ops::neighbours::exact::Exact;
use crate::ops::pairs::Rows;
use crate::ops::pairs::pass::Pass;
use crate::ops::sharpness::cpu as sharp;

/// At most `most` pairs are kept for counting. `None` where values have no error bounds.
pub(super) fn all_pairs(
    rows: &Rows<'_>,
    k: usize,
    wanted: &Readers<'_>,
    most: usize,
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
    let scan = wanted.task.map(|task| sharp::Scan::new(task, &pass));
    let table = wanted.classes.map(|classes| class_pairs::Table::new(classes, &pass));
    let counter = (!wanted.brackets.is_empty()).then(|| Counter::new(wanted.brackets, &pass, most));
    let mut readers = ((exact, screen), ((scan, table), counter));
    pass.blocks(&mut readers, |(_, ((scan, table), _)), tile, done| {
        scan.iter_mut().for_each(|scan| scan.settle(tile));
        table.iter_mut().for_each(|table| table.settle());
        progress(done);
    });
    let ((exact, _), ((scan, table), counter)) = readers;
    let (sharpness, classes) = (scan.map(|scan| scan.finish()), table.map(|table| table.finish()));
    let neighbours = match exact {
        Some(exact) => exact.finish(rows, pass.bounds().unit()),
        None => neighbours::chosen(rows, pass.bounds(), k, keepers),
    };
    let within = counter.map_or_else(Vec::new, |counter| counter.finish(rows, &neighbours));
    Some(Found { neighbours, sharpness, classes, within })
}
