//! Intrinsic dimension on the page: every estimator with its interval, and how the local one is spread.

use super::Part;
use crate::charts;
use crate::measured::Measured;
use sharpdim::Result;
use sharpdim::measure::Against;
use sharpdim::report::{Column, Table};

pub fn add(part: &mut Part, measured: &Measured) -> Result<()> {
    part.section("Intrinsic dimension", |part, section| {
        let section = part.chart(section, charts::estimators(measured)?);
        let columns = [
            Column::text("estimator"),
            Column::number("dimension"),
            Column::number("95 % interval"),
            Column::number("excluded"),
            Column::text("convention"),
        ];
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
            table = table.row([estimator.name().to_owned(), value, interval, excluded, convention])?;
        }
        let mut section = section.table(table);
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
