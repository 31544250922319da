//! Reports from outside: well-formed, self-contained, with every text escaped, and written whole or not at all.
#![cfg(feature = "figures")]

use base64::{Engine, engine::general_purpose::STANDARD};
use sharpdim::Error;
use sharpdim::figure::{Axis, Lines, Series, Size};
use sharpdim::report::{Column, Page, Picture, Section, Table};

const HOSTILE: &str = "\"><script src='https://x.test/a.js'></script><img onerror=alert(1)>&amp;\u{1}";

fn picture(caption: &str) -> Picture {
    let pixels: Vec<u8> = (0..12 * 9 * 3).map(|i| (i * 5 % 256) as u8).collect();
    Picture::new(&pixels, 12, 9, 3, caption).unwrap()
}

/// A page with one of everything, all its texts `text`.
fn page(text: &str) -> Page {
    let figure = Lines::new(text, Axis::linear(text), Axis::linear(text))
        .series(Series::new(text, &[1.0, 2.0], &[3.0, 5.0]))
        .draw(Size::default())
        .unwrap();
    let table = Table::new(text, [Column::text(text), Column::number(text)]).row([text, text]).unwrap();
    let section = Section::new(text)
        .paragraph(text)
        .warning(text)
        .facts(text, [(text, text)])
        .table(table)
        .figure(&figure, text)
        .headline([(text, text, text)])
        .glossary([(text, text)])
        .gallery([picture(text), picture(text)])
        .groups([(vec![picture(text), picture(text), picture(text)], text)])
        .subsection(Section::new(text).paragraph(text))
        .pair(picture(text), picture(text), text);
    Page::new(text).section(section).section(Section::new(text)).section(Section::new(text))
}

fn parse(html: &str) -> roxmltree::Document<'_> {
    let options = roxmltree::ParsingOptions { allow_dtd: true, ..Default::default() };
    roxmltree::Document::parse_with_options(html, options).expect("the page is well-formed")
}

fn count(document: &roxmltree::Document, tag: &str) -> usize {
    document.descendants().filter(|node| node.tag_name().name() == tag).count()
}

#[test]
fn a_page_is_well_formed_and_has_what_was_put_in() {
    let html = page("a name").html();
    if let Some(folder) = std::env::var_os("SHARPDIM_FIGURES") {
        page("a name").write(&std::path::PathBuf::from(folder).join("report.html")).unwrap();
    }
    let document = parse(&html);
    let expected = [
        ("section", 3),
        ("table", 2),
        ("svg", 1),
        ("img", 7),
        ("figcaption", 5),
        ("dl", 2),
        ("h3", 1),
        ("h1", 1),
        ("h2", 3),
        ("nav", 1),
    ];
    for (tag, expected) in expected {
        assert_eq!(count(&document, tag), expected, "{tag}");
    }
    for node in document.descendants().filter(|node| node.tag_name().name() == "img") {
        assert_eq!(node.attribute("alt"), Some("a name"));
    }
    for node in document.descendants().filter(|node| node.tag_name().name() == "th") {
        assert!(matches!(node.attribute("scope"), Some("row" | "col")));
    }
    let svg = document.descendants().find(|node| node.tag_name().name() == "svg").unwrap();
    assert_eq!((svg.attribute("role"), svg.attribute("aria-label")), (Some("img"), Some("a name")));
    let ids: Vec<_> = document.descendants().filter_map(|node| node.attribute("id")).collect();
    assert_eq!(ids, ["section-0", "section-1", "section-2"]);
}

#[test]
fn no_text_becomes_markup() {
    let html = page(HOSTILE).html();
    let document = parse(&html);
    let plain = page("a name").html();
    let plain = parse(&plain);
    assert_eq!(count(&document, "script"), 0);
    let tags = |document: &roxmltree::Document| -> Vec<String> {
        document
            .descendants()
            .map(|node| node.tag_name().name().to_string())
            .filter(|tag| !tag.is_empty())
            .collect()
    };
    assert_eq!(tags(&document), tags(&plain), "hostile text changed the page's elements");
    for node in document.descendants() {
        assert!(node.attributes().all(|attribute| !attribute.name().starts_with("on")), "{node:?}");
    }
    assert!(html.contains("&amp;amp;") && !html.contains('\u{1}'));
}

