//! Tables of a report: named columns, numbers to the right, each row named by its first cell.

use crate::figure::escaped;
use crate::{Error, Result};
use std::fmt::Write;

/// A column's heading, and how its cells are aligned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Column {
    name: String,
    number: bool,
}

impl Column {
    /// Cells begin at the left.
    pub fn text(name: impl Into<String>) -> Self {
        Column { name: name.into(), number: false }
    }

    /// Cells end at the right, with digits of equal width: give all of a column the same number of decimals.
    pub fn number(name: impl Into<String>) -> Self {
        Column { name: name.into(), number: true }
    }

    fn class(&self) -> &'static str {
        if self.number { " class=\"number\"" } else { "" }
    }
}

/// A table under construction.
#[derive(Debug, Clone)]
pub struct Table {
    caption: String,
    columns: Vec<Column>,
    rows: Vec<Vec<String>>,
}

impl Table {
    /// A table without rows yet.
    pub fn new(caption: impl Into<String>, columns: impl Into<Vec<Column>>) -> Self {
        Table { caption: caption.into(), columns: columns.into(), rows: Vec::new() }
    }

    /// One row more; its first cell names it.
    ///
    /// # Errors
    ///
    /// [`Error::Argument`] where it has not one cell for each column.
    pub fn row<S: AsRef<str>>(mut self, cells: impl IntoIterator<Item = S>) -> Result<Self> {
        let cells: Vec<String> = cells.into_iter().map(|cell| cell.as_ref().to_string()).collect();
        if cells.len() != self.columns.len() {
            return Err(Error::Argument(format!(
                "table {:?}, row {}: {} cells for {} columns: it must be one for each",
                self.caption,
                self.rows.len(),
                cells.len(),
                self.columns.len()
            )));
        }
        self.rows.push(cells);
        Ok(self)
    }

    pub(super) fn html(&self) -> String {
        let mut out = opened(&self.caption);
        out += "<thead><tr>";
        for column in &self.columns {
            _ = write!(out, "<th scope=\"col\"{}>{}</th>", column.class(), escaped(&column.name));
        }
        out += "</tr></thead>\n<tbody>\n";
        for row in &self.rows {
            out += "<tr>";
            for (i, (cell, column)) in row.iter().zip(&self.columns).enumerate() {
                let (class, cell) = (column.class(), escaped(cell));
                _ = match i {
                    0 => write!(out, "<th scope=\"row\"{class}>{cell}</th>"),
                    _ => write!(out, "<td{class}>{cell}</td>"),
                };
            }
            out += "</tr>\n";
        }
        out + CLOSED
    }
}

/// A table of two columns without headings: names and values.
pub(super) fn facts<K: AsRef<str>, V: AsRef<str>>(
    caption: &str,
    facts: impl IntoIterator<Item = (K, V)>,
) -> String {
    let mut out = opened(caption) + "<tbody>\n";
    for (name, value) in facts {
        let (name, value) = (escaped(name.as_ref()), escaped(value.as_ref()));
        _ = writeln!(out, "<tr><th scope=\"row\">{name}</th><td>{value}</td></tr>");
    }
    out + CLOSED
}

fn opened(caption: &str) -> String {
    let caption =
        if caption.is_empty() { String::new() } else { format!("<caption>{}</caption>\n", escaped(caption)) };
    format!("<div class=\"scroll\"><table>\n{caption}")
}

const CLOSED: &str = "</tbody>\n</table></div>\n";
