//! Tables in a page of docs/: put between two marks that it has.

use std::fs;
use std::path::Path;

/// Puts `tables` between the marks, in the place of what is there.
pub fn put(page: &Path, marks: [&str; 2], tables: &str) {
    let old = fs::read_to_string(page).expect("read the page");
    let (before, rest) = old.split_once(marks[0]).expect("a mark where the tables begin");
    let (_, after) = rest.split_once(marks[1]).expect("a mark where the tables end");
    let new = format!("{before}{}\n\n{tables}\n{}{after}", marks[0], marks[1]);
    fs::write(page, new).expect("write the page");
}
