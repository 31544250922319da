//! What `study` does when all is well, or some data are not there.

use super::ran::{PLAN, Place, dump, good, run, whole, words};
use approx::assert_abs_diff_eq;
use sharpdim::nn::Trained;
use sharpdim::study::{FIGURES, Plan, Store};

#[test]
fn a_second_run_does_nothing_again() {
    let place = Place::new(PLAN);
    let args = place.args("out");
    good(&words(&args));
    let ran = good(&words(&args));
    assert!(ran.stderr.contains("8 of 8 tasks were done before"), "{}", ran.stderr);
    assert!(!ran.stderr.contains(" s; "), "{}", ran.stderr);
    assert!(dump(place.path("out")) == whole());
    // A larger plan in the same folder does what is new alone.
    std::fs::write(
        place.path("plan.toml"),
        PLAN.replace("[24, 48]", "[24, 48, 60]").replace("variants", "# variants"),
    )
    .unwrap();
    let ran = good(&words(&args));
    assert!(ran.stderr.contains("6 of 12 tasks were done before"), "{}", ran.stderr);
}

#[test]
fn observations_join_what_was_trained_with_what_was_measured() {
    let place = Place::new(PLAN);
    good(&words(&place.args("out")));
    let store = Store::open(std::path::Path::new(&place.path("out/study.sqlite"))).unwrap();
    let observations = store.observations().unwrap();
    assert_eq!(observations.len(), 4);
    let measured = store.measurements().unwrap();
    for observation in &observations {
        let measurement = measured.iter().find(|measured| {
            (&measured.dataset, measured.train, measured.estimator.as_str())
                == (&observation.dataset, observation.train, "mle")
        });
        let measurement = measurement.unwrap();
        assert_eq!(observation.d_data[0], ("mle".to_owned(), measurement.d_data[0]));
        assert_eq!(observation.k_f, measurement.k_f);
        assert_eq!(observation.d_repr.len(), 2);
        let strengths: Vec<f64> = observation.attacks.iter().map(|penalty| penalty.epsilon).collect();
        assert_eq!(strengths, [2.0, 8.0]);
    }
    // Penalties are what the attacks' rows say: task, attack, epsilon, loss and accuracy before, then after.
    let dump = dump(place.path("out"));
    let row = |line: &str| -> Vec<f64> {
        let values = line.split(", ").skip(2).map(|value| value.trim_matches(|c| "Real()".contains(c)));
        values.map(|value| value.parse().unwrap()).collect()
    };
    let rows = dump.lines().filter(|line| line.starts_with("attack:")).map(row);
    let mut want: Vec<[f64; 3]> = rows.map(|row| [row[0], row[3] - row[1], row[2] - row[4]]).collect();
    let penalties = observations.iter().flat_map(|observation| &observation.attacks);
    let mut got: Vec<[f64; 3]> =
        penalties.map(|penalty| [penalty.epsilon, penalty.loss, penalty.accuracy]).collect();
    [&mut want, &mut got].into_iter().for_each(|all| all.sort_by(|a, b| a.partial_cmp(b).unwrap()));
    assert_eq!(got, want);
    // K_F of values from 0 to 1 is 255 times that of values from 0 to 255.
    let variants = store.variants().unwrap();
    let k_f = |what: &str| {
        let found = variants.iter().find(|found| found.dataset == "spots" && found.preprocessing == what);
        found.unwrap_or_else(|| panic!("{what} in {variants:?}")).k_f
    };
    let ratio = k_f("values 0 to 1") / k_f("");
    assert_abs_diff_eq!(ratio / 255.0, 1.0, epsilon = 1e-6);
    assert!(k_f("24 px") > k_f(""), "fewer pixels are less far apart");
}

