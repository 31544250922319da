//! Each sample's values as a file: CSV, or NPY with a field for each column. What a sample has not is empty in
//! CSV and NaN in NPY.

use crate::measure::measured::Measured;
use std::fmt::Write;

/// Columns of equal length, each with its name.
pub struct Points {
    columns: Vec<(String, Column)>,
}

enum Column {
    /// Left out of NPY, where the numbers beside it say the same.
    Text(Vec<String>),
    Whole(Vec<i64>),
    Real(Vec<f64>),
}

impl Points {
    /// One row for each sample; `dataset` is the position of the dataset among several.
    pub fn new(measured: &Measured, dataset: Option<usize>) -> Self {
        let (loaded, nearest) = (&measured.loaded, &measured.nearest);
        let n = loaded.samples.n();
        let mut columns: Vec<(String, Column)> = Vec::new();
        let mut add = |name: &str, column: Column| columns.push((name.to_owned(), column));
        if let Some(dataset) = dataset {
            add("dataset_name", Column::Text(vec![measured.name.clone(); n]));
            add("dataset", Column::Whole(vec![dataset as i64; n]));
        }
        add("index", Column::Whole((0..n as i64).collect()));
        add("name", Column::Text(loaded.names.clone()));
        add("class", Column::Text((0..n).map(|i| measured.class_of(i).to_owned()).collect()));
        add("label", Column::Whole(loaded.labels.iter().map(|&label| label.into()).collect()));
        for found in measured.found().filter(|found| !found.local.is_empty()) {
            add(found.estimator.name(), Column::Real(found.local.clone()));
        }
        let first = |i: usize| nearest.squared_distances(i)[0].sqrt();
        add("nearest_distance", Column::Real((0..n).map(first).collect()));
        add("nearest", Column::Whole((0..n).map(|i| nearest.indices(i)[0].into()).collect()));
        let differing = |i: usize| {
            let label = |j: u32| loaded.labels[j as usize];
            let at = nearest.indices(i).iter().position(|&j| label(j) != loaded.labels[i]);
            at.map_or(f64::NAN, |at| nearest.squared_distances(i)[at].sqrt())
        };
        add("nearest_differing_distance", Column::Real((0..n).map(differing).collect()));
        Points { columns }
    }

    /// The rows of all, by column name: a column that only some have is of no value in the others.
    pub fn join(all: Vec<Points>) -> Self {
        let mut joined = Points { columns: Vec::new() };
        // An estimator may have failed on some.
        for points in all {
            let (had, more) = (joined.rows(), points.rows());
            for (name, column) in points.columns {
                match joined.columns.iter_mut().find(|(own, _)| *own == name) {
                    Some((_, own)) => own.extend(column),
                    None => {
                        let mut empty = Column::Real(vec![f64::NAN; had]);
                        match had {
                            0 => empty = column,
                            _ => empty.extend(column),
                        }
                        joined.columns.push((name, empty));
                    }
                }
            }
            for (_, column) in &mut joined.columns {
                if column.len() < had + more {
                    column.extend(Column::Real(vec![f64::NAN; more]));
                }
            }
        }
        joined
    }

    fn rows(&self) -> usize {
        self.columns.first().map_or(0, |(_, column)| column.len())
    }

    /// Comma-separated, RFC 4180: a header, then a line for each sample.
    pub fn csv(&self) -> Vec<u8> {
        let names: Vec<&str> = self.columns.iter().map(|(name, _)| name.as_str()).collect();
        let mut out = names.join(",") + "\r\n";
        for row in 0..self.rows() {
            for (at, (_, column)) in self.columns.iter().enumerate() {
                if at > 0 {
                    out.push(',');
                }
                match column {
                    Column::Text(values) => out += &quoted(&values[row]),
                    Column::Whole(values) => _ = write!(out, "{}", values[row]),
                    Column::Real(values) if values[row].is_nan() => (),
                    // The shortest digits that give this very number.
                    Column::Real(values) => _ = write!(out, "{}", values[row]),
                }
            }
            out += "\r\n";
        }
        out.into_bytes()
    }

    /// NPY 1.0: an array of (N,) records, so that `numpy.load(file)["mle"]` is a column. Texts are left out.
    pub fn npy(&self) -> Vec<u8> {
        let number = |(name, column): &(String, Column)| match column {
            Column::Text(_) => None,
            Column::Whole(_) => Some(format!("('{name}', '<i8')")),
            Column::Real(_) => Some(format!("('{name}', '<f8')")),
        };
        let fields: Vec<String> = self.columns.iter().filter_map(number).collect();
        let header = format!(
            "{{'descr': [{}], 'fortran_order': False, 'shape': ({},), }}",
            fields.join(", "),
            self.rows()
        );
        // Magic, version and length are 10 bytes, a newline ends it, and data begin at a multiple of 64.
        let padded = (header.len() + 11).next_multiple_of(64) - 11;
        let mut out = b"\x93NUMPY\x01\x00".to_vec();
        out.extend(((padded + 1) as u16).to_le_bytes());
        out.extend(format!("{header:padded$}\n").bytes());
        for row in 0..self.rows() {
            for (_, column) in &self.columns {
                match column {
                    Column::Text(_) => (),
                    Column::Whole(values) => out.extend(values[row].to_le_bytes()),
                    Column::Real(values) => out.extend(values[row].to_le_bytes()),
                }
            }
        }
        out
    }
}

impl Column {
    fn len(&self) -> usize {
        match self {
            Column::Text(values) => values.len(),
            Column::Whole(values) => values.len(),
            Column::Real(values) => values.len(),
        }
    }

    /// The values of both; columns of one name are of one kind.
    fn extend(&mut self, more: Column) {
        match (self, more) {
            (Column::Text(values), Column::Text(more)) => values.extend(more),
            (Column::Whole(values), Column::Whole(more)) => values.extend(more),
            (Column::Real(values), Column::Real(more)) => values.extend(more),
            _ => unreachable!("only local dimensions can be missing"),
        }
    }
}

/// A field, in quotes where it must be.
fn quoted(text: &str) -> String {
    if text.contains([',', '"', '\n', '\r']) {
        format!("\"{}\"", text.replace('"', "\"\""))
    } else {
        text.to_owned()
    }
}