#[test]
fn a_page_needs_nothing_besides_itself() {
    let html = page("a name").html();
    for resource in ["http:", "https:", "//", "<link", "<script", "url(", "@import"] {
        assert!(!html.contains(resource) || base64_only(&html, resource), "{resource} is in the page");
    }
    for node in parse(&html).descendants() {
        if let Some(source) = node.attribute("src") {
            assert!(source.starts_with("data:image/png;base64,"));
        }
        if let Some(target) = node.attribute("href") {
            assert!(target.starts_with('#'));
        }
    }
}

/// Whether a text is in the page only within encoded images, where slashes are digits.
fn base64_only(html: &str, text: &str) -> bool {
    let outside =
        html.split("data:image/png;base64,").map(|part| part.split_once('"').map_or(part, |(_, rest)| rest));
    text == "//" && !outside.skip(1).any(|part| part.contains(text))
}

#[test]
fn an_image_in_the_page_has_the_pixels_given() {
    let gray: Vec<u8> = (0..35).map(|i| i * 7).collect();
    let page =
        Page::new("t").section(Section::new("s").gallery([Picture::new(&gray, 7, 5, 1, "a ramp").unwrap()]));
    let html = page.html();
    let (_, encoded) = html.split_once("base64,").unwrap();
    let png = STANDARD.decode(encoded.split_once('"').unwrap().0).unwrap();
    let image = image::load_from_memory(&png).unwrap();
    assert_eq!((image.width(), image.height()), (5, 7));
    assert_eq!(image.to_luma8().into_raw(), gray);
}

#[test]
fn what_does_not_fit_is_an_error_that_says_why() {
    let refused = [
        (Picture::new(&[0; 12], 2, 2, 3, "p").err(), None),
        (Picture::new(&[0; 11], 2, 2, 3, "p").err(), Some("picture \"p\": 11 bytes are not 2 x 2 x 3")),
        (Picture::new(&[0; 8], 2, 2, 2, "p").err(), Some("2 channels; it must be 1, gray, or 3, RGB")),
        (Picture::new(&[], 0, 2, 1, "p").err(), Some("0 x 2 is not the size of an image")),
        (Picture::new(&[], usize::MAX, usize::MAX, 1, "p").err(), Some("is not the size of an image")),
        (
            Table::new("t", [Column::text("a"), Column::number("b")]).row(["1"]).err(),
            Some("table \"t\", row 0: 1 cells for 2 columns"),
        ),
    ];
    for (error, expected) in refused {
        let message = error.map(|e| e.to_string());
        match expected {
            None => assert_eq!(message, None),
            Some(expected) => {
                assert!(message.as_deref().unwrap_or("").contains(expected), "{message:?}: {expected}")
            }
        }
    }
}

#[test]
fn a_page_is_written_whole_or_not_at_all() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("report.html");
    std::fs::write(&path, "the page before").unwrap();
    page("a name").write(&path).unwrap();
    assert_eq!(std::fs::read_to_string(&path).unwrap(), page("a name").html());
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "nothing is left beside it");

    // A folder cannot be replaced by a file: the last step fails, and all is as it was.
    let taken = folder.path().join("taken.html");
    std::fs::create_dir(&taken).unwrap();
    std::fs::write(taken.join("kept"), "").unwrap();
    let failed = page("a name").write(&taken).unwrap_err();
    assert!(matches!(&failed, Error::Io { path, .. } if *path == taken), "{failed}");
    assert!(taken.join("kept").exists());
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 2, "nothing is left beside it");

    let nowhere = folder.path().join("no such folder/report.html");
    assert!(matches!(page("a name").write(&nowhere), Err(Error::Io { .. })));
    assert!(matches!(page("a name").write("..".as_ref()), Err(Error::Argument(_))));
}
