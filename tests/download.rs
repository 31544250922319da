//! Fetching, from servers on this machine that behave as servers do: they cut connections, know no ranges, redirect,
//! lack the file, give another, or trickle. What arrives is right or is refused.

#[path = "support/server.rs"]
mod server;

use flate2::{Compression, write::GzEncoder};
use server::{Reply, Server};
use sha2::{Digest, Sha256};
use sharpdim::Error;
use sharpdim::data::Dataset;
use sharpdim::data::download::{Archive, DownloadProgress, FetchOptions, RemoteFile, fetch};
use std::fs;
use std::net::TcpListener;
use std::path::Path;
use std::sync::Mutex;
use std::thread;
use std::time::Duration;
use tempfile::TempDir;

const ALL: Reply = Reply::Ranged(None);

/// Bytes that do not repeat soon.
fn noise(len: usize) -> Vec<u8> {
    let mut state = 7u64;
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as u8
    };
    (0..len).map(|_| next()).collect()
}

fn hex(content: &[u8]) -> String {
    Sha256::digest(content).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// An archive of one file with this content, on these servers.
fn archive(content: &[u8], servers: &[&Server]) -> Archive {
    let (bytes, sha256) = (content.len() as u64, hex(content));
    Archive {
        name: "test".into(),
        mirrors: servers.iter().map(|server| format!("{}/some/where/", server.address)).collect(),
        files: vec![RemoteFile { name: "data.bin".into(), bytes, sha256, members: Vec::new() }],
    }
}

/// With waits of a test's time.
fn quick() -> FetchOptions<'static> {
    FetchOptions {
        wait: Duration::from_millis(2),
        silence: Duration::from_millis(500),
        ..FetchOptions::default()
    }
}

/// What is in a folder, in the order of names.
fn listed(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap();
    let mut names: Vec<String> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

fn folder() -> TempDir {
    tempfile::tempdir().unwrap()
}

#[track_caller]
fn assert_fetched(folder: &TempDir, content: &[u8]) {
    assert!(fs::read(folder.path().join("data.bin")).unwrap() == content, "the content differs");
    assert_eq!(listed(folder.path()), ["data.bin"]);
}

#[track_caller]
fn assert_refused(archive: &Archive, folder: &TempDir, words: &[&str]) {
    let error = fetch(archive, folder.path(), &quick()).unwrap_err();
    assert!(matches!(error, Error::Download { .. }), "{error:?}");
    let message = error.to_string();
    for word in words.iter().chain(&["data.bin cannot be fetched: ", "in SHARPDIM_MIRROR_TEST"]) {
        assert!(message.contains(word), "{word:?} is not in the message: {message}");
    }
    assert!(!folder.path().join("data.bin").exists());
}

#[test]
fn a_file_is_fetched_once() {
    let content = noise(300_000);
    let server = Server::start(content.clone(), &[ALL]);
    let (folder, seen) = (folder(), Mutex::new(Vec::new()));
    let show = |now: DownloadProgress<'_>| {
        assert_eq!((now.file, now.total), ("data.bin", 300_000));
        seen.lock().unwrap().push(now.done);
    };
    let options = FetchOptions { progress: &show, ..quick() };
    let inner = folder.path().join("made/for/it");
    fetch(&archive(&content, &[&server]), &inner, &options).unwrap();
    assert_eq!((fs::read(inner.join("data.bin")).unwrap(), listed(&inner).len()), (content.clone(), 1));
    let seen = seen.into_inner().unwrap();
    assert!(seen.is_sorted() && seen.first() == Some(&0) && seen.last() == Some(&300_000), "{seen:?}");
    // Not again.
    fetch(&archive(&content, &[&server]), &inner, &quick()).unwrap();
    assert_eq!(server.requests(), [("/some/where/data.bin".to_owned(), None)]);
}

#[test]
fn a_lost_connection_is_taken_up_again() {
    let content = noise(300_000);
    let cut = |bytes| Reply::Ranged(Some(bytes));
    // More often than a mirror is asked again without a byte in between.
    let server = Server::start(
        content.clone(),
        &[cut(100_000), cut(1), cut(0), cut(9_999), cut(1), cut(1), cut(1), cut(1), cut(1), ALL],
    );
    let folder = folder();
    fetch(&archive(&content, &[&server]), folder.path(), &quick()).unwrap();
    assert_fetched(&folder, &content);
    let asked = [100_000, 100_001, 100_001, 110_000, 110_001, 110_002, 110_003, 110_004, 110_005];
    let asked = asked.map(|from| Some(format!("bytes={from}-")));
    assert_eq!(server.ranges()[0], None);
    assert_eq!(server.ranges()[1..], asked);
}

