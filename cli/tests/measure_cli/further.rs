//! What is asked for beyond the two numbers: curves, curation, one set against another.

use super::ran::{assert_fails, json, run};
use crate::make::{Folder, noise, npy};
use approx::assert_abs_diff_eq;
use serde_json::Value;
use sharpdim::Device;
use sharpdim::data::{Dataset, Loaded, Preprocess};
use sharpdim::measure::{
    CurationOptions, CurveOptions, Estimator, Mle, Near, cross_dim, cross_sharpness, curate, dimension_curves,
};

fn generated(per_class: usize, seed: u64) -> Loaded {
    let dataset = Dataset::generated(per_class, 64, seed).unwrap();
    dataset.load(&Preprocess { size: None, ..Preprocess::default() }, &|_| {}).unwrap()
}

/// Gray images of noise in two classes, 4 x 4 pixels: image 1 is image 0, of another class; images 2 and 3, of
/// different classes too, differ in one pixel by 1; images 4 and 6 are alike within one class.
fn with_duplicates() -> Folder {
    let folder = Folder::new();
    let mut pixels = noise(60 * 16, 5);
    pixels.copy_within(0..16, 16);
    pixels.copy_within(32..48, 48);
    pixels[48] ^= 1;
    pixels.copy_within(64..80, 96);
    folder.file("images.npy", npy("|u1", &[60, 4, 4], &pixels));
    folder.file("labels.npy", npy("|u1", &[60], &(0..60).map(|i| i % 2).collect::<Vec<u8>>()));
    folder
}

#[test]
fn curves_are_the_librarys() {
    let args = ["--per-class", "100", "--curves", "--estimator", "mle,twonn", "--device", "cpu"];
    let object = json(&args);
    let loaded = generated(100, 0);
    let points = loaded.samples.points().unwrap();
    let estimators = [Estimator::Mle(Mle::default()), Estimator::TwoNn(Default::default())];
    let options = CurveOptions::for_samples(200);
    let curves = dimension_curves(&Device::cpu(), &points, &estimators, &options, &|_| ()).unwrap();
    let printed = object["curves"].as_array().unwrap();
    assert_eq!(printed.len(), curves.len());
    for (curve, printed) in curves.iter().zip(printed) {
        assert_eq!(printed["estimator"], curve.estimator.name());
        assert_eq!(printed["warning"], serde_json::json!(curve.warning));
        assert!(["k", "samples"].contains(&printed["against"].as_str().unwrap()));
        let values: Vec<Option<f64>> =
            printed["points"].as_array().unwrap().iter().map(|point| point["value"].as_f64()).collect();
        assert_eq!(values, curve.points.iter().map(|point| Some(point.value)).collect::<Vec<_>>());
    }
    let table = run(&args).stdout;
    for word in ["Dimension against k", "Dimension against the number of samples"] {
        assert!(table.contains(word), "{word:?} is not in {table}");
    }
    assert!(object["seconds"]["curves"].is_f64());
    assert_eq!(json(&["--per-class", "20"])["curves"], Value::Null);
}

