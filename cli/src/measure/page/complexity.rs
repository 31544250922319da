//! The images where the dataset varies in the fewest and in the most ways.

use super::{Part, Pictures};
use crate::measure::measured::Measured;
use sharpdim::Result;
use sharpdim::report::{Column, Section, Table};

/// So many of each.
const SHOWN: usize = 5;

pub fn add(part: &mut Part, measured: &Measured, pictures: Option<&Pictures>) -> Result<()> {
    let Some(main) = measured.main_estimate().filter(|found| !found.local.is_empty()) else { return Ok(()) };
    let mut order: Vec<usize> = (0..main.local.len()).filter(|&i| main.local[i].is_finite()).collect();
    order.sort_by(|&a, &b| main.local[a].total_cmp(&main.local[b]).then(a.cmp(&b)));
    let shown = SHOWN.min(order.len() / 2);
    if shown == 0 {
        return Ok(());
    }
    let (least, most) =
        (&order[..shown], order[order.len() - shown..].iter().rev().copied().collect::<Vec<_>>());
    let title = if measured.loaded.features {
        "Least and most complex samples"
    } else {
        "Least and most complex images"
    };
    part.section(title, |_, section| {
        let mut section = section.paragraph(&format!(
            "By local dimension ({}): among the nearest neighbours of the first few there is little that varies; \
             near the last much does. Very low values often come from near-duplicates.",
            main.estimator.name()
        ));
        if let Some(pictures) = pictures {
            section = section.paragraph(&pictures.note());
        }
        for (title, samples) in [("Least complex", least), ("Most complex", &most)] {
            section = section.subsection(few(measured, pictures, title, samples, &main.local)?);
        }
        Ok(section)
    })
}

fn few(
    measured: &Measured,
    pictures: Option<&Pictures>,
    title: &str,
    samples: &[usize],
    local: &[f64],
) -> Result<Section> {
    let section = Section::new(title);
    if let Some(pictures) = pictures {
        let shown = samples.iter().map(|&i| {
            let caption = format!("{:.1}: {}", local[i], measured.named(i));
            pictures.picture(i, caption)
        });
        return Ok(section.gallery(shown.collect::<Result<Vec<_>>>()?));
    }
    let columns = [Column::text("sample"), Column::text("class"), Column::number("local dimension")];
    let mut table = Table::new("", columns);
    for &i in samples {
        let class = measured.class_of(i).to_owned();
        table = table.row([measured.loaded.names[i].clone(), class, format!("{:.2}", local[i])])?;
    }
    Ok(section.table(table))
}