#[test]
fn a_later_call_goes_on_where_the_first_ended() {
    let content = noise(300_000);
    let folder = folder();
    let failing = Server::start(content.clone(), &[Reply::Ranged(Some(123_456)), Reply::Status(503)]);
    assert_refused(&archive(&content, &[&failing]), &folder, &["it answers 503"]);
    assert_eq!(failing.requests().len(), 1 + 5);
    assert_eq!(listed(folder.path()), ["data.bin.part"]);
    assert!(fs::read(folder.path().join("data.bin.part")).unwrap() == content[..123_456]);
    let server = Server::start(content.clone(), &[ALL]);
    fetch(&archive(&content, &[&server]), folder.path(), &quick()).unwrap();
    assert_fetched(&folder, &content);
    assert_eq!(server.ranges(), [Some("bytes=123456-".to_owned())]);
}

#[test]
fn a_part_that_is_whole_is_only_checked() {
    let content = noise(1000);
    let folder = folder();
    fs::write(folder.path().join("data.bin.part"), &content).unwrap();
    let server = Server::start(content.clone(), &[ALL]);
    fetch(&archive(&content, &[&server]), folder.path(), &quick()).unwrap();
    assert_fetched(&folder, &content);
    assert_eq!(server.requests(), []);
}

#[test]
fn a_part_of_something_else_is_begun_anew() {
    let content = noise(1000);
    for part in [vec![1; 400], vec![1; 1000], vec![1; 2000]] {
        let folder = folder();
        fs::write(folder.path().join("data.bin.part"), &part).unwrap();
        let server = Server::start(content.clone(), &[ALL]);
        fetch(&archive(&content, &[&server]), folder.path(), &quick()).unwrap();
        assert_fetched(&folder, &content);
        assert_eq!(server.ranges().last(), Some(&None), "{} bytes", part.len());
    }
}

#[test]
fn a_server_without_ranges_gives_all_again() {
    let content = noise(300_000);
    let server = Server::start(content.clone(), &[Reply::Whole(Some(200_000)), Reply::Whole(None)]);
    let folder = folder();
    fetch(&archive(&content, &[&server]), folder.path(), &quick()).unwrap();
    assert_fetched(&folder, &content);
    assert_eq!(server.ranges(), [None, Some("bytes=200000-".to_owned())]);
    // Where it cuts each time at the same place, there is an end to asking.
    let server = Server::start(content.clone(), &[Reply::Whole(Some(200_000))]);
    let folder = self::folder();
    assert_refused(&archive(&content, &[&server]), &folder, &["after 200000 of 300000 bytes"]);
    assert_eq!(server.requests().len(), 1 + 5);
}

#[test]
fn what_has_another_checksum_is_refused() {
    let content = noise(1000);
    let mut other = content.clone();
    other[500] ^= 1;
    let server = Server::start(other.clone(), &[ALL]);
    let folder = folder();
    let words =
        [&format!("has the SHA-256 {}", hex(&other))[..], &format!("where {} is expected", hex(&content))];
    assert_refused(&archive(&content, &[&server]), &folder, &words);
    assert_eq!(listed(folder.path()), [""; 0]);
    assert_eq!(server.requests().len(), 1, "asking again would not help");
    // The next mirror has it.
    let right = Server::start(content.clone(), &[ALL]);
    fetch(&archive(&content, &[&server, &right]), folder.path(), &quick()).unwrap();
    assert_fetched(&folder, &content);
    // Upper case is the same checksum.
    let mut upper = archive(&content, &[]);
    upper.files[0].sha256 = hex(&content).to_uppercase();
    fetch(&upper, folder.path(), &quick()).unwrap();
}

#[test]
fn what_has_another_length_is_refused() {
    let content = noise(1000);
    let folder = folder();
    for served in [noise(999), noise(1001)] {
        for reply in [ALL, Reply::Chunks(100, Duration::ZERO)] {
            let server = Server::start(served.clone(), std::slice::from_ref(&reply));
            let words: &[&str] = match (reply, served.len()) {
                (Reply::Ranged(_), 999) => &["its file has 999 bytes, where 1000 are expected"],
                (Reply::Ranged(_), _) => &["its file has 1001 bytes, where 1000 are expected"],
                (_, 999) => &["the connection was lost after 999 of 1000 bytes"],
                _ => &["it gives more than the 1000 bytes that are expected"],
            };
            let _ = fs::remove_file(folder.path().join("data.bin.part"));
            assert_refused(&archive(&content, &[&server]), &folder, words);
        }
    }
}

