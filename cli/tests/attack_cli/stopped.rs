//! Ctrl-C: what is finished is printed.

#![cfg(unix)]

use crate::ran::{Ran, checkpoint, command};
use serde_json::Value;
use std::process::{Command, Stdio};
use std::time::Duration;

fn interrupted(after: Duration) -> Ran {
    let endless = ["--attack", "noise,square", "--queries", "10000000", "--epsilon", "1,2", "--json"];
    let mut command = command(&[&[checkpoint()], &endless[..]].concat());
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it runs");
    std::thread::sleep(after);
    let sent = Command::new("kill").args(["-INT", &child.id().to_string()]).status().expect("kill runs");
    assert!(sent.success(), "it ended by itself");
    let output = child.wait_with_output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("UTF-8");
    // Before the handler stands, the signal itself ends it.
    let code = output.status.code().unwrap_or(130);
    Ran { code, stdout: text(output.stdout), stderr: text(output.stderr) }
}

#[test]
fn what_is_finished_is_printed() {
    let mut after = Duration::from_millis(200);
    loop {
        let ran = interrupted(after);
        assert_eq!((ran.code, ran.stderr.as_str()), (130, ""), "{}", ran.stdout);
        let object: Value = serde_json::from_str(&ran.stdout).unwrap_or_default();
        // Not far enough yet: images were still loaded, or the noise not finished.
        let attacks = object["attacks"].as_array().map_or(0, Vec::len);
        if attacks < 2 {
            after *= 2;
            assert!(after < Duration::from_secs(60), "it never came to the second attack");
            continue;
        }
        assert_eq!(object["stopped"], true);
        assert_eq!(object["attacks"][0]["levels"].as_array().unwrap().len(), 2);
        assert_eq!(object["attacks"][1]["levels"].as_array().unwrap().len(), 0);
        return;
    }
}
