//! A study's results: one SQLite file, in which each result is written in one transaction.

mod merge;
mod read;
mod results;

pub(super) use results::Outcome;
pub use results::{
    AttackResult, Dimension, Entry, EpochResult, LayerCurve, MeasuredSharpness, Measurement, State,
    VariantResult,
};

use crate::study::plan::{Classes, Plan};
use crate::study::task::Task;
use crate::{Error, Result};
use rusqlite::{Connection, OpenFlags, OptionalExtension, Row, Transaction, TransactionBehavior, params};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// The version of the file format.
const FORM: i64 = 1;
/// How long a process waits for another's write.
const PATIENCE: Duration = Duration::from_secs(120);

const SCHEMA: &str = "
CREATE TABLE plan (name TEXT NOT NULL, toml TEXT NOT NULL, added INTEGER NOT NULL);
-- An experiment. state: pending, done, failed, skipped. What it wanted, and whatever else its result depends on: settings.
CREATE TABLE task (
    id TEXT PRIMARY KEY, images TEXT NOT NULL, kind TEXT NOT NULL, position INTEGER NOT NULL, name TEXT NOT NULL,
    domain TEXT NOT NULL, classes TEXT NOT NULL, model TEXT, train INTEGER NOT NULL, test INTEGER NOT NULL,
    seed INTEGER NOT NULL, settings TEXT NOT NULL, cost REAL NOT NULL,
    state TEXT NOT NULL, error TEXT, error_kind TEXT, epochs_done INTEGER NOT NULL DEFAULT 0,
    -- Of its images: a checksum of pixels and labels.
    checksum TEXT, device TEXT, version TEXT, precision TEXT, finished INTEGER, seconds REAL NOT NULL DEFAULT 0);