#[test]
fn ranges_that_were_not_asked_for_are_refused() {
    let content = noise(1000);
    let cases = [
        ("bytes 0-999/1000", "from 0 on, where those from 400 on were asked for"),
        ("bytes 400-999/1001", "its file has 1001 bytes, where 1000 are expected"),
        ("lines 1-2/3", "the invalid range Some(\"lines 1-2/3\")"),
    ];
    for (range, words) in cases {
        let folder = folder();
        fs::write(folder.path().join("data.bin.part"), &content[..400]).unwrap();
        let server = Server::start(content.clone(), &[Reply::Range(range)]);
        assert_refused(&archive(&content, &[&server]), &folder, &[words]);
        // What is there is still good.
        assert!(fs::read(folder.path().join("data.bin.part")).unwrap() == content[..400]);
    }
    // A length that is not told is none that is wrong.
    let folder = folder();
    fs::write(folder.path().join("data.bin.part"), &content[..400]).unwrap();
    let server = Server::start(content[400..].to_vec(), &[Reply::Range("bytes 400-999/*")]);
    fetch(&archive(&content, &[&server]), folder.path(), &quick()).unwrap();
    assert_fetched(&folder, &content);
}

#[test]
fn mirrors_are_asked_in_turn() {
    let content = noise(1000);
    let lacking = Server::start(Vec::new(), &[Reply::Status(404)]);
    let right = Server::start(content.clone(), &[ALL]);
    let folder = folder();
    // Nobody listens there.
    let mut away = archive(&content, &[&lacking, &right]);
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    away.mirrors.insert(0, format!("http://{free}/"));
    away.mirrors.insert(0, "no address".into());
    fetch(&away, folder.path(), &quick()).unwrap();
    assert_fetched(&folder, &content);
    assert_eq!((lacking.requests().len(), right.requests().len()), (1, 1));
    // Those that the caller names come first.
    let folder = self::folder();
    let options = FetchOptions { mirrors: vec![format!("{}/mine", right.address)], ..quick() };
    fetch(&away, folder.path(), &options).unwrap();
    assert_eq!(right.requests()[1].0, "/mine/data.bin");
    assert_eq!(lacking.requests().len(), 1);
    // Where none has it, each is told of.
    away.mirrors.pop();
    let folder = self::folder();
    let words =
        ["no address/data.bin: ", &format!("http://{free}/data.bin: "), "where/data.bin: it answers 404"];
    assert_refused(&away, &folder, &words);
    assert_eq!(listed(folder.path()), [""; 0]);
    assert_refused(&archive(&content, &[]), &folder, &["no mirror is known: name one"]);
}

#[test]
fn a_slow_server_is_waited_for_and_a_silent_one_is_not() {
    let content = noise(1000);
    let slow = Server::start(content.clone(), &[Reply::Chunks(20, Duration::from_millis(20))]);
    let folder = folder();
    // A second in all, and never so long without a byte.
    let options = FetchOptions { retries: 0, silence: Duration::from_millis(900), ..quick() };
    fetch(&archive(&content, &[&slow]), folder.path(), &options).unwrap();
    assert_fetched(&folder, &content);
    for silent in [Reply::Silence(Duration::from_secs(5)), Reply::Chunks(500, Duration::from_secs(5))] {
        let silent = Server::start(content.clone(), &[silent]);
        let folder = self::folder();
        let error = fetch(&archive(&content, &[&silent]), folder.path(), &options).unwrap_err();
        assert!(error.to_string().contains("timeout"), "{error}");
    }
}

#[test]
fn redirects_are_followed() {
    let content = noise(1000);
    let there = Server::start(content.clone(), &[ALL]);
    let here = Server::start(Vec::new(), &[Reply::Redirect(format!("{}/moved", there.address))]);
    let folder = folder();
    fs::write(folder.path().join("data.bin.part"), &content[..400]).unwrap();
    fetch(&archive(&content, &[&here]), folder.path(), &quick()).unwrap();
    assert_fetched(&folder, &content);
    assert_eq!(there.requests(), [("/moved".to_owned(), Some("bytes=400-".to_owned()))]);
    // For ever is too long.
    let round = Server::start(Vec::new(), &[Reply::Redirect("/again".into())]);
    assert_refused(&archive(&content, &[&round]), &self::folder(), &["redirect"]);
}

