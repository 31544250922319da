//! `--calibrate`: which dimensions the truth may have, as the library says; draws are kept, also by a run that is
//! killed, and done without where they cannot be.

use crate::binary::{command, finish};
use crate::make::{Folder, noise, npy, png};
use serde_json::Value;
use sharpdim::Device;
use sharpdim::measure::{Calibration, Estimator, Mle, Population, TwoNn};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

fn noisy(count: u32) -> Folder {
    let folder = Folder::new();
    for at in 0..count {
        folder.file(&format!("{}/{at}.png", ["a", "b"][(at % 2) as usize]), png(10, 10, at));
    }
    folder
}

fn measure(images: &Path, cache: &Path) -> Command {
    let mut measure = command("measure");
    measure.env("SHARPDIM_CACHE", cache).arg(images).args(["--k", "4", "--device", "cpu", "--calibrate"]);
    measure
}

#[track_caller]
fn json(command: &mut Command) -> Value {
    let ran = finish(command.arg("--json"));
    assert_eq!((ran.code, ran.stderr.as_str()), (0, ""));
    serde_json::from_str(&ran.stdout).expect("one JSON object")
}

/// The one file of draws that is kept, and how many it has.
fn kept(cache: &Path) -> Option<(PathBuf, usize)> {
    let files = fs::read_dir(cache.join("calibrations")).ok()?;
    let mut files =
        files.map(|file| file.unwrap().path()).filter(|path| path.extension().is_some_and(|e| e == "json"));
    let (path, none) = (files.next()?, files.next());
    assert_eq!(none, None);
    let content: Value = serde_json::from_slice(&fs::read(&path).unwrap()).expect("written whole");
    Some((path, content["draws"].as_array().unwrap().len()))
}

fn has_note(object: &Value, words: &str) -> bool {
    object["notes"].as_array().unwrap().iter().any(|note| note.as_str().unwrap().contains(words))
}

#[test]
fn it_is_the_librarys_and_kept_for_the_next_run() {
    let (images, cache) = (noisy(30), Folder::new());
    let estimators = ["--estimator", "mle,twonn"];
    let without = json(measure(images.path(), cache.path()).args(estimators).arg("--no-cache"));
    assert_eq!(kept(cache.path()), None);
    let first = json(measure(images.path(), cache.path()).args(estimators));
    assert_eq!(kept(cache.path()).unwrap().1, Calibration::DRAWS);
    let second = json(measure(images.path(), cache.path()).args(estimators));
    assert!(has_note(&second, "1200 are of an earlier run") && !has_note(&first, "earlier run"));

    let kept = [Estimator::Mle(Mle { k: 4, ..Mle::default() }), Estimator::TwoNn(TwoNn::default())];
    let mut calibration = Calibration::new(30, &kept, Population::default()).unwrap();
    calibration.extend(&Device::cpu(), Calibration::DRAWS, &|_| ()).unwrap();
    for estimator in kept {
        let value = first["intrinsic_dim"][estimator.name()]["value"].as_f64().unwrap();
        let truth = calibration.truth(&estimator, value).unwrap();
        for run in [&without, &first, &second] {
            assert_eq!(run["true_dimension"]["draws"], 1200);
            let by = &run["true_dimension"]["by"][estimator.name()];
            assert_eq!(by["low"].as_f64(), Some(truth.low));
            assert_eq!(by["high"].as_f64(), Some(truth.high));
        }
    }
    assert!(first["seconds"]["calibration"].as_f64().unwrap() > 0.0);

    // Not where it is not asked for; in the table and on the page where it is.
    let plain = json(command("measure").arg(images.path()).args(["--k", "4", "--no-cache"]));
    assert!(plain["true_dimension"].is_null() && plain["seconds"].get("calibration").is_none());
    let page = cache.path().join("page.html");
    let table = finish(measure(images.path(), cache.path()).args(estimators).arg("--report").arg(&page));
    assert!(
        table.stdout.contains("True dimension  ") && table.stdout.contains("by 1200 samples"),
        "{}",
        table.stdout
    );
    let page = fs::read_to_string(&page).unwrap();
    assert!(
        page.contains("true dimension, 95 %") && page.contains("Estimates of manifolds of known dimension")
    );
}

/// Killed while it draws: what was kept is gone on with, to the same answer.
#[test]
fn a_run_that_is_killed_loses_little() {
    let (images, cache) = (noisy(500), Folder::new());
    let mut killed = measure(images.path(), cache.path());
    let mut killed = killed.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    while kept(cache.path()).is_none() && killed.try_wait().unwrap().is_none() {
        std::thread::sleep(Duration::from_millis(5));
    }
    killed.kill().unwrap();
    killed.wait().unwrap();
    let (_, draws) = kept(cache.path()).unwrap();
    println!("killed after {draws} draws");
    assert!(draws > 0 && draws <= Calibration::DRAWS);
    let resumed = json(&mut measure(images.path(), cache.path()));
    assert!(has_note(&resumed, &format!("{draws} are of an earlier run")));
    let whole = json(measure(images.path(), cache.path()).arg("--no-cache"));
    assert_eq!(resumed["true_dimension"], whole["true_dimension"]);
}

#[test]
fn what_cannot_be_kept_or_read_is_said() {
    let (images, cache) = (noisy(30), Folder::new());
    let whole = json(&mut measure(images.path(), cache.path()));
    let (file, _) = kept(cache.path()).unwrap();
    let text = fs::read_to_string(&file).unwrap();
    fs::write(&file, &text[..text.len() - 9]).unwrap();
    let anew = json(&mut measure(images.path(), cache.path()));
    assert!(has_note(&anew, "calibrated anew: ") && has_note(&anew, "not JSON"));
    assert_eq!(anew["true_dimension"], whole["true_dimension"]);
    assert_eq!(fs::read_to_string(&file).unwrap(), text);

    fs::remove_dir_all(cache.path().join("calibrations")).unwrap();
    fs::write(cache.path().join("calibrations"), "a file where the folder would be").unwrap();
    let unkept = json(&mut measure(images.path(), cache.path()));
    assert!(has_note(&unkept, "not kept for the next run"));
    assert_eq!(unkept["true_dimension"], whole["true_dimension"]);
}

#[test]
fn what_would_take_hours_is_refused_before_it_begins() {
    let folder = Folder::new();
    folder.file("features.npy", npy("|u1", &[20_001, 2], &noise(40_002, 1)));
    let ran = finish(measure(folder.path(), folder.path()).arg("--no-cache"));
    assert_eq!((ran.code, ran.stdout.as_str()), (1, ""));
    assert!(ran.stderr.contains("20001 points each") && ran.stderr.contains("--per-class"), "{}", ran.stderr);
}
