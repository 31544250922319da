//! Reports: one HTML page that holds everything it shows, for a browser without a network and for print.
//! No scripts; all text, as file and class names, is escaped.
//!
//! ```
//! use sharpdim::figure::{Axis, Histogram, Size};
//! use sharpdim::report::{Column, Page, Picture, Section, Table};
//!
//! let pixels: Vec<u8> = (0..64).map(|i| i * 4).collect();
//! let picture = || Picture::new(&pixels, 8, 8, 1, "a ramp from black to white");
//! let table = Table::new("Datasets", [Column::text("dataset"), Column::number("dimension")])
//!     .row(["MNIST", "12.4"])?
//!     .row(["CIFAR-10", "24.1"])?;
//! let chart = Histogram::new("Local", Axis::linear("dimension"), "images", &[2.0, 2.5]).draw(Size::default())?;
//! let page = Page::new("What was measured").section(
//!     Section::new("Dimension")
//!         .paragraph("By the estimator of Levina and Bickel.")
//!         .facts("Setting", [("k", "20"), ("images", "1000")])
//!         .table(table)
//!         .warning("two images are equal")
//!         .headline([("12.4", "intrinsic dimension", "12.2 .. 12.6")])
//!         .pair(picture()?, picture()?, "the sharpest pair")
//!         .pairs([(picture()?, picture()?, "the next")])
//!         .gallery([picture()?])
//!         .groups([(vec![picture()?, picture()?, picture()?], "near duplicates")])
//!         .figure(&chart, "the dimension at each image")
//!         .subsection(Section::new("By class").glossary([("3", "a digit"), ("8", "another")])),
//! );
//! assert!(page.html().starts_with("<!DOCTYPE html>"));
//! # let folder = tempfile::tempdir().unwrap();
//! # let path = folder.path().join("report.html");
//! page.write(&path)?;
//! # Ok::<(), sharpdim::Error>(())
//! ```

mod picture;
mod table;

pub use picture::Picture;
pub use table::{Column, Table};

use crate::Result;
use crate::figure::{Figure, escaped};
use std::fmt::Write;
use std::path::Path;

/// A page under construction: a title, then sections.
#[derive(Debug, Clone)]
pub struct Page {
    title: String,
    sections: Vec<Section>,
}

/// A part of a [`Page`] with a heading; its contents stand in the order in which they were added.
#[derive(Debug, Clone)]
pub struct Section {
    title: String,
    html: String,
}

impl Page {
    /// A page without sections yet.
    pub fn new(title: impl Into<String>) -> Self {
        Page { title: title.into(), sections: Vec::new() }
    }

    /// One section more.
    pub fn section(mut self, section: Section) -> Self {
        self.sections.push(section);
        self
    }

    /// The whole page: HTML that is well-formed XML too, and needs nothing besides itself.
    pub fn html(&self) -> String {
        let title = escaped(&self.title);
        let mut out = format!(
            r#"<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8"/>
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; img-src data:; style-src 'unsafe-inline'"/>
<meta name="viewport" content="width=device-width, initial-scale=1"/>
<title>{title}</title>
<style>
{}</style>
</head>
<body>
<header>
<h1>{title}</h1>
"#,
            include_str!("page.css")
        );
        if self.sections.len() > 2 {
            out += "<nav aria-label=\"Sections\"><ul>\n";
            for (i, section) in self.sections.iter().enumerate() {
                _ = writeln!(out, "<li><a href=\"#section-{i}\">{}</a></li>", escaped(&section.title));
            }
            out += "</ul></nav>\n";
        }
        out += "</header>\n<main>\n";
        for (i, section) in self.sections.iter().enumerate() {
            _ = writeln!(out, "<section id=\"section-{i}\">\n<h2>{}</h2>", escaped(&section.title));
            _ = writeln!(out, "{}</section>", section.html);
        }
        out + "</main>\n</body>\n</html>\n"
    }

    /// Writes the page, whole or not at all: a page that was there stays until this one is on disk.
    ///
    /// # Errors
    ///
    /// [`crate::Error::Io`] where it cannot be written.
    pub fn write(&self, path: &Path) -> Result<()> {
        crate::whole_file::write(path, self.html().as_bytes())
    }
}

impl Section {
    /// A section without contents yet.
    pub fn new(title: impl Into<String>) -> Self {
        Section { title: title.into(), html: String::new() }
    }

    /// A paragraph of text.
    pub fn paragraph(mut self, text: &str) -> Self {
        _ = writeln!(self.html, "<p>{}</p>", escaped(text));
        self
    }

    /// A box that stands out: what makes the numbers doubtful.
    pub fn warning(mut self, text: &str) -> Self {
        _ = writeln!(
            self.html,
            "<div class=\"warning\" role=\"note\"><strong>Warning:</strong> {}</div>",
            escaped(text)
        );
        self
    }

