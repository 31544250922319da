//! Label sharpness on the page: the pairs that decide it, side by side.

use super::{Part, Pictures};
use crate::measured::Measured;
use sharpdim::Result;
use sharpdim::report::{Column, Table};

pub fn add(part: &mut Part, measured: &Measured, pictures: Option<&Pictures>) -> Result<()> {
    let Some(found) = &measured.sharpness else { return Ok(()) };
    part.section("The sharpest pairs", |_, section| {
        let many = if measured.loaded.features { "samples" } else { "images" };
        let mut section = section.paragraph(&format!(
            "The nearest {many} of different classes: the first pair decides K_F. Look at them: a pair may be a \
             true boundary case, one image twice, or a wrong label."
        ));
        if let Some(pictures) = pictures {
            let mut pairs = Vec::new();
            for (at, sharp) in found.sharpest.iter().enumerate() {
                let [a, b] = sharp.pair;
                let [left, right] = [a, b].map(|i| pictures.picture(i, measured.named(i)));
                let caption = format!(
                    "{}. distance {:.1}: {} and {}",
                    at + 1,
                    sharp.distance,
                    measured.named(a),
                    measured.named(b)
                );
                pairs.push((left?, right?, caption));
            }
            section = section.pairs(pairs);
        }
        let columns = [
            Column::text("pair"),
            Column::number("distance"),
            Column::number("1 / distance"),
            Column::text("one"),
            Column::text("other"),
        ];
        let mut table = Table::new("", columns);
        for (at, sharp) in found.sharpest.iter().enumerate() {
            let [one, other] = sharp.pair.map(|i| measured.named(i));
            let numbers = [format!("{:.1}", sharp.distance), format!("{:.3e}", sharp.ratio())];
            let [distance, ratio] = numbers;
            table = table.row([(at + 1).to_string(), distance, ratio, one, other])?;
        }
        Ok(section.table(table))
    })
}
