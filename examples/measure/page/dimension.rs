//! Intrinsic dimension on the page: every estimator with its interval, and how the local one is spread.

use super::Part;
use crate::charts;
use crate::measured::Measured;
use sharpdim::Result;
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
        let section = section.table(table);
        Ok(part.chart(section, charts::local(measured)?))
    })
}