#[test]
fn curation_finds_what_is_there() {
    let folder = with_duplicates();
    let path = folder.path().to_str().unwrap();
    let args = [path, "--size", "none", "--scale", "none", "--near-duplicates", "2.5"];
    let object = json(&args);
    let curation = &object["curation"];
    assert_eq!(curation["near_radius"], 2.5);
    assert_eq!(curation["contradictions"][0]["samples"].to_string(), "[0,1]");
    assert_eq!(curation["contradictions"][0]["labels"].to_string(), r#"["0","1"]"#);
    let near: Vec<String> = curation["near_duplicates"]
        .as_array()
        .unwrap()
        .iter()
        .map(|group| group["samples"].to_string())
        .collect();
    assert_eq!(near, ["[0,1]", "[2,3]", "[4,6]"], "across classes first");
    assert_eq!(curation["near_duplicates"][1]["names"].to_string(), r#"["images.npy#2","images.npy#3"]"#);
    assert_eq!(curation["near_duplicates"][2]["classes"], 1);
    assert_eq!(curation["left_out"].to_string(), "[0,1,2,3]");
    assert_eq!(curation["all"]["max"], object["label_sharpness"]["max"]);
    assert_eq!(curation["all"]["max"], 1.0, "images 2 and 3");
    assert_eq!(curation["without_contradictions"]["samples"], 58);
    let rest = &curation["without_near_duplicates"];
    assert!(rest["samples"] == 56 && rest["max"].as_f64().unwrap() < 0.1, "{rest}");
    assert_eq!(curation["class_pairs"][0]["classes"].to_string(), r#"["0","1"]"#);

    let loaded = Dataset::open(folder.path()).unwrap();
    let how = Preprocess { size: None, scale: sharpdim::data::Scale::None, ..Preprocess::default() };
    let loaded = loaded.load(&how, &|_| {}).unwrap();
    let options = CurationOptions { top: 3, near: Near::Distance(2.5), ..CurationOptions::default() };
    let points = loaded.samples.points().unwrap();
    let found = curate(&Device::cpu(), &points, &loaded.labels, &options, &|_| ()).unwrap();
    for (at, (quantile, value)) in found.all.quantiles.iter().enumerate() {
        let printed = &curation["all"]["quantiles"][at];
        assert_eq!(printed["at"], *quantile);
        // The parser here rounds the last digit its own way.
        assert_abs_diff_eq!(printed["value"].as_f64().unwrap() / value, 1.0, epsilon = 1e-15);
    }
    let table = run(&args).stdout;
    for word in ["Across classes", "2 groups of samples within 2.5", "images.npy#2 (0), images.npy#3 (1)"] {
        assert!(table.contains(word), "{word:?} is not in {table}");
    }
    // A percentage is of the median nearest distance.
    let part = json(&[path, "--size", "none", "--scale", "none", "--near-duplicates", "10%"]);
    assert!(part["curation"]["near_radius"].as_f64().unwrap() > 2.5);
    assert_eq!(json(&[path, "--size", "none"])["curation"], Value::Null);
}

#[test]
fn curation_is_on_the_page() {
    let folder = with_duplicates();
    let (path, page) = (folder.path().to_str().unwrap(), folder.path().join("page.html"));
    json(&[path, "--size", "none", "--near-duplicates", "2.5", "--report", page.to_str().unwrap()]);
    let html = std::fs::read_to_string(page).unwrap();
    for word in [
        "Contradictions and near-duplicates",
        "Near-duplicates across classes",
        "Near-duplicates within a class",
        "K_F and its quantiles",
        "without near-duplicates",
        "1 pairs of identical images have different labels",
        "4 of 60 have an identical twin",
    ] {
        assert!(html.contains(word), "{word:?} is not in the page");
    }
}

#[test]
fn more_than_two_classes_have_a_heatmap() {
    let folder = Folder::new();
    folder.file("data/images.npy", npy("|u1", &[60, 4, 4], &noise(960, 5)));
    folder.file("data/labels.npy", npy("|u1", &[60], &(0..60).map(|i| i % 4).collect::<Vec<u8>>()));
    let (data, charts) = (folder.path().join("data"), folder.path().join("charts"));
    let [data, charts] = [&data, &charts].map(|path| path.to_str().unwrap());
    let object = json(&[data, "--size", "none", "--figures", charts]);
    assert_eq!(object["curation"]["class_pairs"].as_array().unwrap().len(), 6);
    assert!(std::path::Path::new(charts).join("class-pairs.svg").exists());
}

/// The numbers are the library's; classes are matched by name.
#[test]
fn a_query_set_is_measured_against_the_dataset() {
    let folder = Folder::new();
    // The same classes, listed the other way round.
    for (name, count, seed, classes) in [("own", 60, 1, ["a", "b"]), ("query", 30, 2, ["b", "a"])] {
        folder.file(&format!("{name}/images.npy"), npy("|u1", &[count, 4, 4], &noise(16 * count, seed)));
        let label = |i: usize| if classes[i % 2] == "a" { 3 } else { 5 };
        folder.file(
            &format!("{name}/labels.npy"),
            npy("|u1", &[count], &(0..count).map(label).collect::<Vec<u8>>()),
        );
    }
    let [own, query] = ["own", "query"].map(|name| folder.path().join(name).to_str().unwrap().to_owned());
    let page = folder.path().join("page.html").to_str().unwrap().to_owned();
    let common = ["--size", "none", "--estimator", "mle,twonn,tle", "--device", "cpu", "--report", &page];
    let args = [&[own.as_str(), "--query", &query], &common[..]].concat();
    let object = json(&args);
    let found = &object["query"];
    assert_eq!((&found["name"], &found["n"]), (&"query".into(), &30.into()));

    let load = |path: &str| {
        let how = Preprocess { size: None, ..Preprocess::default() };
        Dataset::open(path.as_ref()).unwrap().load(&how, &|_| {}).unwrap()
    };
    let (own, query) = (load(&own), load(&query));
    let (reference, queries, cpu) =
        (own.samples.points().unwrap(), query.samples.points().unwrap(), Device::cpu());
    let mle = cross_dim(&cpu, &queries, &reference, &Estimator::Mle(Mle::default())).unwrap();
    assert_eq!(found["intrinsic_dim"]["mle"]["value"], mle.value);
    assert!(found["intrinsic_dim"]["tle"].is_null(), "it looks at neighbours among themselves");
    assert!(found["notes"][0].as_str().unwrap().starts_with("no tle: "), "{}", found["notes"]);
    let sharpness =
        cross_sharpness(&cpu, &reference, &own.labels, &queries, &query.labels, 6, &|_| ()).unwrap();
    assert_eq!(found["label_sharpness"]["max"], sharpness.max);
    let first = &found["label_sharpness"]["sharpest"][0];
    assert_eq!(first["pair"], serde_json::json!(sharpness.sharpest[0].pair));
    assert_ne!(first["labels"][0], first["labels"][1]);
    assert!(run(&args).stdout.contains("From the query set"));
    assert!(std::fs::read_to_string(&page).unwrap().contains("Label sharpness between the two"));

    // A query set may be of one class; where its name is taken it is called by its role.
    let named = format!("own={}", folder.path().join("query").display());
    let one = json(&[args[0], "--size", "none", "--query", &named, "--classes", "query:3"]);
    assert_eq!((&one["query"]["n"], &one["query"]["name"]), (&15.into(), &"query".into()));
    assert_eq!(one["n"], 60);
}

#[test]
fn what_makes_no_sense_together() {
    let wrong: [(&[&str], &[&str]); 6] = [
        (&["--query", "b"], &["[NAME=]PATH"]),
        (&["a", "b", "--query", "c"], &["--query measures one dataset", "of the 2 named here, name one"]),
        (&["a", "--query-split", "test"], &["--query"]),
        (&["--near-duplicates", "-1"], &["-1"]),
        (&["--near-duplicates", "0"], &["--near-duplicates", "a distance above 0", "50%"]),
        (&["--near-duplicates", "close"], &["--near-duplicates", "a distance above 0", "50%"]),
    ];
    for (args, words) in wrong {
        assert_fails(args, 2, words);
    }
}

#[test]
fn query_sets_that_do_not_fit() {
    let folder = Folder::new();
    let labels = npy("|u1", &[30], &(0..30).map(|i| i % 2).collect::<Vec<u8>>());
    for (name, side, seed) in [("own", 4, 1), ("kin", 4, 2), ("other", 5, 1)] {
        folder.file(
            &format!("{name}/images.npy"),
            npy("|u1", &[30, side, side], &noise(30 * side * side, seed)),
        );
        folder.file(&format!("{name}/labels.npy"), &labels);
    }
    let [own, kin, other] =
        ["own", "kin", "other"].map(|name| folder.path().join(name).to_str().unwrap().to_owned());
    let words = ["--query other: its samples have 25 values, those of the dataset 16", "--size"];
    assert_fails(&[&own, "--query", &other, "--size", "none"], 1, &words);
    assert_fails(&[&own, "--query", "/no/such/place"], 1, &["--query place: ", "/no/such/place"]);
    // Resized, they fit: as pixels, since their embeddings would be of two kinds.
    let object = json(&[&own, "--query", &other, "--size", "6", "--device", "cpu"]);
    assert!(object["embedding"].is_null());
    assert_eq!(object["query"]["intrinsic_dim"]["mle"]["value"], cross_mle(&own, &other));
    // With one of their own kind both are embedded.
    let object = json(&[&own, "--query", &kin, "--size", "6", "--device", "cpu"]);
    assert_eq!(object["embedding"]["dim"], 16);
    let (got, want) =
        (object["query"]["intrinsic_dim"]["mle"]["value"].as_f64().unwrap(), cross_mle(&own, &kin));
    assert_abs_diff_eq!(got / want, 1.0, epsilon = 1e-5);
}

/// Of images that are resized to 6 x 6 pixels.
fn cross_mle(own: &str, query: &str) -> f64 {
    let load = |path: &str| {
        let how = Preprocess { size: Some((6, 6)), ..Preprocess::default() };
        Dataset::open(path.as_ref()).unwrap().load_pixels(&how, &|_| {}).unwrap()
    };
    let (own, query) = (load(own), load(query));
    let (reference, queries) = (own.samples.points().unwrap(), query.samples.points().unwrap());
    cross_dim(&Device::cpu(), &queries, &reference, &Estimator::Mle(Mle::default())).unwrap().value
}