-- Dimension of the training images (layer 'data'), under a preprocessing ('' for the plan's), or of a layer's representation of them.
CREATE TABLE dimension (
    task TEXT NOT NULL REFERENCES task (id), layer TEXT NOT NULL, depth REAL, preprocessing TEXT NOT NULL, estimator TEXT NOT NULL,
    value REAL, low REAL, high REAL, excluded INTEGER NOT NULL, error TEXT,
    PRIMARY KEY (task, layer, preprocessing, estimator));
-- Label sharpness of the training images, in 1 / units of pixel value.
CREATE TABLE sharpness (
    task TEXT NOT NULL REFERENCES task (id), preprocessing TEXT NOT NULL, value REAL, maximum REAL, contradictions INTEGER,
    pairs INTEGER, error TEXT, PRIMARY KEY (task, preprocessing));
CREATE TABLE epoch (
    task TEXT NOT NULL REFERENCES task (id), epoch INTEGER NOT NULL, train_loss REAL NOT NULL, train_accuracy REAL NOT NULL,
    test_loss REAL NOT NULL, test_accuracy REAL NOT NULL, PRIMARY KEY (task, epoch));
-- What an attack on the test images came to.
CREATE TABLE attack (
    task TEXT NOT NULL REFERENCES task (id), attack TEXT NOT NULL, epsilon REAL NOT NULL, clean_loss REAL NOT NULL,
    clean_accuracy REAL NOT NULL, loss REAL NOT NULL, accuracy REAL NOT NULL, PRIMARY KEY (task, attack, epsilon));
";

/// The tables that hold results, with the columns that are the same however often a study was interrupted.
const RESULTS: [(&str, &str); 4] = [
    ("dimension", "task, layer, depth, preprocessing, estimator, value, low, high, excluded, error"),
    ("sharpness", "task, preprocessing, value, maximum, contradictions, pairs, error"),
    ("epoch", "task, epoch, train_loss, train_accuracy, test_loss, test_accuracy"),
    ("attack", "task, attack, epsilon, clean_loss, clean_accuracy, loss, accuracy"),
];
const TASK: &str =
    "id, images, kind, position, name, domain, classes, model, train, test, seed, settings, cost";
const ENDED: &str =
    "state, error, error_kind, epochs_done, checksum, device, version, precision, finished, seconds";

/// The results of a study, in one SQLite file.
///
/// ```
/// use sharpdim::study::{Plan, Store};
/// # let folder = tempfile::tempdir().unwrap();
/// # let path = folder.path().join("study.sqlite");
/// let plan = Plan::parse(Plan::text_of("demo").unwrap())?;
/// let mut store = Store::create(&path)?;
/// store.add(&plan)?;
/// assert_eq!(store.entries()?.len(), plan.tasks().len());
/// assert!(store.observations()?.is_empty());
/// # Ok::<(), sharpdim::Error>(())
/// ```
pub struct Store {
    path: PathBuf,
    connection: Connection,
}

impl Store {
    /// Opens the store at `path`, or makes one.
    ///
    /// # Errors
    /// [`Error::Io`] where it cannot be made or written, [`Error::Format`] where the file is no store of this version.
    pub fn create(path: &Path) -> Result<Self> {
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE;
        let mut store = Self::connect(path, flags)?;
        let wrong = wrong(path);
        // Two processes may start at once: the second waits, and finds the tables.
        let made =
            store.connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(&wrong)?;
        let form: i64 = made.query_row("PRAGMA user_version", [], |row| row.get(0)).map_err(&wrong)?;
        let tables: i64 =
            made.query_row("SELECT count(*) FROM sqlite_master", [], |row| row.get(0)).map_err(&wrong)?;
        if (form, tables) == (0, 0) {
            made.execute_batch(SCHEMA).map_err(&wrong)?;
            made.pragma_update(None, "user_version", FORM).map_err(&wrong)?;
        }
        made.commit().map_err(&wrong)?;
        store.check()?;
        Ok(store)
    }

    /// Opens an existing store.
    ///
    /// # Errors
    /// As [`create`](Self::create); [`Error::Io`] where there is none.
    pub fn open(path: &Path) -> Result<Self> {
        if !path.is_file() {
            return Err(Error::io(
                path,
                std::io::Error::new(std::io::ErrorKind::NotFound, "there is no study's store"),
            ));
        }
        let store = Self::connect(path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
        store.check()?;
        Ok(store)
    }

    fn connect(path: &Path, flags: OpenFlags) -> Result<Self> {
        let wrong = wrong(path);
        let connection = Connection::open_with_flags(path, flags).map_err(&wrong)?;
        connection.busy_timeout(PATIENCE).map_err(&wrong)?;
        // Committed results survive a power failure.
        connection.pragma_update(None, "synchronous", "FULL").map_err(&wrong)?;
        // No results without their task.
        connection.pragma_update(None, "foreign_keys", true).map_err(&wrong)?;
        Ok(Store { path: path.to_owned(), connection })
    }

    fn check(&self) -> Result<()> {
        let form: i64 = self
            .connection
            .query_row("PRAGMA user_version", [], |row| row.get(0))
            .map_err(wrong(&self.path))?;
        let tables = self
            .connection
            .query_row("SELECT count(*) FROM sqlite_master WHERE name = 'task'", [], |row| {
                row.get::<_, i64>(0)
            })
            .map_err(wrong(&self.path))?;
        match (form, tables) {
            (FORM, 1) => Ok(()),
            (_, 0) => Err(Error::format(&self.path, "is a database, but no study's store")),
            (other, _) => Err(Error::format(
                &self.path,
                format!("has store format {other}: this version of sharpdim reads format {FORM}"),
            )),
        }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Adds a plan's tasks. Existing tasks keep their results; tasks of an earlier plan that this one does not have
    /// stay if they have results, else are removed.
    ///
    /// # Errors
    /// [`Error::Io`] where the store cannot be written.
    pub fn add(&mut self, plan: &Plan) -> Result<()> {
        self.add_tasks(plan, &plan.tasks())
    }

    /// As [`add`](Self::add), for some of its tasks only.
    pub(in crate::study) fn add_tasks(&mut self, plan: &Plan, tasks: &[Task]) -> Result<()> {
        self.write(|write| {
            write.execute("DELETE FROM plan", [])?;
            write.execute("INSERT INTO plan VALUES (?1, ?2, ?3)", params![plan.name, plan.text(), now()])?;
            write.execute_batch(
                "CREATE TEMP TABLE wanted (id TEXT PRIMARY KEY); UPDATE task SET position = position + 1000000000;",
            )?;
            for task in tasks {
                let classes = match &task.classes {
                    Classes::Named(names) => names.join(" and "),
                    Classes::All => String::new(),
                    Classes::Draw(draw) => format!("pair {}", draw + 1),
                };
                write
                    .prepare_cached(
                        "INSERT INTO task (id, images, kind, position, name, domain, classes, model, train, test, seed, settings,
                                           cost, state)
                         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, 'pending')
                         ON CONFLICT (id) DO UPDATE SET position = excluded.position, domain = excluded.domain, cost = excluded.cost",
                    )?
                    .execute(params![
                        task.id,
                        task.images,
                        task.kind.name(),
                        task.position as i64,
                        task.name,
                        task.domain,
                        classes,
                        task.model.map(|model| model.name()),
                        task.train as i64,
                        task.test as i64,
                        task.seed as i64,
                        task.settings,
                        task.cost
                    ])?;
                write.prepare_cached("INSERT INTO wanted VALUES (?1)")?.execute([&task.id])?;
            }
            write.execute_batch(
                "DELETE FROM task WHERE state <> 'done' AND id NOT IN (SELECT id FROM wanted); DROP TABLE wanted;",
            )
        })
    }

    /// The TOML of its plan.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn plan_text(&self) -> Result<Option<String>> {
        self.connection
            .query_row("SELECT toml FROM plan", [], |row| row.get(0))
            .optional()
            .map_err(wrong(&self.path))
    }

    /// Its tasks, in the plan's order.
    ///
    /// # Errors
    /// [`Error::Format`] where the file is damaged.
    pub fn entries(&self) -> Result<Vec<Entry>> {
        let text = "SELECT id, images, kind, position, name, domain, classes, model, train, seed, cost, state, error, error_kind,
                           epochs_done, seconds
                    FROM task ORDER BY position, id";
        self.rows(text, |row| {
            let state: String = row.get("state")?;
            let error: Option<String> = row.get("error")?;
            let error = error.unwrap_or_default();
            Ok(Entry {
                id: row.get("id")?,
                images: row.get("images")?,
                kind: row.get("kind")?,
                position: row.get::<_, i64>("position")? as usize,
                dataset: row.get("name")?,
                domain: row.get("domain")?,
                classes: row.get("classes")?,
                model: row.get("model")?,
                train: row.get::<_, i64>("train")? as usize,
                seed: row.get::<_, i64>("seed")? as u64,
                cost: row.get("cost")?,
                state: match state.as_str() {
                    "done" => State::Done,
                    "failed" => {
                        let kind: Option<String> = row.get("error_kind")?;
                        State::Failed { error, passing: kind.as_deref() == Some("passing") }
                    }
                    "skipped" => State::Skipped { reason: error },
                    _ => State::Pending,
                },
                epochs_done: row.get::<_, i64>("epochs_done")? as u32,
                seconds: row.get("seconds")?,
            })
        })
    }

    pub(in crate::study) fn is_done(&self, id: &str) -> Result<bool> {
        self.connection
            .query_row("SELECT state = 'done' FROM task WHERE id = ?1", [id], |row| row.get(0))
            .optional()
            .map(|done| done.unwrap_or(false))
            .map_err(wrong(&self.path))
    }

    /// Notes the epochs in a task's checkpoint, and adds the seconds it took.
    pub(in crate::study) fn advanced(&mut self, id: &str, epochs: u32, seconds: f64) -> Result<()> {
        self.write(|write| {
            write.execute(
                "UPDATE task SET epochs_done = ?2, seconds = seconds + ?3 WHERE id = ?1",
                params![id, epochs, seconds],
            )?;
            Ok(())
        })
    }

    /// Writes a task's results in one transaction.
    pub(in crate::study) fn finish(&mut self, id: &str, outcome: &Outcome, seconds: f64) -> Result<()> {
        self.write(|write| {
            for (table, _) in RESULTS {
                write.execute(&format!("DELETE FROM {table} WHERE task = ?1"), [id])?;
            }
            for found in &outcome.dimensions {
                let [value, low, high] = found.value.map_or([None; 3], |values| values.map(Some));
                write
                    .prepare_cached("INSERT INTO dimension VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)")?
                    .execute(params![
                        id,
                        found.layer,
                        found.depth,
                        found.preprocessing,
                        found.estimator,
                        value,
                        low,
                        high,
                        found.excluded as i64,
                        found.error
                    ])?;
            }
            for found in &outcome.sharpness {
                write.prepare_cached("INSERT INTO sharpness VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)")?.execute(params![
                    id,
                    found.preprocessing,
                    found.value,
                    found.maximum,
                    found.contradictions as i64,
                    found.pairs as i64,
                    found.error
                ])?;
            }
            for epoch in &outcome.epochs {
                write.prepare_cached("INSERT INTO epoch VALUES (?1, ?2, ?3, ?4, ?5, ?6)")?.execute(params![
                    id,
                    epoch.epoch,
                    epoch.train_loss,
                    epoch.train_accuracy,
                    epoch.test_loss,
                    epoch.test_accuracy
                ])?;
            }
            for found in &outcome.attacks {
                write.prepare_cached("INSERT INTO attack VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)")?.execute(params![
                    id,
                    found.attack,
                    found.epsilon,
                    found.clean[0],
                    found.clean[1],
                    found.attacked[0],
                    found.attacked[1]
                ])?;
            }
            write.execute(
                "UPDATE task SET state = 'done', error = NULL, error_kind = NULL, classes = ?2, checksum = ?3, device = ?4,
                                 precision = ?5, version = ?6, finished = ?7, seconds = seconds + ?8, epochs_done = ?9
                 WHERE id = ?1",
                params![
                    id,
                    outcome.classes,
                    outcome.checksum,
                    outcome.device,
                    outcome.precision,
                    env!("CARGO_PKG_VERSION"),
                    now(),
                    seconds,
                    outcome.epochs.len() as i64
                ],
            )?;
            Ok(())
        })
    }

    pub(in crate::study) fn fail(&mut self, id: &str, error: &str, passing: bool) -> Result<()> {
        let kind = if passing { "passing" } else { "lasting" };
        self.write(|write| {
            write.execute(
                "UPDATE task SET state = 'failed', error = ?2, error_kind = ?3, finished = ?4 WHERE id = ?1 AND state <> 'done'",
                params![id, error, kind, now()],
            )?;
            Ok(())
        })
    }

    pub(in crate::study) fn skip(&mut self, ids: &[&str], reason: &str) -> Result<()> {
        self.write(|write| {
            for id in ids {
                write
                    .prepare_cached(
                        "UPDATE task SET state = 'skipped', error = ?2 WHERE id = ?1 AND state <> 'done'",
                    )?
                    .execute(params![id, reason])?;
            }
            Ok(())
        })
    }

    /// Sets skipped tasks and tasks with a transient error to pending again; with `all`, every failed task.
    pub(in crate::study) fn reset_to_pending(&mut self, all: bool) -> Result<()> {
        self.write(|write| {
            write.execute(
                "UPDATE task SET state = 'pending', error = NULL, error_kind = NULL
                 WHERE state = 'skipped' OR state = 'failed' AND (?1 OR error_kind = 'passing')",
                [all],
            )?;
            Ok(())
        })
    }

    fn rows<T>(&self, text: &str, read: impl FnMut(&Row<'_>) -> rusqlite::Result<T>) -> Result<Vec<T>> {
        let wrong = wrong(&self.path);
        let mut query = self.connection.prepare_cached(text).map_err(&wrong)?;
        query.query_map([], read).and_then(Iterator::collect).map_err(&wrong)
    }

    fn write(&mut self, work: impl FnOnce(&Transaction<'_>) -> rusqlite::Result<()>) -> Result<()> {
        let wrong = wrong(&self.path);
        let write =
            self.connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(&wrong)?;
        work(&write).and_then(|()| write.commit()).map_err(&wrong)
    }
}

fn now() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs() as i64)
}

/// An error of SQLite as an error of the file.
fn wrong(path: &Path) -> impl Fn(rusqlite::Error) -> Error + use<> {
    let path = path.to_owned();
    move |error| {
        use rusqlite::ErrorCode::{DatabaseCorrupt, NotADatabase};
        match error.sqlite_error_code() {
            Some(NotADatabase) => Error::format(&path, "is not an SQLite database, as a study's store is"),
            Some(DatabaseCorrupt) => Error::format(&path, format!("is damaged: {error}")),
            // Locked for minutes, read-only or a full disk: not a matter of the content.
            _ => Error::io(&path, std::io::Error::other(error)),
        }
    }
}
