//! Label sharpness on the page: the pairs that decide it, side by side.

use super::{Part, Pictures};
use crate::measure::measured::Measured;
use sharpdim::Result;
use sharpdim::ops::SharpPair;
use sharpdim::report::{Column, Section, Table};

pub fn add(part: &mut Part, measured: &Measured, pictures: Option<&Pictures>) -> Result<()> {
    let Some(found) = &measured.sharpness else { return Ok(()) };
    part.section("The sharpest pairs", |_, section| {
        let many = if measured.loaded.features { "samples" } else { "images" };
        let which = match found.released {
            Some(_) => format!(
                "The nearest {many} of the same class among the pairs that the released code sees: by its mistake \
                 these decide its number. Without --protocol released this shows those of different classes."
            ),
            None => format!(
                "The nearest {many} of different classes: the first pair decides K_F. Look at them: a pair may be \
                 a true boundary case, one image twice, or a wrong label."
            ),
        };
        let section = section.paragraph(&which);
        let name = |i: usize| measured.named(i);
        pairs(section, &found.sharpest, [&name, &name], pictures.map(|pictures| [pictures; 2]))
    })
}

/// The pairs as pictures, or where there are none as a table; `named` and `pictures` are of each side.
pub fn pairs(
    section: Section,
    sharpest: &[SharpPair],
    named: [&dyn Fn(usize) -> String; 2],
    pictures: Option<[&Pictures; 2]>,
) -> Result<Section> {
    let columns = [
        Column::text("pair"),
        Column::number("distance"),
        Column::number("1 / distance"),
        Column::text("one"),
        Column::text("other"),
    ];
    let (mut table, mut shown) = (Table::new("", columns), Vec::new());
    for (at, sharp) in sharpest.iter().enumerate() {
        let [one, other] = [named[0](sharp.pair[0]), named[1](sharp.pair[1])];
        if let Some([left, right]) = pictures {
            let pair = [left.picture(sharp.pair[0], &*one)?, right.picture(sharp.pair[1], &*other)?];
            let [left, right] = pair;
            let (distance, ratio) = (sharp.distance, sharp.ratio());
            let caption =
                format!("{}. {distance:.1} apart (1 / distance {ratio:.2e}): {one} and {other}", at + 1);
            shown.push((left, right, caption));
            continue;
        }
        let [distance, ratio] = [format!("{:.1}", sharp.distance), format!("{:.3e}", sharp.ratio())];
        table = table.row([(at + 1).to_string(), distance, ratio, one, other])?;
    }
    Ok(if pictures.is_some() { section.pairs(shown) } else { section.table(table) })
}
