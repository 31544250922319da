//! XLSX files as tables (feature `xlsx`): one sheet, its cells as text.

use super::{LARGEST, TOO_LARGE, Table, one_line};
use crate::data::stream::is_content;
use calamine::{DataRef, ExcelDateTime, Reader, Xlsx, XlsxError};
use std::io::{Cursor, Read};
use std::panic::{AssertUnwindSafe, catch_unwind};

/// The columns of a sheet.
const MOST_COLUMNS: usize = 1 << 14;

impl Table {
    pub(super) fn read_xlsx(&mut self, bytes: Vec<u8>, sheet: Option<&str>) -> Result<(), String> {
        // So that a panic in the reader fails one file, not the whole run.
        catch_unwind(AssertUnwindSafe(|| self.read_sheet(bytes, sheet)))
            .unwrap_or_else(|_| Err("cannot be read: the reader of spreadsheets panicked on it".into()))
    }

    fn read_sheet(&mut self, bytes: Vec<u8>, sheet: Option<&str>) -> Result<(), String> {
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
        let read = if strings {
            member.read_to_end(&mut content).map(|len| len as u64)
        } else {
            std::io::copy(&mut member, &mut std::io::sink())
        };
        let len = read.map_err(|e| {
            if is_content(&e) {
                format!("is damaged or cut short at {name} in it: {e}")
            } else {
                unreadable(&e)
            }
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

/// A cell as text.
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
    if number.fract() == 0.0 && number.abs() < 9e15 {
        (number as i64).to_string()
    } else {
        number.to_string()
    }
}

fn date_written(date: &ExcelDateTime) -> String {
    if date.is_duration() {
        return number_written(date.as_f64());
    }
    let (year, month, day, hour, minute, second, _) = date.to_ymd_hms_milli();
    format!("{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02}")
}