/// Each name in a plan runs an attack of its own: none is another under its name.
#[test]
fn attacks_are_those_that_the_plan_names() {
    let names = ["noise", "signs", "fgsm", "bim", "mi-fgsm", "pgd", "apgd", "square"];
    let one = PLAN.split("[[datasets]]").take(2).collect::<Vec<_>>().join("[[datasets]]");
    let plan =
        one.replace("[24, 48]", "[24]").replace("size = 32", &format!("size = 32\nattacks = {names:?}"));
    let place = Place::new(&plan);
    good(&words(&place.args("out")));
    let store = Store::open(std::path::Path::new(&place.path("out/study.sqlite"))).unwrap();
    let [observation] = &store.observations().unwrap()[..] else { panic!("one training is planned") };
    let penalties = |name: &str| -> Vec<f64> {
        observation
            .attacks
            .iter()
            .filter(|penalty| penalty.attack == name)
            .map(|penalty| penalty.loss)
            .collect()
    };
    for (at, name) in names.iter().enumerate() {
        assert_eq!(penalties(name).len(), 2, "{name}");
        for other in &names[..at] {
            assert_ne!(penalties(name), penalties(other), "{name} and {other}");
        }
    }
}

/// A training that is over before a checkpoint is due leaves one where that is asked for: that of its end.
#[test]
fn checkpoints_are_kept_where_asked_for() {
    let place = Place::new(PLAN);
    good(&[&words(&place.args("out"))[..], &["--keep-checkpoints"]].concat());
    assert!(dump(place.path("out")) == whole());
    let kept: Vec<_> =
        std::fs::read_dir(place.path("out/runs")).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert_eq!(kept.len(), 4, "{kept:?}");
    for path in kept {
        assert_eq!(Trained::read(&path).unwrap().history.len(), 4);
    }
}

#[test]
fn data_that_are_not_there_are_skipped_and_listed() {
    let more = "
[[datasets]]
name = \"absent\"
[[datasets]]
name = \"named\"
dataset = \"rsna\"
[[datasets]]
name = \"few\"
";
    let place = Place::new(&format!("{PLAN}{more}"));
    for (class, count) in [("a", 40u8), ("b", 30)] {
        let folder = place.path(&format!("data/few/{class}"));
        std::fs::create_dir_all(&folder).unwrap();
        for at in 0..count {
            let image = image::GrayImage::from_fn(36, 36, |x, y| image::Luma([(x as u8 * at) ^ y as u8]));
            image.save(format!("{folder}/{at}.png")).unwrap();
        }
    }
    let args = [place.args("out"), vec!["--data".into(), place.path("data")]].concat();
    let ran = good(&words(&args));
    // Of the small set, 24 + 16 images are there, 48 + 16 are not: 24 are wanted of the class of 30, and 8.
    for words in ["absent", "rsna", "few", "class \"b\" has 30 images", "10 of 20 tasks"] {
        assert!(ran.stdout.contains(words), "{words:?} in {}", ran.stdout);
    }
    // They are done when they come.
    let folder = place.path("data/few/b");
    for at in 30..40u8 {
        let image = image::GrayImage::from_fn(36, 36, |x, y| image::Luma([(x as u8 * at) ^ y as u8]));
        image.save(format!("{folder}/{at}.png")).unwrap();
    }
    let ran = good(&words(&args));
    assert!(ran.stdout.contains("12 of 20 tasks"), "{}", ran.stdout);
}

#[test]
fn a_task_that_fails_does_not_stop_the_others() {
    // A rate at which the loss is no number after a step or two.
    let plan = PLAN.replace("name = \"spots\"", "name = \"spots\"\nrates = { resnet18 = 1e30 }");
    let place = Place::new(&plan);
    let args = place.args("out");
    let ran = run(&words(&args));
    assert_eq!(ran.code, 1, "{}", ran.stderr);
    for words in ["6 of 8 tasks", "Failed    spots", "the loss is", "--retry"] {
        assert!(ran.stdout.contains(words), "{words:?} in {}", ran.stdout);
    }
    // It is not tried again unless asked for.
    assert!(!run(&words(&args)).stderr.contains("FAILED"));
    let again = run(&[&words(&args)[..], &["--retry"]].concat());
    assert_eq!((again.code, again.stderr.matches("FAILED").count()), (1, 2), "{}", again.stderr);
}

