//! The files that `measure` writes: the page is well-formed and holds what it should, per-sample values are the
//! library's, and what cannot be written is refused before any work.

use super::ran::{assert_fails, json, run};
use crate::make::{Folder, noise, npy, png};
use sharpdim::Device;
use sharpdim::data::{Dataset, Preprocess};
use sharpdim::measure::{Estimator, Mle, intrinsic_dim};
use sharpdim::ops::neighbours;
use std::path::Path;

/// A file's name in a folder, as an argument.
fn into(folder: &Folder, name: &str) -> String {
    folder.path().join(name).to_str().unwrap().to_owned()
}

/// The page's headings and its text, by an XML parser.
struct Read {
    headings: Vec<String>,
    text: String,
    images: usize,
    charts: usize,
}

#[track_caller]
fn read(path: &str) -> Read {
    let html = std::fs::read_to_string(path).expect("the page is there");
    let options = roxmltree::ParsingOptions { allow_dtd: true, ..Default::default() };
    let page = roxmltree::Document::parse_with_options(&html, options).expect("the page is well-formed");
    let named = |names: &'static [&'static str]| {
        page.descendants().filter(move |node| names.contains(&node.tag_name().name()))
    };
    assert_eq!(named(&["script", "link", "iframe", "object"]).count(), 0);
    for node in page.descendants() {
        assert!(node.attributes().all(|attribute| !attribute.name().starts_with("on")), "{node:?}");
    }
    let text = |node: roxmltree::Node| {
        node.descendants().filter_map(|node| node.text().filter(|_| node.is_text())).collect::<String>()
    };
    Read {
        headings: named(&["h1", "h2", "h3"]).map(text).collect(),
        text: text(page.root_element()),
        images: named(&["img"]).count(),
        charts: named(&["svg"]).count(),
    }
}

#[track_caller]
fn assert_has(page: &Read, headings: &[&str]) {
    for heading in headings {
        assert!(page.headings.iter().any(|own| own == heading), "no {heading:?} in {:?}", page.headings);
    }
}

#[test]
fn the_page_holds_every_section() {
    let folder = Folder::new();
    let path = into(&folder, "page.html");
    std::fs::write(&path, "what was there before").unwrap();
    let object = json(&["--per-class", "60", "--report", &path, "--device", "cpu"]);
    assert_eq!(object["written"][0], path);
    let page = read(&path);
    assert_has(
        &page,
        &[
            "generated images: intrinsic dimension and label sharpness",
            "At a glance",
            "What was measured, and how",
            "Intrinsic dimension",
            "Least and most complex images",
            "The sharpest pairs",
            "How to read this",
        ],
    );
    assert!(page.images >= 22 && page.charts >= 2, "{} images, {} charts", page.images, page.charts);
    // All estimators are measured for it, and its numbers are those of JSON.
    assert_eq!(object["intrinsic_dim"].as_object().unwrap().len(), Estimator::all().len());
    for estimate in object["intrinsic_dim"].as_object().unwrap().values() {
        assert!(page.text.contains(&format!("{:.2}", estimate["value"].as_f64().unwrap())));
    }
    let sharpness = &object["label_sharpness"];
    assert!(page.text.contains(&format!("{:.2e}", sharpness["max"].as_f64().unwrap())));
    for name in sharpness["pair_names"].as_array().unwrap() {
        assert!(page.text.contains(name.as_str().unwrap()), "{name}");
    }
    assert!(page.text.contains(env!("CARGO_PKG_VERSION")));
    assert!(std::fs::metadata(&path).unwrap().len() < 2 << 20, "the page stays small");
}

/// Names of folders and files are text, whatever they look like.
#[test]
fn names_do_not_become_markup() {
    let folder = Folder::new();
    let hostile = "<script>alert(1)<∕script>&\"'";
    for i in 0..15 {
        folder.file(&format!("data/{hostile}/<b>{i}.png"), png(8, 8, i));
        folder.file(&format!("data/b/{i}.png"), png(8, 8, 100 + i));
    }
    let (data, path) = (into(&folder, "data"), into(&folder, "page.html"));
    let args = [&format!("<i>x={data}"), "--size", "none", "--report", &path];
    assert_eq!(run(&args).code, 0, "{}", run(&args).stderr);
    let page = read(&path);
    assert!(page.text.contains(hostile) && page.text.contains("<b>"), "{}", page.text);
    assert!(page.headings[0].starts_with("<i>x: "), "{:?}", page.headings);
}

