//! A study's figures and its page: every training is a mark, lines and words have the numbers that the observations were made with.

use roxmltree::Document;
use sharpdim::figure::Figure;
use sharpdim::study::{
    FIGURES, LawOptions, LayerCurve, Measurement, Observation, PUBLISHED, Penalty, Plan, Results, Store,
    VariantResult, draw, laws, write_report,
};

const SIZES: [usize; 3] = [500, 1000, 1750];

/// Two natural datasets and three of radiology, by two networks: log loss 0.1 and 0.3 times d_data, and a rise of the loss under
/// attack that is in line with K_F.
fn observations() -> Vec<Observation> {
    let sets = [
        ("mnist", "natural", 9.4, 1.6e-4),
        ("cifar10", "natural", 16.5, 0.63e-4),
        ("brats", "radiology", 11.1, 2.05e-4),
        ("oai", "radiology", 8.6, 3.4e-4),
        ("own", "radiology", 14.0, 2.6e-4),
    ];
    let mut all = Vec::new();
    for (dataset, domain, d, k_f) in sets {
        for model in ["resnet18", "vgg13"] {
            for train in SIZES {
                let slope = if domain == "natural" { 0.1 } else { 0.3 };
                // Sizes are apart by the same factor in each dataset: no slope on d changes by that.
                let log_loss: f64 = slope * d - 4.0 - train as f64 / 5000.0;
                let penalty = |epsilon: f64| Penalty {
                    attack: "fgsm".into(),
                    epsilon,
                    loss: 2e3 * epsilon * k_f,
                    accuracy: 1e3 * epsilon * k_f,
                };
                all.push(Observation {
                    dataset: dataset.into(),
                    domain: domain.into(),
                    model: model.into(),
                    train,
                    d_data: vec![("mle".into(), d), ("twonn".into(), d + 1.0)],
                    k_f: Some(k_f),
                    // Above the bound in one dataset.
                    d_repr: vec![
                        ("twonn".into(), if dataset == "oai" { d + 2.0 } else { d / 2.0 }),
                        ("mle".into(), d / 2.0),
                    ],
                    test_loss: log_loss.exp(),
                    test_accuracy: 0.9 - d / 100.0,
                    attacks: vec![penalty(2.0), penalty(8.0)],
                    ..Observation::default()
                });
            }
        }
    }
    all
}

fn results(observations: Vec<Observation>) -> Results {
    let options = LawOptions { draws: 60, permutations: 200, ..LawOptions::default() };
    let mut measurements = Vec::new();
    for observation in observations.iter().filter(|observation| observation.model == "resnet18") {
        for (estimator, d) in &observation.d_data {
            measurements.push(Measurement {
                dataset: observation.dataset.clone(),
                domain: observation.domain.clone(),
                classes: String::new(),
                train: observation.train,
                seed: 0,
                estimator: estimator.clone(),
                d_data: [*d, d - 0.5, d + 0.5],
                k_f: observation.k_f,
            });
        }
    }
    let mut variants = Vec::new();
    for (dataset, domain, k_f) in [("mnist", "natural", 1.6e-4), ("brats", "radiology", 2.4e-4)] {
        for (preprocessing, factor) in [("", 1.0), ("values 0 to 1", 255.0), ("32 px", 7.0)] {
            // Of one dataset fewer pixels are a quarter sharper than they should be.
            let off = if (dataset, preprocessing) == ("brats", "32 px") { 1.25 } else { 1.0 };
            variants.push(VariantResult {
                dataset: dataset.into(),
                domain: domain.into(),
                preprocessing: preprocessing.into(),
                k_f: k_f * factor * off,
            });
        }
    }
    let curve = |dataset: &str| LayerCurve {
        dataset: dataset.into(),
        domain: "natural".into(),
        model: "resnet18".into(),
        estimator: "twonn".into(),
        layers: vec![("input".into(), 0.0, 9.0), ("layer4".into(), 0.7, 4.0), ("fc".into(), 1.0, 1.5)],
    };
    Results {
        measurements,
        variants,
        curves: vec![curve("mnist"), curve("cifar10")],
        laws: laws(&observations, &options),
        observations,
    }
}

