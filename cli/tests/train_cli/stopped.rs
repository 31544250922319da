//! Trainings that are killed, stopped, or whose disk is full: they go on to the same bits, and nothing is lost.

use super::ran::{SMALL, command, finish, json, metrics, run, tensors};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Waits until `path` exists.
#[track_caller]
fn wait_for(path: &Path, child: &mut Child) {
    let begun = Instant::now();
    while !path.exists() {
        assert!(begun.elapsed() < Duration::from_secs(120), "{} never came", path.display());
        assert!(child.try_wait().unwrap().is_none(), "it ended before {}", path.display());
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[track_caller]
fn same(got: &Path, want: &Path) {
    assert_eq!(metrics(got), metrics(want));
    for file in ["checkpoint.safetensors", "weights.safetensors"] {
        assert!(tensors(got.join(file)) == tensors(want.join(file)), "{file}");
    }
}

/// Killed at moments that only the machine's load decides, while it saves after every batch: within a batch, within a
/// save, before the first checkpoint.
#[test]
fn killed_again_and_again_it_comes_to_the_same_bits() {
    let folder = tempfile::tempdir().unwrap();
    let (whole, killed) = (folder.path().join("whole"), folder.path().join("killed"));
    json(&SMALL, &whole);
    let args = [&SMALL[..], &["--save-every", "0", "--resume", "--quiet", "--json"]].concat();
    let (mut kills, mut wait) = (0, 150);
    loop {
        let mut child =
            command(&args, &killed).stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("train runs");
        let begun = Instant::now();
        let ended = loop {
            match child.try_wait().unwrap() {
                Some(status) => break Some(status),
                None if begun.elapsed() > Duration::from_millis(wait) => break None,
                None => std::thread::sleep(Duration::from_millis(1)),
            }
        };
        if let Some(status) = ended {
            assert!(status.success());
            break;
        }
        child.kill().unwrap();
        child.wait().unwrap();
        kills += 1;
        // Longer each time, by a step that is no multiple of a batch's.
        wait += 237;
    }
    println!("killed {kills} times");
    assert!(kills >= 3, "only {kills} kills: it was done too fast for this test");
    same(&killed, &whole);
}

#[test]
fn interrupted_it_saves_and_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let (whole, stopped) = (folder.path().join("whole"), folder.path().join("stopped"));
    let long = [&SMALL[..8], &["--epochs", "12", "--seed", "4"]].concat();
    json(&long, &whole);
    let mut child = command(&[&long[..], &["--json"]].concat(), &stopped)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("train runs");
    // The first epoch is done: its metrics are there.
    wait_for(&stopped.join("curves.png"), &mut child);
    let signal = Command::new("kill").args(["-INT", &child.id().to_string()]).status().expect("kill runs");
    assert!(signal.success());
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(130), "{}", String::from_utf8_lossy(&output.stderr));
    let object: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON all the same");
    assert_eq!(object["stopped"], true);
    let epochs = object["epochs"].as_u64().unwrap();
    assert!((1..12).contains(&epochs), "{object}");
    assert!(!stopped.join("weights.safetensors").exists(), "they are of whole trainings");

    let rest = json(&[&long[..], &["--resume"]].concat(), &stopped);
    assert_eq!((&rest["epochs"], &rest["stopped"]), (&12.into(), &false.into()));
    same(&stopped, &whole);
    // Going on when all is done does nothing more; more epochs may be asked for.
    assert_eq!(json(&[&long[..], &["--resume"]].concat(), &stopped)["test_loss"], rest["test_loss"]);
    let more = [&SMALL[..8], &["--epochs", "13", "--seed", "4", "--resume"]].concat();
    assert_eq!(json(&more, &stopped)["epochs"], 13);
}

/// A limit on the size of files stands for a full disk: writing fails in the same place.
#[test]
fn a_full_disk_leaves_the_old_checkpoint() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out");
    json(&SMALL, &out);
    let before = std::fs::read(out.join("checkpoint.safetensors")).unwrap();
    let train = command(&[&SMALL[..8], &["--epochs", "4", "--seed", "4", "--resume"]].concat(), &out);
    let mut limited = Command::new("sh");
    // 512-byte or 1 kB blocks: 5 or 10 MB, where a checkpoint has 134.
    limited.args(["-c", "trap '' XFSZ; ulimit -f 10000; exec \"$@\"", "sh"]);
    limited.arg(train.get_program()).args(train.get_args()).stdin(Stdio::null());
    let ran = finish(&mut limited);
    assert_eq!(ran.code, 1, "{}{}", ran.stdout, ran.stderr);
    for words in ["the checkpoint cannot be written", "checkpoint.safetensors", "as it was"] {
        assert!(ran.stderr.contains(words), "{words:?} in {}", ran.stderr);
    }
    assert!(std::fs::read(out.join("checkpoint.safetensors")).unwrap() == before);
    // With room again it goes on, and what the failed write left is gone.
    let ran = run(&[&SMALL[..8], &["--epochs", "4", "--seed", "4", "--resume"]].concat(), &out);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    let hidden = std::fs::read_dir(&out).unwrap().map(|entry| entry.unwrap().file_name());
    assert!(hidden.filter(|name| name.to_string_lossy().starts_with('.')).count() == 0);
}
