//! Real images: MNIST's 3 against 8 are learnt.

use super::ran::json;
use std::path::Path;

#[test]
fn three_and_eight_are_told_apart() {
    let Some(data) = std::env::var_os("SHARPDIM_DATA") else {
        return println!("SHARPDIM_DATA is not set: MNIST was not trained on");
    };
    let mnist = Path::new(&data).join("mnist");
    let folder = tempfile::tempdir().unwrap();
    let args = ["--classes", "3,8", "--train", "500", "--test", "750", "--size", "32", "--epochs", "20"];
    let object = json(&[&[mnist.to_str().unwrap()], &args[..]].concat(), folder.path());
    println!("{object}");
    // docs/training.md has what three seeds came to: 99.1 % at least.
    assert!(object["test_accuracy"].as_f64().unwrap() > 0.9, "{object}");
}