/// The marks of a group of this name: circles of the first, paths with corners of the others.
fn marks(figure: &Figure, group: &str) -> usize {
    let svg = figure.svg();
    let document = Document::parse(&svg).expect("SVG is XML");
    let of_series = |node: &roxmltree::Node| {
        node.attribute("class") == Some("series")
            && node.children().any(|child| child.tag_name().name() == "title" && child.text() == Some(group))
    };
    let groups: Vec<_> = document.descendants().filter(of_series).collect();
    assert!(!groups.is_empty(), "no group {group:?} in {svg}");
    // Marks are filled; lines and intervals are not.
    let filled = |node: &roxmltree::Node| {
        let shape = matches!(node.tag_name().name(), "circle" | "path" | "polygon");
        shape && node.attribute("fill").is_some_and(|fill| fill != "none")
    };
    groups.iter().map(|group| group.descendants().filter(filled).count()).sum()
}

fn texts(figure: &Figure) -> String {
    let svg = figure.svg();
    let document = Document::parse(&svg).expect("SVG is XML");
    let texts = document.descendants().filter(|node| node.tag_name().name() == "text");
    texts.filter_map(|node| node.text().map(str::to_owned)).collect::<Vec<_>>().join("|")
}

#[test]
fn every_figure_is_drawn_and_says_what_it_shows() {
    let results = results(observations());
    for figure in FIGURES {
        let drawn = draw(&results, figure.name).unwrap();
        assert!(!drawn.caption.is_empty() && !drawn.figure.title().is_empty(), "{}", figure.name);
        assert!(!drawn.caption.contains("NaN") && !drawn.caption.contains("inf"), "{}", drawn.caption);
        if let Some(folder) = std::env::var_os("SHARPDIM_FIGURES") {
            drawn
                .figure
                .write(&std::path::Path::new(&folder).join(format!("study-{}.png", figure.name)))
                .unwrap();
        }
    }
    let wrong = draw(&results, "figure6").err().expect("there is none").to_string();
    assert!(wrong.contains("figure6") && wrong.contains("figure5, accuracy"), "{wrong}");
}

#[test]
fn published_values_stand_beside_ours_where_the_dataset_is() {
    let drawn = draw(&results(observations()), "figure1").unwrap();
    // In each of two panels: a mark a dataset, and one of the paper's; "own" is not the paper's.
    assert_eq!(marks(&drawn.figure, "natural"), 2 * 2);
    assert_eq!(marks(&drawn.figure, "radiology"), 2 * 3);
    assert_eq!(marks(&drawn.figure, "natural, published"), 2 * 2);
    assert_eq!(marks(&drawn.figure, "radiology, published"), 2 * 2);
    for name in ["mnist", "cifar10", "brats", "oai", "own"] {
        assert!(texts(&drawn.figure).contains(name), "{name}");
    }
    // As REFERENCE has them; each once.
    assert_eq!(PUBLISHED.iter().filter(|row| row.dataset == "svhn" && row.d_data == 12.6).count(), 1);
    assert_eq!(PUBLISHED.len(), 11);
}

#[test]
fn lines_have_the_slopes_that_made_the_data() {
    let results = results(observations());
    let drawn = draw(&results, "figure2").unwrap();
    for model in ["resnet18", "vgg13"] {
        for (domain, slope) in [("natural", "0.10"), ("radiology", "0.30")] {
            let said = format!("{model}, {domain}: slope of log loss {slope} (95 % ");
            assert!(drawn.caption.contains(&said), "{said:?} in {}", drawn.caption);
        }
    }
    assert_eq!(marks(&drawn.figure, "natural"), 2 * 2 * SIZES.len());
    assert_eq!(marks(&drawn.figure, "radiology"), 2 * 3 * SIZES.len());
    // Of accuracies: 1 point less for each unit of d.
    let drawn = draw(&results, "accuracy").unwrap();
    assert!(
        drawn.caption.contains("resnet18, natural: slope of accuracy, in points, -1.00"),
        "{}",
        drawn.caption
    );
    let drawn = draw(&results, "figure3").unwrap();
    assert!(drawn.caption.contains("Pearson's r 1.00"), "{}", drawn.caption);
    // K_F is in units of 1e-4; the rise is 2e3 times 2 times 3.4e-4 at most.
    assert!(
        texts(&drawn.figure).contains("oai") && texts(&drawn.figure).contains("|1.0|label sharpness K_F"),
        "{}",
        texts(&drawn.figure)
    );
}