#[test]
fn a_page_of_features_has_no_pictures() {
    let folder = Folder::new();
    folder.file("data/features.npy", npy("|u1", &[60, 6], &noise(360, 2)));
    folder.file("data/labels.npy", npy("|u1", &[60], &(0..60).map(|i| i % 2).collect::<Vec<u8>>()));
    let (data, path) = (into(&folder, "data"), into(&folder, "page.html"));
    json(&[&data, "--report", &path]);
    let page = read(&path);
    assert_eq!(page.images, 0);
    assert_has(&page, &["Least and most complex samples", "The sharpest pairs"]);
    // Without labels there is nothing about them.
    std::fs::remove_file(folder.path().join("data/labels.npy")).unwrap();
    assert_eq!(run(&[&data, "--report", &path]).code, 0);
    let page = read(&path);
    assert!(!page.headings.iter().any(|heading| heading == "The sharpest pairs"), "{:?}", page.headings);
    assert!(page.text.contains("without labels"));
}

/// Images that were resized, RGB, and floats with values of their own are shown too.
#[test]
fn images_are_shown_as_they_were_measured() {
    let folder = Folder::new();
    let values: Vec<u8> =
        noise(40 * 16, 3).iter().flat_map(|&v| (f32::from(v) / 255.0).to_le_bytes()).collect();
    folder.file("data/images.npy", npy("<f4", &[40, 4, 4], &values));
    folder.file("data/labels.npy", npy("|u1", &[40], &(0..40).map(|i| i % 2).collect::<Vec<u8>>()));
    let (data, path) = (into(&folder, "data"), into(&folder, "page.html"));
    for (args, word) in [
        (&["--size", "200"][..], "made smaller for this page (200 x 200 were measured)"),
        (&["--size", "none", "--scale", "none"], "1 and above white"),
        (&["--size", "30", "--rgb"], "30 x 30 RGB"),
    ] {
        json(&[&[&data, "--report", &path], args].concat());
        let page = read(&path);
        assert!(page.images > 20 && page.text.contains(word), "{word:?} is not in {}", page.text);
    }
}

#[test]
fn a_page_of_several_begins_with_their_comparison() {
    let folder = Folder::new();
    for name in ["one", "other"] {
        folder.file(&format!("{name}/images.npy"), npy("|u1", &[60, 4, 4], &noise(960, name.len() as u32)));
        let labels: Vec<u8> = (0..60).map(|i| i % 2).collect();
        folder.file(&format!("{name}/labels.npy"), npy("|u1", &[60], &labels));
    }
    let (one, other, path) = (into(&folder, "one"), into(&folder, "other"), into(&folder, "page.html"));
    let figures = into(&folder, "charts");
    let args = [&one, &other, "--size", "none", "--report", &path, "--figures", &figures];
    let object = json(&args);
    let page = read(&path);
    assert_eq!(page.headings[1], "Comparison");
    assert_has(&page, &["one", "other", "At a glance"]);
    let written: Vec<&str> =
        object["written"].as_array().unwrap().iter().map(|file| file.as_str().unwrap()).collect();
    for name in
        ["datasets", "dimensions", "1-one-estimators", "2-other-estimators", "2-other-local-dimension"]
    {
        for ending in ["svg", "png"] {
            let file = Path::new(&figures).join(format!("{name}.{ending}"));
            assert!(file.exists() && written.contains(&file.to_str().unwrap()), "{}", file.display());
        }
    }
}

#[test]
fn charts_are_svg_and_png() {
    let folder = Folder::new();
    let figures = into(&folder, "charts");
    json(&["--per-class", "40", "--figures", &figures]);
    for name in ["estimators", "local-dimension"] {
        let svg = std::fs::read_to_string(Path::new(&figures).join(format!("{name}.svg"))).unwrap();
        roxmltree::Document::parse(&svg).expect("SVG is XML");
        let png = std::fs::read(Path::new(&figures).join(format!("{name}.png"))).unwrap();
        assert!(image::load_from_memory(&png).unwrap().width() > 100);
    }
    // A folder that is there is used.
    assert_eq!(run(&["--per-class", "40", "--figures", &figures]).code, 0);
}

