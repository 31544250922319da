//! The cache of decoded images, as runs of `measure` share it: kept, found again, done without; under processes that
//! run at once, are killed, or cannot write.

use crate::binary::command;
use crate::make::{Folder, png};
use serde_json::Value;
use sharpdim::data::{Cache, Dataset, Preprocess};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

/// A folder of `count` images of noise in two classes.
fn noisy(count: u32, side: u32) -> Folder {
    let folder = Folder::new();
    for at in 0..count {
        folder.file(&format!("{}/{at}.png", ["a", "b"][(at % 2) as usize]), png(side, side, at));
    }
    folder
}

fn measure(images: &Path, cache: &Path) -> Command {
    let mut measure = command("measure");
    measure.env("SHARPDIM_CACHE", cache).arg(images).args(["--k", "4", "--device", "cpu", "--json"]);
    measure.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    measure
}

#[track_caller]
fn json(command: &mut Command) -> Value {
    let output = command.output().expect("measure runs");
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
    serde_json::from_slice(&output.stdout).expect("one JSON object")
}

/// Asserts that the numbers, and all else but times and the cache, are the same.
#[track_caller]
fn assert_same(mut one: Value, mut other: Value) {
    for object in [&mut one, &mut other] {
        object["seconds"].take();
        object["cache"].take();
    }
    assert_eq!(one, other);
}

#[test]
fn the_second_run_finds_what_the_first_decoded() {
    let (images, caches) = (noisy(12, 10), Folder::new());
    let cache = caches.path().join("made/when/needed");
    let without = json(measure(images.path(), &cache).arg("--no-cache"));
    assert_eq!(without["cache"], Value::Null);
    assert!(!caches.path().join("made").exists());
    let first = json(&mut measure(images.path(), &cache));
    let second = json(&mut measure(images.path(), &cache));
    for (run, found) in [(&first, 0), (&second, 12)] {
        let report = &run["cache"];
        assert_eq!((&report["from_cache"], &report["images"]), (&found.into(), &12.into()));
        assert_eq!(report["folder"], cache.to_str().unwrap());
        assert_eq!(report["bytes"], Cache::at(&cache).size().unwrap().bytes);
    }
    assert_same(first, without.clone());
    assert_same(second, without);

    let mut table = command("measure");
    table.env("SHARPDIM_CACHE", &cache).arg(images.path()).args(["--k", "4"]);
    let table = String::from_utf8(table.output().unwrap().stdout).unwrap();
    let line = "  from the cache     12 of them; it has 12 images now, 0.0 MB, in ";
    assert!(table.contains(line), "{table}");
}

#[test]
fn the_standard_folder_follows_the_environment() {
    let (images, home) = (noisy(12, 8), Folder::new());
    let folder = |set: &[(&str, &Path)]| {
        let mut measure = measure(images.path(), Path::new(""));
        measure.env_remove("XDG_CACHE_HOME").env("HOME", home.path()).envs(set.iter().copied());
        json(&mut measure)["cache"]["folder"].as_str().unwrap().to_owned()
    };
    let below = |name: &str| home.path().join(name).to_str().unwrap().to_owned();
    assert_eq!(folder(&[]), below(".cache/sharpdim/images"));
    let xdg = home.path().join("xdg");
    assert_eq!(folder(&[("XDG_CACHE_HOME", &xdg)]), below("xdg/sharpdim/images"));
    assert_eq!(folder(&[("XDG_CACHE_HOME", Path::new("relative"))]), below(".cache/sharpdim/images"));
    let named = home.path().join("named");
    assert_eq!(folder(&[("XDG_CACHE_HOME", &xdg), ("SHARPDIM_CACHE", &named)]), below("named"));
}

#[test]
fn processes_share_a_cache() {
    let (images, cache) = (noisy(60, 16), Folder::new());
    let without = json(measure(images.path(), cache.path()).arg("--no-cache"));
    let started: Vec<_> = (0..6).map(|_| measure(images.path(), cache.path()).spawn().unwrap()).collect();
    for run in started {
        let output = run.wait_with_output().unwrap();
        assert_eq!(String::from_utf8_lossy(&output.stderr), "");
        assert_same(serde_json::from_slice(&output.stdout).unwrap(), without.clone());
    }
    assert_eq!(Cache::at(cache.path()).size().unwrap().images, 60);
}

#[cfg(unix)]
#[test]
fn processes_that_are_killed_leave_nothing_wrong() {
    let (images, cache) = (noisy(200, 100), Folder::new());
    let entries = || Cache::at(cache.path()).size().unwrap().images;
    let mut amid = 0;
    // Killed when so many entries are there, and some more are being written.
    for wanted in (0..150).step_by(5) {
        let mut run = measure(images.path(), cache.path()).spawn().unwrap();
        while entries() < wanted && run.try_wait().unwrap().is_none() {
            std::thread::sleep(Duration::from_micros(100));
        }
        run.kill().unwrap();
        run.wait().unwrap();
        amid += u32::from((1..200).contains(&entries()));
        // Every entry that is there is whole.
        let dataset = Dataset::open(images.path()).unwrap();
        let before = entries();
        let loaded = dataset
            .clone()
            .with_cache(Cache::at(cache.path()))
            .load(&Preprocess::default(), &|_| {})
            .unwrap();
        assert_eq!(loaded.from_cache as u64, before);
        assert_eq!(loaded.notes, [""; 0]);
        if wanted % 50 == 0 {
            let plain = dataset.load(&Preprocess::default(), &|_| {}).unwrap();
            assert_eq!(loaded.samples, plain.samples);
        }
        Cache::at(cache.path()).clear().unwrap();
    }
    assert!(amid > 0, "none was killed while it wrote");
}

/// As on a full disk, a write fails half way: here at a limit that the shell sets on the length of files.
#[cfg(unix)]
#[test]
fn a_write_that_fails_half_way_is_done_without() {
    let (images, cache) = (noisy(12, 200), Folder::new());
    let plain = measure(images.path(), cache.path());
    let mut limited = Command::new("sh");
    // Blocks of 512 bytes, or of 1024 in some shells: entries have 40 kB.
    limited.args(["-c", r#"ulimit -f 16; trap "" XFSZ; exec "$0" "$@""#]).arg(plain.get_program());
    limited.args(plain.get_args()).env("SHARPDIM_CACHE", cache.path());
    let object = json(&mut limited);
    let [note] = &object["notes"].as_array().unwrap()[..] else { panic!("{object}") };
    let note = note.as_str().unwrap();
    assert!(note.contains("the cache cannot be written") && note.contains("too large"), "{note}");
    assert_eq!((&object["cache"]["from_cache"], &object["cache"]["images"]), (&0.into(), &0.into()));
    let unfinished = std::fs::read_dir(cache.path().join("unfinished")).unwrap();
    assert_eq!(unfinished.count(), 0, "what could not be finished is removed");
    let mut without = json(measure(images.path(), cache.path()).arg("--no-cache"));
    without["notes"] = object["notes"].clone();
    assert_same(object, without);
}