#[test]
fn the_bound_counts_what_is_above_it() {
    let drawn = draw(&results(observations()), "figure5").unwrap();
    let said = "d_repr (twonn) is at most d_data (mle) in 24 of 30 trainings: 80 %";
    assert!(drawn.caption.contains(said), "{}", drawn.caption);
    assert!(drawn.caption.contains("Exceptions, by either pair of estimators: oai."), "{}", drawn.caption);
    assert!(texts(&drawn.figure).contains("d_repr = d_data"));
}

#[test]
fn exponents_are_beside_the_laws() {
    let drawn = draw(&results(observations()), "exponents").unwrap();
    // log L at 500, 1000 and 1750 images is 0.1, 0.2 and 0.35 less: a slope of -0.197, which only mnist's d_repr of 4.7 is beyond.
    assert!(drawn.caption.contains("10 of 10 fall at least as fast as -1/d_data says"), "{}", drawn.caption);
    assert!(drawn.caption.contains("8 of 10 fall at least as fast as -1/d_repr says"), "{}", drawn.caption);
    assert_eq!(marks(&drawn.figure, "natural") + marks(&drawn.figure, "radiology"), 2 * 10);
}

#[test]
fn invariance_is_that_of_ratios() {
    let drawn = draw(&results(observations()), "invariance").unwrap();
    // Of two datasets' geometric mean, one off by 1.25 moves each by its square root.
    let off = 100.0 * (1.25f64.sqrt() - 1.0);
    assert!(drawn.caption.contains(&format!("{off:.0} %")), "{}", drawn.caption);
    assert!(drawn.caption.contains("32 px"), "{}", drawn.caption);
}

#[test]
fn what_cannot_be_drawn_says_why_and_what_is_left_out_is_named() {
    let empty = results(Vec::new());
    for figure in FIGURES {
        let drawn =
            draw(&Results { variants: Vec::new(), curves: Vec::new(), ..results(Vec::new()) }, figure.name);
        let error = drawn.err().unwrap_or_else(|| panic!("{} is drawn of nothing", figure.name)).to_string();
        assert!(error.starts_with("nothing to draw: "), "{}: {error}", figure.name);
    }
    assert!(empty.observations.is_empty());
    let mut some = observations();
    some[0].test_loss = 0.0;
    some[7].d_data.clear();
    let drawn = draw(&results(some), "figure2").unwrap();
    for said in ["mnist (a test loss of 0 has no logarithm)", "cifar10 (no d_data by mle)"] {
        assert!(drawn.caption.contains(said), "{}", drawn.caption);
    }
    // One training alone: no line, and no band; but a mark.
    let one = results(observations()[..1].to_vec());
    let drawn = draw(&one, "figure2").unwrap();
    assert_eq!(marks(&drawn.figure, "natural"), 1);
    assert!(drawn.caption.contains("no line"), "{}", drawn.caption);
}

#[test]
fn the_page_has_all_of_it_and_needs_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let mut store = Store::create(&folder.path().join("study.sqlite")).unwrap();
    store.add(&Plan::parse(Plan::text_of("demo").unwrap()).unwrap()).unwrap();
    let results = results(observations());
    let written = write_report(&store, &results, folder.path()).unwrap();
    assert_eq!((written.files.len(), written.not_drawn.len()), (2 * FIGURES.len() + 1, 0));
    let html = std::fs::read_to_string(folder.path().join("report.html")).unwrap();
    let body = html.strip_prefix("<!DOCTYPE html>\n").unwrap();
    let document = Document::parse(body).expect("well-formed");
    let count = |name: &str| document.descendants().filter(|node| node.tag_name().name() == name).count();
    assert_eq!(count("figure"), FIGURES.len());
    // Nothing is fetched.
    for node in document.descendants() {
        for attribute in ["src", "href"] {
            let found = node.attribute(attribute);
            assert!(found.is_none_or(|to| to.starts_with('#') || to.starts_with("data:")), "{found:?}");
        }
    }
    let text: String = document.descendants().filter_map(|node| node.text()).collect::<Vec<_>>().join("\n");
    for statement in results.laws.statements() {
        assert!(text.contains(&statement.found), "{}", statement.found);
    }
    for said in ["The study is not finished", "[[datasets]]", "Measured exponents"] {
        assert!(text.contains(said), "{said}");
    }
    // Once more, in their place.
    assert_eq!(write_report(&store, &results, folder.path()).unwrap(), written);
}
