//! Tables of text: CSV, of any delimiter, and XLSX. Columns are found by name, and rows know their number in the
//! file, as one sees it there. All that is held is one string and where in it each cell ends.

#[cfg(feature = "xlsx")]
mod xlsx;

use crate::data::stream::Stream;
use crate::{Error, Result};
use std::path::{Path, PathBuf};

/// No table is larger than this, unpacked or not.
const LARGEST: usize = 1 << 30;
/// Most cells: a sheet may be empty but for its first and last cell.
const MOST_CELLS: usize = 100_000_000;
const TOO_LARGE: &str = "has more than 1 GiB of text, or more than 100 million cells: no table to read here";

/// A table: a header of column names, and rows of as many cells.
#[derive(Debug)]
pub(in crate::data) struct Table {
    path: PathBuf,
    columns: Vec<String>,
    text: String,
    /// Where in the text each cell ends, row by row.
    ends: Vec<u32>,
    /// The number of each row in the file.
    numbers: Vec<u32>,
}

/// A row of a table.
#[derive(Clone, Copy)]
pub(in crate::data) struct Row<'a> {
    table: &'a Table,
    at: usize,
}

impl<'a> Row<'a> {
    /// Where it is in the file: its line in a CSV file, its number in a sheet. The first is 1.
    pub fn number(&self) -> usize {
        self.table.numbers[self.at] as usize
    }

    /// The cell of a column that [`Table::column`] gave.
    pub fn cell(&self, column: usize) -> &'a str {
        let at = self.at * self.table.columns.len() + column;
        let start = if at == 0 { 0 } else { self.table.ends[at - 1] };
        &self.table.text[start as usize..self.table.ends[at] as usize]
    }
}

impl Table {
    /// Opens a CSV file whose cells stand between delimiters, or the first sheet of an XLSX file, which is told by
    /// its content. The first row that is not empty is the header; rows without a cell are left out. In names and
    /// cells, line breaks become spaces, and what is not UTF-8 is replaced; names are trimmed. Of a sheet, whole
    /// numbers are written without a point, dates as `2020-01-31 12:30:00`, errors as `#N/A`; formulas are
    /// the values that were saved with them; cells to the right of the header are left out.
    pub fn open(path: &Path, delimiter: u8) -> Result<Self> {
        Self::open_sheet(path, delimiter, None)
    }

    /// Opens a table as [`open`](Table::open) does, of an XLSX file the sheet of that name.
    pub fn open_sheet(path: &Path, delimiter: u8, sheet: Option<&str>) -> Result<Self> {
        let mut file = Stream::open(path)?;
        let bytes = file.up_to(LARGEST + 1)?;
        if bytes.len() > LARGEST {
            return Err(file.wrong("holds more than 1 GiB: no table to read here"));
        }
        let mut table = Table {
            path: path.to_owned(),
            columns: Vec::new(),
            text: String::new(),
            ends: Vec::new(),
            numbers: Vec::new(),
        };
        let read = if bytes.starts_with(b"PK") {
            table.read_xlsx(bytes, sheet)
        } else {
            table.read_csv(&bytes, delimiter)
        };
        read.map_err(|reason| Error::format(path, reason))?;
        if table.columns.is_empty() {
            Err(Error::format(path, "is an empty table: a row of column names is expected"))
        } else {
            Ok(table)
        }
    }

    /// The column of a name; an error that lists those there are, where there is none.
    pub fn column(&self, name: &str) -> Result<usize> {
        let mut found = self.columns.iter().enumerate().filter(|(_, column)| *column == name);
        match (found.next(), found.next()) {
            (Some((at, _)), None) => Ok(at),
            (Some(_), Some(_)) => {
                Err(Error::format(&self.path, format!("has more than one column {name:?}: one is expected")))
            }
            (None, _) => {
                let nearest = self.columns.iter().min_by_key(|column| distance(name, column));
                let nearest = nearest.map_or("", String::as_str);
                let columns: Vec<String> = self.columns.iter().map(|column| format!("{column:?}")).collect();
                let reason = format!(
                    "has no column {name:?}; the nearest is {nearest:?} of its {}: {}",
                    columns.len(),
                    columns.join(", ")
                );
                Err(Error::format(&self.path, reason))
            }
        }
    }