#[test]
fn a_file_of_that_name_that_is_another_is_left_alone() {
    let content = noise(1000);
    let server = Server::start(content.clone(), &[ALL]);
    for (mine, words) in
        [(noise(999), "has 999 bytes, and not 1000"), (vec![0; 1000], "has the SHA-256 541b3e9d")]
    {
        let folder = folder();
        fs::write(folder.path().join("data.bin"), &mine).unwrap();
        let error = fetch(&archive(&content, &[&server]), folder.path(), &quick()).unwrap_err().to_string();
        for word in ["data.bin: is not the file to fetch", words, "move it away first"] {
            assert!(error.contains(word), "{word:?} is not in the message: {error}");
        }
        assert_eq!(fs::read(folder.path().join("data.bin")).unwrap(), mine);
    }
    assert_eq!(server.requests(), []);
}

#[test]
fn two_at_once_do_not_mix() {
    let content = noise(2000);
    let server = Server::start(content.clone(), &[Reply::Chunks(100, Duration::from_millis(20)), ALL]);
    let (folder, archive) = (folder(), archive(&content, &[&server]));
    thread::scope(|scope| {
        let first = scope.spawn(|| fetch(&archive, folder.path(), &quick()));
        while !folder.path().join("data.bin.part").metadata().is_ok_and(|part| part.len() > 0) {
            thread::sleep(Duration::from_millis(1));
        }
        let error = fetch(&archive, folder.path(), &quick()).unwrap_err().to_string();
        assert!(error.contains("another process is fetching it"), "{error}");
        first.join().unwrap().unwrap();
    });
    assert_fetched(&folder, &content);
    assert_eq!(server.requests().len(), 1);
}

#[test]
fn archives_that_make_no_sense_are_refused() {
    let content = noise(10);
    for name in ["", ".", "..", "../data.bin", "a/b", "/etc/passwd", "a/", "./a"] {
        let mut bad = archive(&content, &[]);
        bad.files[0].name = name.into();
        let error = fetch(&bad, folder().path(), &quick()).unwrap_err();
        assert!(
            matches!(&error, Error::Argument(why) if why.contains("is not the name of a file")),
            "{error}"
        );
    }
    for sum in ["", "123", &"g".repeat(64), &"é".repeat(32)] {
        let mut bad = archive(&content, &[]);
        bad.files[0].sha256 = sum.into();
        let error = fetch(&bad, folder().path(), &quick()).unwrap_err();
        assert!(matches!(&error, Error::Argument(why) if why.contains("64 hexadecimal digits")), "{error}");
    }
    // The folder is a file.
    let folder = folder();
    fs::write(folder.path().join("file"), "").unwrap();
    let error = fetch(&archive(&content, &[]), &folder.path().join("file"), &quick()).unwrap_err();
    assert!(matches!(error, Error::Io { .. }), "{error}");
}

/// A `.tar.gz` of these entries.
fn tar_gz(entries: &[(&str, &[u8])]) -> Vec<u8> {
    let mut tar = tar::Builder::new(GzEncoder::new(Vec::new(), Compression::fast()));
    for (path, content) in entries {
        let mut header = tar::Header::new_ustar();
        // Paths that the crate would refuse to write.
        header.as_old_mut().name[..path.len()].copy_from_slice(path.as_bytes());
        header.set_size(content.len() as u64);
        header.set_mode(0o644);
        header.set_cksum();
        tar.append(&header, *content).unwrap();
    }
    tar.into_inner().unwrap().finish().unwrap()
}

/// An archive of CIFAR-10's layout, of two images in each batch.
fn cifar() -> (Vec<u8>, Vec<Vec<u8>>) {
    let batch = |first: u8| [&[first % 10][..], &noise(3072), &[(first + 1) % 10], &noise(3072)].concat();
    let batches: Vec<Vec<u8>> = (0..6).map(batch).collect();
    let names = Archive::cifar10().files[0].members.clone();
    let mut entries: Vec<(&str, &[u8])> =
        names.iter().zip(&batches).map(|(name, batch)| (name.as_str(), &batch[..])).collect();
    entries.push((&names[6], b"airplane\nautomobile\nbird\ncat\ndeer\ndog\nfrog\nhorse\nship\ntruck\n\n"));
    entries.push(("cifar-10-batches-bin/readme.html", b"<html>"));
    (tar_gz(&entries), batches)
}

/// The archive of CIFAR-10, with the length and checksum of this content.
fn like_cifar(content: &[u8], server: &Server) -> Archive {
    let mut archive = Archive::cifar10();
    archive.mirrors = vec![server.address.clone()];
    (archive.files[0].bytes, archive.files[0].sha256) = (content.len() as u64, hex(content));
    archive
}