/// The same values in CSV, in NPY and from the library.
#[test]
fn per_sample_values_are_the_librarys() {
    let folder = Folder::new();
    let (csv, npy) = (into(&folder, "points.csv"), into(&folder, "points.npy"));
    let common = ["--per-class", "40", "--estimator", "mle,twonn,tle", "--device", "cpu"];
    for file in [&csv, &npy] {
        json(&[&common[..], &["--points", file]].concat());
    }
    let loaded = Dataset::generated(40, 64, 0).unwrap();
    let loaded = loaded.load(&Preprocess { size: None, ..Preprocess::default() }, &|_| {}).unwrap();
    let (points, cpu) = (loaded.samples.points().unwrap(), Device::cpu());
    let mle = intrinsic_dim(&cpu, &points, &Estimator::Mle(Mle::default())).unwrap();
    let nearest = neighbours(&cpu, &points, 79).unwrap();

    let text = std::fs::read_to_string(csv).unwrap();
    let rows: Vec<Vec<&str>> = text.lines().map(|line| line.split(',').collect()).collect();
    // TwoNN has no value of a single sample.
    let header = "index,name,class,label,mle,tle,nearest_distance,nearest,nearest_differing_distance";
    assert_eq!(rows[0].join(","), header);
    assert_eq!(rows.len(), 81);

    let bytes = std::fs::read(npy).unwrap();
    let length = 10 + u16::from_le_bytes([bytes[8], bytes[9]]) as usize;
    let fields = std::str::from_utf8(&bytes[10..length]).unwrap();
    assert!(length.is_multiple_of(64) && fields.ends_with('\n'));
    assert!(
        fields.contains("'shape': (80,)")
            && fields.contains("('index', '<i8'), ('label', '<i8'), ('mle', '<f8')")
    );
    let record = |i: usize, at: usize| {
        let from = length + (i * 7 + at) * 8;
        <[u8; 8]>::try_from(&bytes[from..from + 8]).unwrap()
    };
    assert_eq!(bytes.len(), length + 80 * 7 * 8);
    for (i, row) in rows[1..].iter().enumerate() {
        let number = |at: usize| row[at].parse::<f64>().unwrap();
        assert_eq!(
            (row[0], row[1], row[2]),
            (&*i.to_string(), &*loaded.names[i], ["clear", "lesion"][i % 2])
        );
        assert_eq!((number(4), f64::from_le_bytes(record(i, 2))), (mle.local[i], mle.local[i]));
        let distance = nearest.squared_distances(i)[0].sqrt();
        assert_eq!((number(6), f64::from_le_bytes(record(i, 4))), (distance, distance));
        let first = nearest.indices(i)[0];
        assert_eq!((row[7], i64::from_le_bytes(record(i, 5))), (&*first.to_string(), first.into()));
        let differs = |&(_, &j): &(usize, &u32)| loaded.labels[j as usize] != loaded.labels[i];
        match nearest.indices(i).iter().enumerate().find(differs) {
            Some((at, _)) if !row[8].is_empty() => {
                assert_eq!(number(8), nearest.squared_distances(i)[at].sqrt());
                assert_eq!(number(8), f64::from_le_bytes(record(i, 6)));
            }
            // It is not among the neighbours that the estimators read, 20 at least.
            Some((at, _)) => assert!(at >= 20 && f64::from_le_bytes(record(i, 6)).is_nan()),
            None => unreachable!("there are two classes"),
        }
    }
}

/// Several datasets are one table; names that would break a line are quoted.
#[test]
fn per_sample_values_of_several() {
    let folder = Folder::new();
    for name in ["a,b", "other"] {
        for i in 0..15 {
            folder.file(&format!("{name}/x/{i}.png"), png(8, 8, i));
            folder.file(&format!("{name}/y \"z\"/{i}.png"), png(8, 8, 100 + i));
        }
    }
    let (one, other, csv) = (into(&folder, "a,b"), into(&folder, "other"), into(&folder, "points.csv"));
    json(&[&one, &other, "--size", "none", "--points", &csv]);
    let text = std::fs::read_to_string(csv).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    assert!(lines[0].starts_with("dataset_name,dataset,index,name,class,label,mle,"));
    assert_eq!(lines.len(), 1 + 60);
    assert!(lines[1].starts_with("\"a,b\",0,0,x/0.png,x,0,"), "{}", lines[1]);
    assert!(lines[60].starts_with("other,1,29,\"y \"\"z\"\"/9.png\",\"y \"\"z\"\"\",1,"), "{}", lines[60]);
}

/// Before anything is opened: the path of the dataset is wrong too, and not what is complained of.
#[test]
fn what_cannot_be_written_is_refused_first() {
    let folder = Folder::new();
    let file = folder.file("file", "not a folder");
    let (gone, inside) = (into(&folder, "gone/page.html"), file.join("page.html"));
    let missing = "/no/such/place";
    assert_fails(&[missing, "--report", &gone], 1, &["--report", "there is no folder", "gone"]);
    assert_fails(
        &[missing, "--points", &into(&folder, "gone/p.csv")],
        1,
        &["--points", "there is no folder"],
    );
    assert_fails(&[missing, "--figures", &into(&folder, "gone/figures")], 1, &["--figures", "no folder"]);
    assert_fails(&[missing, "--report", inside.to_str().unwrap()], 1, &["--report", "is no folder"]);
    assert_fails(&[missing, "--figures", file.to_str().unwrap()], 1, &["--figures", "is no folder"]);
    std::fs::create_dir(folder.path().join("taken.html")).unwrap();
    assert_fails(&[missing, "--report", &into(&folder, "taken.html")], 1, &["is a folder"]);
    assert_fails(
        &[missing, "--report", "/proc/page.html"],
        1,
        &["--report", "nothing can be written into /proc"],
    );
    // Nothing is left of a run that failed later.
    let page = into(&folder, "page.html");
    assert_fails(&[missing, "--report", &page], 1, &[missing]);
    assert!(!Path::new(&page).exists());
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 2);
}
