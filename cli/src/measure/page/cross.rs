//! The dataset as the query set sees it, and the sharpest pairs between the two.

use super::sharpness::pairs;
use super::{Part, Pictures};
use crate::measure::measured::Measured;
use sharpdim::Result;
use sharpdim::report::{Column, Table};

pub fn add(part: &mut Part, measured: &Measured, pictures: Option<&Pictures>) -> Result<()> {
    let Some(cross) = &measured.cross else { return Ok(()) };
    part.section("From the query set", |_, section| {
        let mut section = section.paragraph(&format!(
            "{} has {} samples. Their nearest neighbours were sought in {}: where both are of one kind, the \
             dimension is about the same as the dataset's own; where the query set lies beside it, it is larger.",
            cross.name,
            cross.loaded.samples.n(),
            measured.name
        ));
        let columns = [
            Column::text("estimator"),
            Column::number("from the query set"),
            Column::number("95 % interval"),
            Column::number("the dataset's own"),
        ];
        let mut table = Table::new("Intrinsic dimension", columns);
        for (estimator, found) in &cross.estimates {
            let Ok(found) = found else { continue };
            let own = measured.estimate(estimator.name());
            let own = own.map_or("–".to_owned(), |own| format!("{:.2}", own.value));
            let interval = format!("{:.2} .. {:.2}", found.low, found.high);
            table = table.row([estimator.name().to_owned(), format!("{:.2}", found.value), interval, own])?;
        }
        section = section.table(table);
        for note in &cross.notes {
            section = section.paragraph(&format!("Note: {note}."));
        }
        let Some(found) = &cross.sharpness else { return Ok(section) };
        section = section.paragraph(&format!(
            "Label sharpness between the two: {:.3e}, over {} pairs of which one is in each; {} of them are \
             identical samples of different classes. Left the dataset's sample, right the query set's.",
            found.max, found.pairs_compared, found.contradictions
        ));
        let own_name = |i: usize| measured.named(i);
        let query_name = |i: usize| cross.named(i);
        let queries = Pictures::new(&cross.loaded, measured.args.preprocess().scale);
        let both = pictures.zip(queries.as_ref()).map(|(own, query)| [own, query]);
        pairs(section, &found.sharpest, [&own_name, &query_name], both)
    })
}