#[test]
fn cifar10_is_unpacked_to_what_the_reader_reads() {
    let (content, batches) = cifar();
    let server = Server::start(content.clone(), &[ALL]);
    let (folder, archive) = (folder(), like_cifar(&content, &server));
    fetch(&archive, folder.path(), &quick()).unwrap();
    let dataset = Dataset::open(folder.path()).unwrap();
    assert_eq!((dataset.format(), dataset.len()), ("CIFAR-10", 10));
    assert_eq!(dataset.class_names()[3], "cat");
    let names = ["batches.meta.txt", "cifar-10-binary.tar.gz", "data_batch_1.bin", "data_batch_2.bin"];
    assert_eq!(listed(folder.path())[..4], names);
    assert_eq!(listed(folder.path()).len(), 8, "the readme is left out, and nothing stays beside");
    // What is gone or cut short is unpacked again, and nothing is fetched again.
    fs::remove_file(folder.path().join("test_batch.bin")).unwrap();
    fs::write(folder.path().join("data_batch_2.bin"), "short").unwrap();
    fetch(&archive, folder.path(), &quick()).unwrap();
    for (name, batch) in [("data_batch_2.bin", &batches[1]), ("test_batch.bin", &batches[5])] {
        assert_eq!(&fs::read(folder.path().join(name)).unwrap(), batch);
    }
    assert_eq!(server.requests().len(), 1);
}

#[test]
fn archives_that_lead_out_of_the_folder_are_refused_whole() {
    let (good, names) = (noise(50), Archive::cifar10().files[0].members.clone());
    for path in ["../evil.bin", "/tmp/evil.bin", "cifar-10-batches-bin/../../evil.bin", ".."] {
        let mut entries: Vec<(&str, &[u8])> = names.iter().map(|name| (name.as_str(), &good[..])).collect();
        entries.push((path, b"evil"));
        let content = tar_gz(&entries);
        let server = Server::start(content.clone(), &[ALL]);
        let folder = folder();
        let inner = folder.path().join("inner");
        let error = fetch(&like_cifar(&content, &server), &inner, &quick()).unwrap_err();
        assert!(matches!(error, Error::Format { .. }), "{error:?}");
        assert!(
            error.to_string().contains(&format!("has an entry {path} whose path leads outside the folder")),
            "{error}"
        );
        assert_eq!(listed(&inner), ["cifar-10-binary.tar.gz"]);
        assert_eq!(listed(folder.path()), ["inner"]);
    }
}

#[test]
fn archives_that_are_not_as_they_should_be_are_refused_whole() {
    let names = Archive::cifar10().files[0].members.clone();
    let five: Vec<(&str, &[u8])> = names[..5].iter().map(|name| (name.as_str(), &b"batch"[..])).collect();
    let says = |content: Vec<u8>, words: &[&str]| {
        let server = Server::start(content.clone(), &[ALL]);
        let folder = folder();
        let error = fetch(&like_cifar(&content, &server), folder.path(), &quick()).unwrap_err();
        assert!(matches!(error, Error::Format { .. }), "{error:?}");
        for word in words {
            assert!(error.to_string().contains(word), "{word:?} is not in the message: {error}");
        }
        assert_eq!(listed(folder.path()), ["cifar-10-binary.tar.gz"]);
    };
    says(tar_gz(&five), &["2 of its 7 members are not in it", "cifar-10-batches-bin/batches.meta.txt"]);
    says(noise(1000), &["cannot be unpacked"]);
    let whole = cifar().0;
    says(whole[..whole.len() / 2].to_vec(), &["cannot be unpacked"]);
    // A link in place of a member.
    let mut tar = tar::Builder::new(GzEncoder::new(Vec::new(), Compression::fast()));
    let mut header = tar::Header::new_gnu();
    header.set_entry_type(tar::EntryType::Symlink);
    header.set_size(0);
    tar.append_link(&mut header, &names[0], "/etc/passwd").unwrap();
    says(tar.into_inner().unwrap().finish().unwrap(), &["data_batch_1.bin in it is no file"]);
}

#[test]
fn the_archives_are_those_that_datasets_read() {
    for archive in Archive::all() {
        assert!(archive.mirrors.iter().all(|mirror| mirror.starts_with("http") && mirror.ends_with('/')));
        assert!(archive.files.iter().all(|file| file.bytes > 1000 && file.sha256.len() == 64));
    }
    assert_eq!(Archive::mnist().files.iter().map(|file| file.bytes).sum::<u64>(), 11_594_722);
    assert_eq!(Archive::cifar10().files[0].members.len(), 7);
    assert_eq!(Archive::cifar10().variable(), "SHARPDIM_MIRROR_CIFAR10");
}
