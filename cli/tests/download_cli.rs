//! `sharpdim download`: mirrors from the command line and from the environment, and what it says where
//! none of them helps.

#[path = "support/binary.rs"]
mod binary;

#[path = "../../tests/support/server.rs"]
mod server;

use server::{Reply, Server};

#[test]
fn mirrors_are_asked_and_told_of() {
    let server = Server::start(Vec::new(), &[Reply::Status(404)]);
    let other = Server::start(Vec::new(), &[Reply::Status(410)]);
    let folder = tempfile::tempdir().unwrap();
    let run = |args: &[&str]| {
        let mut command = binary::command("download");
        command.args(args).env("SHARPDIM_MIRROR_MNIST", format!("{}/env", other.address));
        // The publishers' servers are not to be asked by a test: whoever is asked through this proxy is not there.
        command.env("ALL_PROXY", "http://127.0.0.1:9").env("NO_PROXY", "127.0.0.1");
        let output = command.output().unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        (output.status.code(), text(output.stdout), text(output.stderr))
    };
    let into = folder.path().join("mnist");
    let mirror = format!("{}/mine/", server.address);
    let (code, stdout, stderr) =
        run(&["mnist", into.to_str().unwrap(), "--mirror", &mirror, "--retries", "0"]);
    assert_eq!((code, stdout.as_str()), (Some(1), ""), "{stderr}");
    let first = "train-images-idx3-ubyte.gz";
    for word in [
        format!("sharpdim: {first} cannot be fetched: {mirror}{first}: it answers 404"),
        format!("; {}/env/{first}: it answers 410", other.address),
        "SHARPDIM_MIRROR_MNIST".to_owned(),
    ] {
        assert!(stderr.contains(&word), "{word:?} is not in {stderr}");
    }
    let (code, _, stderr) = run(&["imagenet", "x"]);
    assert_eq!(code, Some(2), "{stderr}");
    assert!(stderr.contains("expected one of mnist, cifar10, svhn"), "{stderr}");
}
