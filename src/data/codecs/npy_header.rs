//! The header of a NumPy array: magic, version, and a Python dictionary of the values' type, order and shape
//! (numpy.lib.format, versions 1 to 3).

use crate::Result;
use crate::data::stream::Stream;

/// A longer header than this is no plain array's: those have about 118 bytes.
const LONGEST: usize = 4096;

/// The fields of a header.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::data) struct Header {
    /// The type of the values, as in `<f4`; `None` for records.
    pub descr: Option<String>,
    pub fortran: bool,
    pub shape: Vec<usize>,
}

/// Reads a file's header, and leaves the file where its values begin.
pub(in crate::data) fn read(file: &mut Stream<'_>) -> Result<Header> {
    let start: [u8; 8] = file.header("an NPY header")?;
    if !start.starts_with(b"\x93NUMPY") {
        return Err(file.wrong("is not an NPY array: it does not begin with \\x93NUMPY"));
    }
    let size = match start[6] {
        1 => usize::from(u16::from_le_bytes(file.header("an NPY header")?)),
        2 | 3 => u32::from_le_bytes(file.header("an NPY header")?) as usize,
        other => return Err(file.wrong(format!("is of NPY version {other}: versions 1 to 3 are read"))),
    };
    if size > LONGEST {
        return Err(file.wrong(format!("claims a header of {size} bytes: a plain array's has about 118")));
    }
    let text = file.up_to(size)?;
    if text.len() < size {
        return Err(file.wrong(format!("ends after {} of the {size} bytes of its header", text.len())));
    }
    let parsed = str::from_utf8(&text).map_err(|_| "it is not text".to_owned()).and_then(parse);
    parsed.map_err(|reason| file.wrong(format!("its NPY header cannot be read: {reason}")))
}

/// Parses the dictionary, `{'descr': '<f4', 'fortran_order': False, 'shape': (3, 4), }`.
fn parse(text: &str) -> Result<Header, String> {
    let mut rest = Rest(text);
    let (mut descr, mut fortran, mut shape) = (None, None, None);
    rest.expect('{')?;
    while !rest.accept('}') {
        let key = rest.string()?;
        rest.expect(':')?;
        let twice = match key {
            "descr" => descr.replace(rest.descr()?).is_some(),
            "fortran_order" => fortran.replace(rest.truth()?).is_some(),
            "shape" => shape.replace(rest.shape()?).is_some(),
            _ => return Err(format!("it has the unknown entry '{key}'")),
        };
        if twice {
            return Err(format!("it has '{key}' twice"));
        }
        if !rest.accept(',') {
            rest.expect('}')?;
            break;
        }
    }
    if !rest.0.trim().is_empty() {
        return Err(format!("after the dictionary follows {:?}", rest.0.trim()));
    }
    let lacking = |name: &str| format!("it has no entry '{name}'");
    Ok(Header {
        descr: descr.ok_or_else(|| lacking("descr"))?,
        fortran: fortran.ok_or_else(|| lacking("fortran_order"))?,
        shape: shape.ok_or_else(|| lacking("shape"))?,
    })
}

/// What is left to parse.
struct Rest<'a>(&'a str);

impl<'a> Rest<'a> {
    fn accept(&mut self, wanted: char) -> bool {
        self.0 = self.0.trim_start();
        match self.0.strip_prefix(wanted) {
            Some(rest) => {
                self.0 = rest;
                true
            }
            None => false,
        }
    }

    fn expect(&mut self, wanted: char) -> Result<(), String> {
        if self.accept(wanted) {
            return Ok(());
        }
        Err(format!("'{wanted}' is expected before {:?}", self.0.chars().take(12).collect::<String>()))
    }

