//! The page of `--report`: for one dataset its sections; for several the comparison first, then each.

mod complexity;
mod cross;
mod curation;
mod dimension;
mod glance;
mod glossary;
mod method;
mod pictures;
mod sharpness;

use crate::measure::args::Args;
use crate::measure::charts::{self, Chart};
use crate::measure::compare::{self, Summary};
use crate::measure::measured::Measured;
use pictures::Pictures;
use sharpdim::Result;
use sharpdim::figure::Figure;
use sharpdim::report::{Column, Page, Section, Table};

/// A dataset's part of the page, with its charts by the names of their files.
#[derive(Default)]
pub struct Part {
    name: String,
    sections: Vec<(&'static str, Section)>,
    charts: Vec<(&'static str, Figure)>,
}

impl Part {
    fn section(
        &mut self,
        title: &'static str,
        fill: impl FnOnce(&mut Self, Section) -> Result<Section>,
    ) -> Result<()> {
        let section = fill(self, Section::new(title))?;
        self.sections.push((title, section));
        Ok(())
    }

    /// Puts a chart into a section, and keeps it for its file.
    fn chart(&mut self, section: Section, chart: Option<Chart>) -> Section {
        let Some(Chart { file, figure, caption }) = chart else { return section };
        let section = section.figure(&figure, &caption);
        self.charts.push((file, figure));
        section
    }
}

/// All that the page says of one dataset.
pub fn part(measured: &Measured) -> Result<Part> {
    let mut part = Part { name: measured.name.clone(), ..Part::default() };
    let scale = measured.args.preprocess().scale;
    let pictures = Pictures::new(&measured.loaded, scale);
    glance::add(&mut part, measured)?;
    method::add(&mut part, measured)?;
    dimension::add(&mut part, measured)?;
    complexity::add(&mut part, measured, pictures.as_ref())?;
    sharpness::add(&mut part, measured, pictures.as_ref())?;
    curation::add(&mut part, measured, pictures.as_ref())?;
    cross::add(&mut part, measured, pictures.as_ref())?;
    Ok(part)
}

/// The page of one dataset or several.
pub fn page(args: &Args, summaries: &[&Summary], parts: &[&Part]) -> Result<Page> {
    let page = match parts {
        [only] => {
            let page = Page::new(format!("{}: intrinsic dimension and label sharpness", only.name));
            only.sections.iter().fold(page, |page, (_, section)| page.section(section.clone()))
        }
        several => {
            let page =
                Page::new(format!("{} datasets: intrinsic dimension and label sharpness", several.len()));
            let page = page.section(comparison(summaries)?);
            several.iter().fold(page, |page, part| {
                let whole = Section::new(part.name.clone());
                let sections = part.sections.iter();
                page.section(sections.fold(whole, |whole, (_, section)| whole.subsection(section.clone())))
            })
        }
    };
    Ok(page.section(glossary::section(&args.estimators())))
}

/// Every chart of the page, by the name of its file.
pub fn figures(summaries: &[&Summary], parts: &[&Part]) -> Result<Vec<(String, Figure)>> {
    if let [only] = parts {
        return Ok(only.charts.iter().map(|(file, figure)| ((*file).to_owned(), figure.clone())).collect());
    }
    let both = [charts::scatter(summaries)?, charts::bars(summaries)?];
    let mut figures: Vec<(String, Figure)> =
        both.into_iter().flatten().map(|chart| (chart.file.to_owned(), chart.figure)).collect();
    for (at, part) in parts.iter().enumerate() {
        // The number keeps apart names that differ only in what no file's name should have.
        let plain = |letter: char| if letter.is_ascii_alphanumeric() { letter } else { '_' };
        let name: String = part.name.chars().map(plain).take(60).collect();
        let named = |(file, figure): &(&str, Figure)| (format!("{}-{name}-{file}", at + 1), figure.clone());
        figures.extend(part.charts.iter().map(named));
    }
    Ok(figures)
}

fn comparison(summaries: &[&Summary]) -> Result<Section> {
    let mut section = Section::new("Comparison").paragraph(
        "All datasets were preprocessed alike, and measured with the same settings. Numbers of datasets that \
         were not are not to be set beside these.",
    );
    for caution in compare::cautions(summaries) {
        section = section.warning(&capital(&caution));
    }
    let columns = summaries.iter().map(|summary| Column::number(&summary.name));
    let columns: Vec<Column> = [Column::text("")].into_iter().chain(columns).collect();
    let mut table = Table::new("Datasets side by side", columns);
    for (name, cells) in compare::rows(summaries) {
        table = table.row([name].into_iter().chain(cells))?;
    }
    for chart in [charts::scatter(summaries)?, charts::bars(summaries)?].into_iter().flatten() {
        section = section.figure(&chart.figure, &chart.caption);
    }
    Ok(section.table(table))
}

/// The first letter large, as at the start of a sentence.
fn capital(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or(String::new(), |first| first.to_uppercase().collect::<String>() + letters.as_str())
}