    pub fn rows(&self) -> impl Iterator<Item = Row<'_>> {
        (0..self.numbers.len()).map(|at| Row { table: self, at })
    }

    /// An error about a row.
    pub fn wrong(&self, row: Row<'_>, reason: impl std::fmt::Display) -> Error {
        Error::format(&self.path, format!("row {}: {reason}", row.number()))
    }

    fn read_csv(&mut self, bytes: &[u8], delimiter: u8) -> Result<(), String> {
        // The byte order mark of UTF-8.
        let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
        let mut reader = csv::ReaderBuilder::new()
            .delimiter(delimiter)
            .has_headers(false)
            .flexible(true)
            .from_reader(bytes);
        let mut record = csv::ByteRecord::new();
        while reader.read_byte_record(&mut record).map_err(|e| format!("cannot be read: {e}"))? {
            let number = record.position().map_or(0, |position| {
                // Empty lines before it count to where it begins, but are not counted.
                let rest = bytes.get(position.byte() as usize..).unwrap_or_default();
                let empty = rest
                    .iter()
                    .take_while(|byte| matches!(byte, b'\r' | b'\n'))
                    .filter(|byte| **byte == b'\n');
                position.line() + empty.count() as u64
            });
            let cells = record.iter().map(String::from_utf8_lossy);
            if self.columns.is_empty() {
                self.columns = cells.map(|cell| one_line(&cell).trim().to_owned()).collect();
                continue;
            }
            if record.len() != self.columns.len() {
                return Err(format!(
                    "row {number} has {} cells, but the header has {} columns{}",
                    record.len(),
                    self.columns.len(),
                    if record.len() == 1 {
                        format!(": is it delimited by {:?}?", char::from(delimiter))
                    } else {
                        String::new()
                    }
                ));
            }
            for cell in cells {
                self.push(&cell)?;
            }
            self.numbers.push(u32::try_from(number).unwrap_or(u32::MAX));
        }
        Ok(())
    }

    fn push(&mut self, cell: &str) -> Result<(), String> {
        self.text.push_str(&one_line(cell));
        if self.text.len() > LARGEST || self.ends.len() >= MOST_CELLS {
            return Err(TOO_LARGE.into());
        }
        self.ends.push(self.text.len() as u32);
        Ok(())
    }

    /// Of a build without spreadsheets.
    #[cfg(not(feature = "xlsx"))]
    fn read_xlsx(&mut self, _bytes: Vec<u8>, _sheet: Option<&str>) -> Result<(), String> {
        Err("is an XLSX file, which this build does not read: build with `--features xlsx`".into())
    }
}

/// Text with a space for each run of line breaks.
fn one_line(text: &str) -> std::borrow::Cow<'_, str> {
    let is_break = |c| c == '\n' || c == '\r';
    if text.contains(is_break) {
        text.split(is_break).filter(|line| !line.is_empty()).collect::<Vec<_>>().join(" ").into()
    } else {
        text.into()
    }
}

/// The Levenshtein distance of two names, ignoring case.
fn distance(a: &str, b: &str) -> usize {
    let (a, b) = (a.to_lowercase(), b.to_lowercase());
    let mut row: Vec<usize> = (0..=b.chars().count()).collect();
    for (at, letter) in a.chars().enumerate() {
        let mut corner = std::mem::replace(&mut row[0], at + 1);
        for (to, other) in b.chars().enumerate() {
            let changed = corner + usize::from(letter != other);
            corner = row[to + 1];
            row[to + 1] = changed.min(corner + 1).min(row[to] + 1);
        }
    }
    row[b.chars().count()]
}