    fn string(&mut self) -> Result<&'a str, String> {
        let quote = if self.accept('"') { '"' } else { '\'' };
        if quote == '\'' {
            self.expect(quote)?;
        }
        let (text, rest) = self.0.split_once(quote).ok_or("a text has no end")?;
        self.0 = rest;
        Ok(text)
    }

    /// A text; `None` for the list that records have.
    fn descr(&mut self) -> Result<Option<String>, String> {
        if !self.0.trim_start().starts_with('[') {
            return Ok(Some(self.string()?.to_owned()));
        }
        let mut depth = 0;
        for (at, c) in self.0.char_indices() {
            depth += i32::from("[(".contains(c)) - i32::from("])".contains(c));
            if depth == 0 && c == ']' {
                self.0 = &self.0[at + 1..];
                return Ok(None);
            }
        }
        Err("a list has no end".into())
    }

    fn truth(&mut self) -> Result<bool, String> {
        self.0 = self.0.trim_start();
        for (word, value) in [("True", true), ("False", false)] {
            if let Some(rest) = self.0.strip_prefix(word) {
                self.0 = rest;
                return Ok(value);
            }
        }
        Err("'fortran_order' is neither True nor False".into())
    }

    fn shape(&mut self) -> Result<Vec<usize>, String> {
        let mut shape = Vec::new();
        self.expect('(')?;
        while !self.accept(')') {
            self.0 = self.0.trim_start();
            let digits = self.0.find(|c: char| !c.is_ascii_digit()).unwrap_or(self.0.len());
            let (number, rest) = self.0.split_at(digits);
            if number.is_empty() {
                return Err("'shape' holds something other than whole numbers".into());
            }
            shape.push(number.parse().map_err(|_| "it claims more values than memory can address")?);
            // Python 2 wrote long integers with an L.
            self.0 = rest.strip_prefix('L').unwrap_or(rest);
            if !self.accept(',') {
                self.expect(')')?;
                break;
            }
        }
        Ok(shape)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_as_numpy_writes_them() {
        let plain = |descr: &str, fortran, shape: &[usize]| {
            Ok(Header { descr: Some(descr.to_owned()), fortran, shape: shape.to_vec() })
        };
        // By numpy 2.4 and 1.x, by numpy on Python 2, and by other writers.
        let two = "{'descr': '<f4', 'fortran_order': False, 'shape': (3, 4), }          \n";
        assert_eq!(parse(two), plain("<f4", false, &[3, 4]));
        assert_eq!(
            parse("{'descr': '|u1', 'fortran_order': True, 'shape': (5,), }\n"),
            plain("|u1", true, &[5])
        );
        assert_eq!(
            parse("{'descr': '>i8', 'fortran_order': False, 'shape': (), }"),
            plain(">i8", false, &[])
        );
        let long = "{'descr': '<i8', 'fortran_order': False, 'shape': (10L, 2L), }";
        assert_eq!(parse(long), plain("<i8", false, &[10, 2]));
        let other = "{\"shape\":(1,2,3),\"descr\":\"<f8\",\"fortran_order\":False}";
        assert_eq!(parse(other), plain("<f8", false, &[1, 2, 3]));
        let records =
            "{'descr': [('a', '<i4'), ('b', '<f8', (2, 2))], 'fortran_order': False, 'shape': (3,), }";
        assert_eq!(parse(records), Ok(Header { descr: None, fortran: false, shape: vec![3] }));
    }

    #[test]
    fn what_is_no_header_says_why() {
        let says = |text: &str, reason: &str| {
            let error = parse(text).unwrap_err();
            assert!(error.contains(reason), "{text}: {error}");
        };
        let header = "{'descr': '<f4', 'fortran_order': False, 'shape': (3, 4), }";
        for end in 0..header.len() {
            assert!(parse(&header[..end]).is_err(), "{end}");
        }
        says("", "'{' is expected");
        says("{'descr': '<f4', 'shape': (3, 4)}", "no entry 'fortran_order'");
        says("{'descr': '<f4', 'descr': '<f4'}", "'descr' twice");
        says("{'descr': '<f4', 'order': 'C'}", "unknown entry 'order'");
        says("{'descr': '<f4', 'fortran_order': None, 'shape': ()}", "neither True nor False");
        says("{'descr': '<f4', 'fortran_order': False, 'shape': (-3, 4)}", "whole numbers");
        says("{'descr': '<f4', 'fortran_order': False, 'shape': (3.5,)}", "')' is expected");
        says(
            "{'descr': '<f4', 'fortran_order': False, 'shape': (18446744073709551616,)}",
            "memory can address",
        );
        says(&format!("{header} 7"), "after the dictionary");
        says(&"[".repeat(100), "'{' is expected");
        says(&format!("{{'descr': {}", "[".repeat(100)), "no end");
    }
}