    /// The few numbers that matter most, large: each with its name, and what qualifies it, as an interval.
    pub fn headline<S: AsRef<str>>(mut self, numbers: impl IntoIterator<Item = (S, S, S)>) -> Self {
        self.html += "<dl class=\"headline\">\n";
        for (value, name, detail) in numbers {
            let [value, name, detail] = [&value, &name, &detail].map(|text| escaped(text.as_ref()));
            _ = writeln!(
                self.html,
                "<div><dt>{name}</dt><dd class=\"value\">{value}</dd><dd>{detail}</dd></div>"
            );
        }
        self.html += "</dl>\n";
        self
    }

    /// Words with what they mean.
    pub fn glossary<S: AsRef<str>>(mut self, words: impl IntoIterator<Item = (S, S)>) -> Self {
        self.html += "<dl class=\"glossary\">\n";
        for (word, meaning) in words {
            let (word, meaning) = (escaped(word.as_ref()), escaped(meaning.as_ref()));
            _ = writeln!(self.html, "<dt>{word}</dt><dd>{meaning}</dd>");
        }
        self.html += "</dl>\n";
        self
    }

    /// A section within this one, below all that was added before.
    pub fn subsection(mut self, section: Section) -> Self {
        _ = writeln!(self.html, "<h3>{}</h3>\n{}", escaped(&section.title), section.html);
        self
    }

    /// Names with their values, one to a line: settings, single numbers.
    pub fn facts<K: AsRef<str>, V: AsRef<str>>(
        mut self,
        caption: &str,
        facts: impl IntoIterator<Item = (K, V)>,
    ) -> Self {
        self.html += &table::facts(caption, facts);
        self
    }

    /// A table.
    pub fn table(mut self, table: Table) -> Self {
        self.html += &table.html();
        self
    }

    /// A chart, always on white.
    pub fn figure(mut self, figure: &Figure, caption: &str) -> Self {
        let (svg, caption) = (figure.svg_in_html(), escaped(caption));
        _ = writeln!(self.html, "<figure>\n{svg}<figcaption>{caption}</figcaption>\n</figure>");
        self
    }

    /// Images in rows, each with its caption.
    pub fn gallery(mut self, pictures: impl IntoIterator<Item = Picture>) -> Self {
        let figures: String =
            pictures.into_iter().map(|picture| framed(&[&picture], &picture.caption)).collect();
        _ = writeln!(self.html, "<div class=\"gallery\">\n{figures}</div>");
        self
    }

    /// Groups of images that belong together, in rows: the images, each with its caption as its text for those
    /// who cannot see it, and the group's caption.
    pub fn groups<S: AsRef<str>>(mut self, groups: impl IntoIterator<Item = (Vec<Picture>, S)>) -> Self {
        let figure = |(pictures, caption): (Vec<Picture>, S)| {
            framed(&pictures.iter().collect::<Vec<_>>(), caption.as_ref())
        };
        let figures: String = groups.into_iter().map(figure).collect();
        _ = writeln!(self.html, "<div class=\"gallery\">\n{figures}</div>");
        self
    }

    /// Two images side by side, each with its caption as its text for those who cannot see it, and one caption
    /// for both.
    pub fn pair(self, left: Picture, right: Picture, caption: &str) -> Self {
        self.pairs([(left, right, caption)])
    }

    /// Pairs in rows: left, right, and the pair's caption.
    pub fn pairs<S: AsRef<str>>(self, pairs: impl IntoIterator<Item = (Picture, Picture, S)>) -> Self {
        self.groups(pairs.into_iter().map(|(left, right, caption)| (vec![left, right], caption)))
    }
}

/// Writes a file whole or not at all: what was at the path stays until all of `content` is on disk.
///
/// # Errors
///
/// [`crate::Error::Io`] where it cannot be written, [`crate::Error::Argument`] where `path` names no file.
///
/// ```
/// # let folder = tempfile::tempdir().unwrap();
/// # let path = folder.path().join("results.json");
/// sharpdim::report::write_whole(&path, b"{}")?;
/// assert_eq!(std::fs::read(&path).unwrap(), b"{}");
/// # Ok::<(), sharpdim::Error>(())
/// ```
pub fn write_whole(path: &Path, content: &[u8]) -> Result<()> {
    crate::whole_file::write(path, content)
}

/// Pictures with one caption.
fn framed(pictures: &[&Picture], caption: &str) -> String {
    let images: String = pictures.iter().map(|picture| picture.html()).collect();
    let class = if pictures.len() == 1 { " class=\"one\"" } else { "" };
    let caption = escaped(caption);
    format!(
        "<figure>\n<div class=\"images\">{images}</div>\n<figcaption{class}>{caption}</figcaption>\n</figure>\n"
    )
}
