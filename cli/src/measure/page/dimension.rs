//! Intrinsic dimension on the page: every estimator with its interval, and how the local one is spread.

use super::Part;
use crate::measure::charts;
use crate::measure::measured::Measured;
use sharpdim::Result;
use sharpdim::measure::{Against, Truth};
use sharpdim::report::{Column, Table};

pub fn add(part: &mut Part, measured: &Measured) -> Result<()> {
    part.section("Intrinsic dimension", |part, section| {
        let section = part.chart(section, charts::estimators(measured)?);
        let mut columns = vec![
            Column::text("estimator"),
            Column::number("dimension"),
            Column::number("95 % interval"),
            Column::number("excluded"),
            Column::text("convention"),
        ];
        if measured.calibrated.is_some() {
            columns.insert(3, Column::number("true dimension, 95 %"));
        }
        let mut table = Table::new("", columns);
        for (estimator, found) in &measured.estimates {
            let (value, interval, excluded, convention) = match found {
                Ok(found) => (
                    format!("{:.2}", found.value),
                    format!("{:.2} .. {:.2}", found.low, found.high),
                    found.excluded.count().to_string(),
                    estimator.to_string(),
                ),
                Err(why) => ("–".into(), "–".into(), "–".into(), why.clone()),
            };
            let mut cells = vec![estimator.name().to_owned(), value, interval, excluded, convention];
            if let Some(calibrated) = &measured.calibrated {
                cells.insert(3, calibrated.truth(estimator).map_or("–".into(), Truth::to_string));
            }
            table = table.row(cells)?;
        }
        let section = section.table(table);
        let mut section = part.chart(section, charts::calibrated(measured)?);
        for against in [Against::Neighbours, Against::Samples] {
            section = part.chart(section, charts::curves(measured, against)?);
        }
        let unsettled: Vec<(&str, &str)> = measured.unsettled().collect();
        if !unsettled.is_empty() {
            section = section.facts("Estimates that have not settled", unsettled);
        }
        Ok(part.chart(section, charts::local(measured)?))
    })
}