/// Batch normalisation has no variance of one pixel: that is found where the memory of tasks at once is counted, too.
#[test]
fn a_network_that_cannot_be_trained_fails_in_its_own_tasks() {
    let place = Place::new(&PLAN.replace("size = 32", "size = 32\nbatch = 1"));
    let ran = run(&words(&place.args("out")));
    assert_eq!(ran.code, 1, "{}", ran.stderr);
    for words in ["4 of 8 tasks", "Failed    spots", "Failed    things", "no variance"] {
        assert!(ran.stdout.contains(words), "{words:?} in {}", ran.stdout);
    }
}

/// Each figure by itself, on the store of a study.
#[test]
fn each_figure_is_drawn_alone() {
    let place = Place::new(&PLAN.replace("epochs = 4", "epochs = 4\nlayers = [\"all\"]"));
    let ran = good(&words(&place.args("out")[..6]));
    let (report, figures) = (place.path("out/report.html"), place.path("out/figures"));
    assert!(ran.stdout.contains(&report) && ran.stdout.contains(&figures), "{}", ran.stdout);
    for figure in FIGURES {
        let name = figure.name;
        let file = place.path(&format!("{}.svg", figure.name));
        let mut command = crate::binary::command("figure");
        let ran = super::ran::finish(command.args([name, &place.path("out"), "--to", &file]));
        if figure.name == "exponents" {
            // Two sizes are too few for it.
            assert!(ran.code == 1 && ran.stderr.contains("3 numbers of images"), "{}", ran.stderr);
            continue;
        }
        assert_eq!(ran.code, 0, "{name}: {}", ran.stderr);
        assert!(ran.stdout.contains(&file), "{name}: {}", ran.stdout);
        // The same as what the study drew at its end.
        let drawn = std::fs::read_to_string(place.path(&format!("out/figures/{}.svg", figure.name))).unwrap();
        assert!(std::fs::read_to_string(&file).unwrap() == drawn, "{name}");
    }
    let help = super::ran::finish(crate::binary::command("figure").arg("--help")).stdout;
    assert!(FIGURES.iter().all(|figure| help.contains(figure.about)) && help.contains("--epsilon"), "{help}");
    assert!(help.lines().all(|line| line.chars().count() <= 100), "{help}");
    let mut bad = crate::binary::command("figure");
    bad.args(["figure1", &place.path("out"), "--to", &place.path("figure.pdf")]);
    let ran = super::ran::finish(&mut bad);
    assert!(ran.code == 2 && ran.stderr.contains(".png or .svg"), "{}", ran.stderr);
}

#[test]
fn help_teaches_and_keeps_its_lines_short() {
    for args in [
        &["--help"][..],
        &["status", "--help"],
        &["merge", "--help"],
        &["report", "--help"],
        &["plan", "--help"],
    ] {
        let help = good(args).stdout;
        assert!(help.lines().all(|line| line.chars().count() <= 100), "{help}");
    }
    let help = good(&["--help"]).stdout;
    for words in ["--plan demo", "--shard", "study.sqlite", "Exit codes"] {
        assert!(help.contains(words), "{words}");
    }
}

#[test]
fn plans_that_come_with_it_are_printed_and_read_back() {
    let list = good(&["plan"]).stdout;
    for (name, about) in Plan::built_in() {
        assert!(list.contains(name) && list.contains(about));
        let printed = good(&["plan", name]).stdout;
        assert_eq!(
            Plan::parse(&printed).unwrap().tasks(),
            Plan::parse(Plan::text_of(name).unwrap()).unwrap().tasks()
        );
    }
}
