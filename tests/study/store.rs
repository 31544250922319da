//! A study's store from outside: what it refuses, and what plans come to.

use sharpdim::Error;
use sharpdim::study::{Kind, Plan, State, Store};
use std::collections::BTreeSet;

fn plan() -> Plan {
    Plan::parse(Plan::text_of("paper").unwrap()).unwrap()
}

#[test]
fn the_papers_plan_is_the_papers_grid() {
    let tasks = plan().tasks();
    // Seven sets of radiology, and five pairs of classes of four natural ones; six sizes; a measurement and six networks.
    assert_eq!(tasks.len(), (7 + 4 * 5) * 6 * (1 + 6));
    let trainings: Vec<_> = tasks.iter().filter(|task| task.kind == Kind::Train).collect();
    assert_eq!(trainings.len(), 27 * 36);
    assert!(trainings.iter().all(|task| task.test == 750 && task.epochs == 100));
    let sizes: BTreeSet<usize> = tasks.iter().map(|task| task.train).collect();
    assert_eq!(sizes.into_iter().collect::<Vec<_>>(), [500, 750, 1000, 1250, 1500, 1750]);
    // VGGs on SVHN learn at another rate.
    let slow = trainings.iter().filter(|task| task.rate == Some(1e-6)).count();
    assert_eq!(slow, 5 * 6 * 3);
    let ids: BTreeSet<&String> = tasks.iter().map(|task| &task.id).collect();
    assert_eq!(ids.len(), tasks.len(), "each is another experiment");
    // A measurement and the trainings on it have the same images.
    for task in &trainings {
        let measured =
            tasks.iter().filter(|other| other.kind == Kind::Measure && other.images == task.images);
        assert_eq!(measured.count(), 1);
    }
}

#[test]
fn a_task_is_known_by_what_its_result_depends_on() {
    let text = r#"
name = "a"
models = ["resnet18"]
train = [10]
size = 32
[[datasets]]
name = "x"
"#;
    let id = |text: &str| {
        let tasks = Plan::parse(text).unwrap().tasks();
        [tasks[0].id.clone(), tasks[1].id.clone()]
    };
    let [measure, train] = id(text);
    // Names of plans, domains and places of data change nothing; all else does.
    assert_eq!(id(&text.replace("\"a\"", "\"b\"")), [measure.clone(), train.clone()]);
    assert_eq!(
        id(&format!("{text}domain = \"radiology\"\npath = \"y\"\n")),
        [measure.clone(), train.clone()]
    );
    for (from, to) in [("[10]", "[12]"), ("size = 32", "size = 33"), ("\"x\"", "\"z\"")] {
        let [other_measure, other_train] = id(&text.replace(from, to));
        assert!(other_measure != measure && other_train != train, "{to}");
    }
    let [other_measure, other_train] = id(&text.replace("size = 32", "size = 32\nepochs = 7"));
    assert!(other_measure == measure && other_train != train);
    // The same in every version: stores of job arrays are merged by it.
    assert_eq!(measure, id(text)[0]);
}

#[test]
fn stores_of_other_data_are_not_merged() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let mut stores = ["a", "b"].map(|name| Store::create(&path(name)).unwrap());
    for store in &mut stores {
        store.add(&plan()).unwrap();
    }
    let [mut a, b] = stores;
    assert_eq!(a.merge(&path("b")).unwrap(), 0);
    drop(b);
    let done = |name: &str, sum: &str| {
        let text = "UPDATE task SET state = 'done', checksum = ?1 WHERE position = 0";
        rusqlite::Connection::open(path(name)).unwrap().execute(text, [sum]).unwrap();
    };
    done("b", "0123");
    assert_eq!(a.merge(&path("b")).unwrap(), 1);
    assert_eq!(a.entries().unwrap()[0].state, State::Done);
    assert_eq!(a.entries().unwrap().len(), plan().tasks().len());
    done("b", "4567");
    let error = a.merge(&path("b")).unwrap_err();
    assert!(matches!(error, Error::Data(_)) && error.to_string().contains("other checksums"), "{error}");
    assert!(a.merge(&path("a")).unwrap_err().to_string().contains("with itself"));
    assert!(matches!(a.merge(&path("none")).unwrap_err(), Error::Io { .. }));
}

#[test]
fn what_is_no_store_of_this_form_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("study.sqlite");
    drop(Store::create(&path).unwrap());
    let other = rusqlite::Connection::open(&path).unwrap();
    other.pragma_update(None, "user_version", 7).unwrap();
    drop(other);
    let error = Store::open(&path).err().unwrap().to_string();
    assert!(error.contains("format 7") && error.contains("format 1"), "{error}");
    let another = folder.path().join("bookmarks.sqlite");
    rusqlite::Connection::open(&another).unwrap().execute_batch("CREATE TABLE places (url TEXT)").unwrap();
    for open in [Store::open, Store::create] {
        let error = open(&another).err().unwrap().to_string();
        assert!(error.contains("bookmarks.sqlite") && error.contains("no study's store"), "{error}");
    }
    // Half of a file: what is lacking is noticed.
    let bytes = std::fs::read(&path).unwrap();
    std::fs::write(&path, &bytes[..bytes.len() / 2]).unwrap();
    assert!(matches!(Store::open(&path).err().unwrap(), Error::Format { .. }));
}
