//! What `study` says when something is wrong.

use super::ran::{PLAN, Place, assert_fails, good, words};

#[track_caller]
fn refused(plan: &str, said: &[&str]) {
    let place = Place::new(plan);
    assert_fails(&words(&place.args("out")), 1, &[&["plan.toml"], said].concat());
    assert!(!std::path::Path::new(&place.path("out")).exists(), "nothing is made");
}

#[test]
fn save_every() {
    for value in ["-1", "nan", "soon"] {
        assert_fails(&[&format!("--save-every={value}")], 2, &["--save-every", "seconds, 0 or more"]);
    }
}

#[test]
fn plans() {
    refused("name = ", &["line 1"]);
    refused("name = \"none\"\ndatasets = []", &["no datasets", "[[datasets]]"]);
    let with = |line: &str| PLAN.replace("size = 32", &format!("size = 32\n{line}"));
    refused(&with("sizes = 3"), &["unknown field `sizes`", "line"]);
    refused(&PLAN.replace("resnet18", "resnet101"), &["resnet101", "resnet18, resnet34"]);
    refused(&PLAN.replace("[24, 48]", "[24, 24]"), &["train", "twice"]);
    refused(&PLAN.replace("[24, 48]", "[1]"), &["train", "at least 2"]);
    refused(&PLAN.replace("test = 16", "test = 0"), &["test"]);
    refused(&PLAN.replace("size = 32", "size = 0"), &["size"]);
    refused(&PLAN.replace("epochs = 4", "epochs = 0"), &["epochs"]);
    refused(&PLAN.replace("[2, 8]", "[0]"), &["epsilons", "above 0"]);
    refused(&PLAN.replace("all-pairs", "some"), &["sharpness", "paper, all-pairs"]);
    refused(&with("estimators = [\"pca\"]"), &["estimators", "\"pca\"", "lpca"]);
    refused(&with("attacks = [\"fgms\"]"), &["attacks", "\"fgms\"", "fgsm"]);
    let pair = "[[datasets]]\nname = \"mnist\"\nclasses = [[\"3\", \"8\"]]";
    let ratio = format!("{}\n{pair}", with("attacks = [\"apgd-dlr\"]"));
    refused(&ratio, &["attacks", "apgd-dlr", "needs 3 classes, and the network has 2", "dataset mnist"]);
    refused(&with("layers = [\"layer9\"]"), &["layer9", "layer4"]);
    refused(&with("precision = \"f16\""), &["f16"]);
    refused(&with("seeds = []"), &["seeds"]);
    refused(&with("rates = { resnet18 = -1.0 }"), &["rates", "above 0"]);
    refused(&PLAN.replace("\"things\"", "\"spots\""), &["two datasets", "spots"]);
    refused(
        &PLAN.replace("family = \"objects\"", "family = \"animals\""),
        &["animals", "objects", "radiology"],
    );
    refused(
        &PLAN.replace("family = \"objects\", latents = 4", "family = \"objects\", latents = 1"),
        &["latents"],
    );
    let dataset = |line: &str| format!("{PLAN}\n[[datasets]]\nname = \"x\"\n{line}");
    refused(&dataset("dataset = \"imagenet21k\""), &["imagenet21k", "imagenet"]);
    refused(&dataset("task = \"edema\""), &["task"]);
    refused(&dataset("draws = 0"), &["draws"]);
    refused(&dataset("draws = 2\nclasses = [[\"a\", \"b\"]]"), &["named or drawn"]);
    refused(&dataset("classes = [[\"a\"]]"), &["fewer than two"]);
    refused(&dataset("color = \"blue\""), &["blue", "gray"]);
}

#[test]
fn command_lines() {
    assert_fails(&["--plan", "nowhere.toml"], 2, &["nowhere.toml", "paper, demo"]);
    assert_fails(&["--plan", "demo", "--shard", "4/3"], 2, &["3/8"]);
    assert_fails(&["--plan", "demo", "--shard", "3"], 2, &["3/8"]);
    assert_fails(&["--plan", "demo", "--device", "gpu"], 2, &["cuda:0"]);
    assert_fails(&["plan", "small"], 2, &["small", "paper, demo"]);
    let folder = tempfile::tempdir().unwrap();
    let empty = folder.path().to_str().unwrap();
    assert_fails(&["status", "--out", empty], 1, &["study.sqlite", "no study's store"]);
    assert_fails(&["report", "--out", empty], 1, &["study.sqlite", "no study's store"]);
    assert_fails(&["merge", "--out", empty], 1, &["no shards' stores"]);
    assert_fails(&["merge", "--out", empty, "gone.sqlite"], 1, &["gone.sqlite"]);
    assert!(std::fs::read_dir(empty).unwrap().next().is_none(), "nothing is left behind");
}

#[test]
fn stores() {
    let place = Place::new(PLAN);
    let (out, args) = (place.path("out"), place.args("out"));
    std::fs::create_dir(&out).unwrap();
    let store = place.path("out/study.sqlite");
    std::fs::write(
        &store,
        "results, by hand: 0.7 and 0.9, and so on, for as many bytes as a header has, and more of it",
    )
    .unwrap();
    assert_fails(&words(&args), 1, &["study.sqlite", "not an SQLite database"]);
    std::fs::remove_file(&store).unwrap();
    let file = place.path("file");
    std::fs::write(&file, "").unwrap();
    let in_file = [&words(&args)[..2], &["--out", &file]].concat();
    assert_fails(&in_file, 1, &["file"]);
    good(&["merge", "--help"]);
}
