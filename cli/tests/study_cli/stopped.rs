//! Studies that are killed, stopped, run by several processes at once, or whose disk is full.

use super::ran::{PLAN, Place, assert_fails, command, dump, finish, good, run, whole, words};
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Tasks at once.
const JOBS: usize = 2;

fn spawn(args: &[String]) -> Child {
    command(&words(args)).stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("study runs")
}

/// Waits for a process; false where it has not ended in this time.
fn ends_within(child: &mut Child, time: Duration) -> bool {
    let begun = Instant::now();
    while begun.elapsed() < time {
        if let Some(status) = child.try_wait().unwrap() {
            assert!(status.success());
            return true;
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    false
}

/// Killed at moments that only the machine's load decides: while it opens the store, trains, saves, attacks, writes results.
#[test]
fn killed_ten_times_it_comes_to_the_same_store() {
    let place = Place::new(PLAN);
    // Every other time without checkpoints: trainings of a second are over before one is due.
    let (saving, args) = (place.args_saving("out"), place.args("out"));
    // Moments that a generator draws, from 0.05 to 1 second after the start: ten of them are less than the whole takes.
    let mut state = 0x2545_F491_4F6C_DD1Du64;
    let mut kills = 0;
    while kills < 10 {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        let mut child = spawn(if kills % 2 == 0 { &saving } else { &args });
        if ends_within(&mut child, Duration::from_millis(50 + state % 950)) {
            break;
        }
        child.kill().unwrap();
        child.wait().unwrap();
        kills += 1;
    }
    assert_eq!(kills, 10, "it was done too fast for this test");
    good(&words(&args));
    assert!(dump(place.path("out")) == whole(), "{}\n\n{}", dump(place.path("out")), whole());
    let left: Vec<_> =
        std::fs::read_dir(place.path("out/runs")).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn two_processes_share_the_work() {
    let place = Place::new(PLAN);
    let args = place.args("out");
    let both = [(); 2].map(|()| {
        let mut other = command(&words(&args));
        other.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("study runs")
    });
    let said = both.map(|child| {
        let output = child.wait_with_output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(output.status.success(), "{said}");
        said
    });
    assert!(dump(place.path("out")) == whole());
    // Each task was done once, by one of them.
    let done = |said: &String| said.lines().filter(|line| line.contains(" s; ")).count();
    assert_eq!(said.iter().map(done).sum::<usize>(), 8, "{said:?}");
    assert!(said.iter().all(|said| done(said) > 0), "one of them did it all: {said:?}");
}

/// More than there are tasks too. What runs by itself differs between machines.
#[test]
fn any_number_of_tasks_at_once_comes_to_the_same_store() {
    for jobs in ["1", "3", "100"] {
        let place = Place::new(PLAN);
        let args = place.args("out");
        let ran = good(&[&words(&args)[..], &["--jobs", jobs]].concat());
        assert!(dump(place.path("out")) == whole(), "{jobs}");
        assert_eq!(ran.stderr.lines().filter(|line| line.contains(" s; ")).count(), 8, "{}", ran.stderr);
    }
    let place = Place::new(PLAN);
    assert_fails(&[&words(&place.args("out"))[..], &["--jobs", "0"]].concat(), 2, &["--jobs", "0"]);
}

#[test]
fn shards_merged_equal_the_whole() {
    let place = Place::new(PLAN);
    for shard in ["1/3", "2/3", "3/3"] {
        let args = place.args("out");
        let ran = good(&[&words(&args)[..], &["--shard", shard]].concat());
        assert!(ran.stdout.contains("study merge --out"), "{}", ran.stdout);
    }
    let out = place.path("out");
    let ran = good(&["merge", "--out", &out, "--no-figures"]);
    assert!(ran.stdout.contains("8 of 8 tasks"), "{}", ran.stdout);
    assert!(dump(&out) == whole(), "{}\n\n{}", dump(&out), whole());
    // Once more changes nothing.
    let ran = good(&["merge", "--out", &out, "--no-figures"]);
    assert!(ran.stdout.matches(": 0 new results").count() == 3, "{}", ran.stdout);
    assert!(dump(&out) == whole());
}

#[test]
fn interrupted_it_says_so_and_goes_on() {
    let place = Place::new(&PLAN.replace("epochs = 4", "epochs = 60"));
    let args = [&place.args_saving("out")[..], &["--jobs".into(), JOBS.to_string()]].concat();
    let child =
        command(&words(&args)).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("study runs");
    let begun = Instant::now();
    let runs = std::path::PathBuf::from(place.path("out/runs"));
    // A checkpoint is there: a training is under way.
    let is_checkpoint = |entry: std::io::Result<std::fs::DirEntry>| {
        let name = entry.unwrap().file_name().into_string().unwrap();
        name.ends_with(".safetensors") && !name.starts_with('.')
    };
    while !std::fs::read_dir(&runs).is_ok_and(|mut entries| entries.any(is_checkpoint)) {
        assert!(begun.elapsed() < Duration::from_secs(120), "no checkpoint came");
        std::thread::sleep(Duration::from_millis(5));
    }
    let status = good(&["status", "--out", &place.path("out"), "--json"]);
    let status: serde_json::Value = serde_json::from_str(&status.stdout).expect("one JSON object");
    let running = status["running"].as_array().unwrap().len();
    assert!((1..=JOBS).contains(&running), "{status}");
    assert_eq!(status["running"][0]["dataset"], "spots");
    let signal = Command::new("kill").args(["-INT", &child.id().to_string()]).status().expect("kill runs");
    assert!(signal.success());
    let output = child.wait_with_output().unwrap();
    let (stdout, stderr) =
        (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
    assert_eq!(output.status.code(), Some(130), "{stderr}");
    assert!(stdout.contains("the same command continues") && stdout.contains("begun"), "{stdout}");
    // It resumes from the checkpoint.
    let mut again =
        command(&words(&args)).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().expect("study runs");
    let mut lines = BufReader::new(again.stderr.take().unwrap()).lines().map(|line| line.unwrap());
    let resumed = lines.any(|line| line.contains("resumes after"));
    again.kill().unwrap();
    again.wait().unwrap();
    assert!(resumed);
}

/// A limit on the size of files stands for a full disk: writing fails in the same place.
#[test]
fn a_full_disk_loses_nothing() {
    let place = Place::new(PLAN);
    let args = place.args_saving("out");
    let study = command(&words(&args));
    let mut limited = Command::new("sh");
    // 512-byte or 1 kB blocks: 5 or 10 MB, where a checkpoint has 134 and the store some kB.
    limited.args(["-c", "trap '' XFSZ; ulimit -f 10000; exec \"$@\"", "sh"]);
    limited.arg(study.get_program()).args(study.get_args()).stdin(Stdio::null());
    let ran = finish(&mut limited);
    assert_eq!(ran.code, 1, "{}{}", ran.stdout, ran.stderr);
    assert!(ran.stderr.contains(".safetensors"), "{}", ran.stderr);
    let ran = run(&words(&args));
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert!(ran.stderr.contains("were done before"), "what was measured was kept: {}", ran.stderr);
    assert!(dump(place.path("out")) == whole());
}

/// A checkpoint that a disk damaged is only a shortcut that is gone.
#[test]
fn a_damaged_checkpoint_is_begun_anew() {
    let place = Place::new(PLAN);
    let args = place.args_saving("out");
    let mut child = spawn(&args);
    let runs = std::path::PathBuf::from(place.path("out/runs"));
    let begun = Instant::now();
    let checkpoint = loop {
        assert!(begun.elapsed() < Duration::from_secs(120), "no checkpoint came");
        let found = std::fs::read_dir(&runs).ok().and_then(|entries| {
            let mut paths = entries.filter_map(|entry| Some(entry.ok()?.path()));
            paths.find(|path| {
                let name = path.file_name().unwrap().to_str().unwrap();
                name.ends_with(".safetensors") && !name.starts_with('.')
            })
        });
        match found {
            Some(path) => break path,
            None => std::thread::sleep(Duration::from_millis(2)),
        }
    };
    child.kill().unwrap();
    child.wait().unwrap();
    std::fs::write(&checkpoint, b"no checkpoint").unwrap();
    good(&words(&args));
    assert!(dump(place.path("out")) == whole());
}
