//! Tables of text: CSV, of any delimiter, and XLSX. Columns are found by name, and rows know their number in the
//! file, as one sees it there. All that is held is one string and where in it each cell ends.

use crate::data::stream::{Stream, is_content};
use crate::{Error, Result};
use calamine::{DataRef, ExcelDateTime, Reader, Xlsx, XlsxError};
use std::io::{Cursor, Read};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

/// No table is larger than this, unpacked or not.
const LARGEST: usize = 1 << 30;
/// A sheet can be empty but for its first and last cell: there are no more cells than this.
const MOST_CELLS: usize = 100_000_000;
const TOO_LARGE: &str = "has more than 1 GiB of text, or more than 100 million cells: no table to read here";
/// The columns of a sheet.
const MOST_COLUMNS: usize = 1 << 14;

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
        let read = match bytes.starts_with(b"PK") {
            // So that a flaw in the reader fails one file, not the whole run.
            true => catch_unwind(AssertUnwindSafe(|| table.read_xlsx(bytes, sheet)))
                .unwrap_or_else(|_| Err("cannot be read: the reader of spreadsheets panicked on it".into())),
            false => table.read_csv(&bytes, delimiter),
        };
        read.map_err(|reason| Error::format(path, reason))?;
        match table.columns.is_empty() {
            true => Err(Error::format(path, "is an empty table: a row of column names is expected")),
            false => Ok(table),
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
        // A mark that some programs put before text.
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

    fn read_xlsx(&mut self, bytes: Vec<u8>, sheet: Option<&str>) -> Result<(), String> {
        check_members(&bytes)?;
        let unreadable = |e: XlsxError| format!("cannot be read as XLSX: {e}");
        let mut book = Xlsx::new(Cursor::new(bytes)).map_err(unreadable)?;
        let sheets = book.sheet_names();
        let sheet = match sheet {
            None => sheets.first().ok_or("has no sheets")?,
            Some(name) => sheets
                .iter()
                .find(|sheet| *sheet == name)
                .ok_or_else(|| format!("has no sheet {name:?}; its sheets: {}", sheets.join(", ")))?,
        };
        let mut cells = book.worksheet_cells_reader(&sheet.clone()).map_err(unreadable)?;
        let mut row: Vec<String> = Vec::new();
        let (mut number, mut held) = (0, 0);
        while let Some(cell) = cells.next_cell().map_err(unreadable)? {
            let (at, column) = cell.get_position();
            if at < number {
                return Err(format!("is damaged: row {} stands after row {}", at + 1, number + 1));
            }
            if at > number {
                self.push_row(&mut row, number)?;
                (number, held) = (at, 0);
            }
            let column = column as usize;
            if column >= MOST_COLUMNS {
                return Err(format!("is damaged: row {} has a cell in column {}", at + 1, column + 1));
            }
            if !self.columns.is_empty() && column >= self.columns.len() {
                continue;
            }
            if row.len() <= column {
                row.resize(column + 1, String::new());
            }
            row[column] = written(cell.get_value());
            // One long string can be in any number of cells.
            held += row[column].len();
            if held > LARGEST {
                return Err(TOO_LARGE.into());
            }
        }
        self.push_row(&mut row, number)
    }

    fn push_row(&mut self, row: &mut Vec<String>, number: u32) -> Result<(), String> {
        if row.iter().all(String::is_empty) {
            row.clear();
            return Ok(());
        }
        if self.columns.is_empty() {
            self.columns = row.drain(..).map(|cell| one_line(&cell).trim().to_owned()).collect();
            return Ok(());
        }
        row.resize(self.columns.len(), String::new());
        for cell in row.drain(..) {
            self.push(&cell)?;
        }
        self.numbers.push(number + 1);
        Ok(())
    }
}

/// Unpacks all members of an archive, to see that they come to no more than a table may, and that what is said
/// of the number of strings, for which the reader takes memory, is not more than there can be.
fn check_members(bytes: &[u8]) -> Result<(), String> {
    let unreadable = |e: &dyn std::fmt::Display| format!("is not a readable XLSX file: {e}");
    let mut archive = zip::ZipArchive::new(Cursor::new(bytes)).map_err(|e| unreadable(&e))?;
    let mut left = LARGEST as u64;
    for at in 0..archive.len() {
        let member = archive.by_index(at).map_err(|e| unreadable(&e))?;
        let name = member.name().map_err(|e| unreadable(&e))?.into_owned();
        let strings = name.to_lowercase().ends_with("sharedstrings.xml");
        let mut content = Vec::new();
        let mut member = member.take(left + 1);
        let read = match strings {
            true => member.read_to_end(&mut content).map(|len| len as u64),
            false => std::io::copy(&mut member, &mut std::io::sink()),
        };
        let len = read.map_err(|e| match is_content(&e) {
            true => format!("is damaged or cut short at {name} in it: {e}"),
            false => unreadable(&e),
        })?;
        left = left.checked_sub(len).ok_or("unpacks to more than 1 GiB: no table to read here")?;
        if let Some(claimed) = most_claimed(&content).filter(|claimed| *claimed > content.len()) {
            return Err(format!(
                "claims {claimed} strings: more than the {} bytes of {name} in it can hold",
                content.len()
            ));
        }
    }
    Ok(())
}

/// The largest number that is written as a count of strings.
fn most_claimed(xml: &[u8]) -> Option<usize> {
    const NAME: &[u8] = b"uniqueCount";
    let places = xml.windows(NAME.len()).enumerate().filter(|(_, bytes)| *bytes == NAME);
    let claims = places.map(|(at, _)| {
        let rest = &xml[at + NAME.len()..];
        let digits = rest
            .iter()
            .skip_while(|byte| matches!(byte, b' ' | b'\t' | b'\r' | b'\n' | b'=' | b'"' | b'\'' | b'+'));
        let digits = digits.take_while(|byte| byte.is_ascii_digit());
        digits
            .fold(0usize, |number, digit| number.saturating_mul(10).saturating_add(usize::from(digit - b'0')))
    });
    claims.max()
}

/// What a cell shows.
fn written(value: &DataRef<'_>) -> String {
    match value {
        DataRef::Int(number) => number.to_string(),
        DataRef::Float(number) => number_written(*number),
        DataRef::String(text) | DataRef::DateTimeIso(text) | DataRef::DurationIso(text) => text.clone(),
        DataRef::SharedString(text) => (*text).to_owned(),
        DataRef::Bool(value) => if *value { "TRUE" } else { "FALSE" }.into(),
        DataRef::DateTime(date) => date_written(date),
        DataRef::Error(error) => error.to_string(),
        DataRef::Empty => String::new(),
    }
}

fn number_written(number: f64) -> String {
    // Whole ones that a float holds exactly.
    match number.fract() == 0.0 && number.abs() < 9e15 {
        true => (number as i64).to_string(),
        false => number.to_string(),
    }
}

fn date_written(date: &ExcelDateTime) -> String {
    if date.is_duration() {
        return number_written(date.as_f64());
    }
    let (year, month, day, hour, minute, second, _) = date.to_ymd_hms_milli();
    format!("{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02}")
}

/// Text with a space for each run of line breaks.
fn one_line(text: &str) -> std::borrow::Cow<'_, str> {
    let is_break = |c| c == '\n' || c == '\r';
    match text.contains(is_break) {
        true => text.split(is_break).filter(|line| !line.is_empty()).collect::<Vec<_>>().join(" ").into(),
        false => text.into(),
    }
}

/// How many letters are to be changed, put in or taken out to make one name of another; their case is nothing.
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
