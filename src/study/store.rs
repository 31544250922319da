//! A study's results: one SQLite file, in which each result is written whole, in a transaction, or not at all.

use super::observation::{Observation, Penalty};
use super::plan::{Classes, Plan};
use super::task::{Kind, Task};
use crate::{Error, Result};
use rusqlite::{Connection, OpenFlags, OptionalExtension, Row, Transaction, TransactionBehavior, params};
use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// The number of this form of the file; another form has another one.
const FORM: i64 = 1;
/// How long a process waits for another that is writing.
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

/// Where a task stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum State {
    /// Not done yet; perhaps begun.
    Pending,
    /// Its results are in the store.
    Done,
    /// It ended with an error.
    Failed {
        /// The error.
        error: String,
        /// Whether it may well go another time, as after a lost device or a full disk.
        passing: bool,
    },
    /// Its data are not there, or are too few.
    Skipped {
        /// Why.
        reason: String,
    },
}

/// A dimension that was measured.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Dimension {
    /// `data` for the images, else the layer.
    pub layer: String,
    /// The layer's relative depth.
    pub depth: Option<f64>,
    /// The preprocessing in words; empty for the plan's.
    pub preprocessing: String,
    /// The estimator.
    pub estimator: String,
    /// The dimension and its 95 % interval.
    pub value: Option<[f64; 3]>,
    /// Samples that gave no value.
    pub excluded: usize,
    /// Why there is no value.
    pub error: Option<String>,
}

/// A label sharpness that was measured.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct MeasuredSharpness {
    /// The preprocessing in words; empty for the plan's.
    pub preprocessing: String,
    /// K_F: as the plan's protocol has it.
    pub value: Option<f64>,
    /// Over all the pairs that were compared.
    pub maximum: Option<f64>,
    /// Pairs of different classes at distance 0.
    pub contradictions: u64,
    /// Pairs compared.
    pub pairs: u64,
    /// Why there is no value.
    pub error: Option<String>,
}

/// What an epoch came to.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct EpochResult {
    /// Its number, from 1 on.
    pub epoch: u32,
    /// Mean cross-entropy of the training images.
    pub train_loss: f64,
    /// The part of them told right.
    pub train_accuracy: f64,
    /// Mean cross-entropy of the test images.
    pub test_loss: f64,
    /// The part of them told right.
    pub test_accuracy: f64,
}

/// What an attack came to.
#[derive(Clone, Debug, PartialEq)]
pub struct AttackResult {
    /// The attack's name in the plan.
    pub attack: String,
    /// Its strength.
    pub epsilon: f64,
    /// Mean cross-entropy of the test images as they are, and the part told right.
    pub clean: [f64; 2],
    /// Likewise under attack.
    pub attacked: [f64; 2],
}

/// All that a task came to.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Outcome {
    pub classes: String,
    pub checksum: String,
    pub device: String,
    pub precision: Option<String>,
    pub dimensions: Vec<Dimension>,
    pub sharpness: Vec<MeasuredSharpness>,
    pub epochs: Vec<EpochResult>,
    pub attacks: Vec<AttackResult>,
}

/// A task as the store knows it.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// The task's identity.
    pub id: String,
    /// That of its images.
    pub images: String,
    /// What is done: `measure` or `train`.
    pub kind: String,
    /// Its place in the plan.
    pub position: usize,
    /// The dataset.
    pub dataset: String,
    /// Its domain.
    pub domain: String,
    /// The classes, as far as they are known.
    pub classes: String,
    /// The network.
    pub model: Option<String>,
    /// Images to train on.
    pub train: usize,
    /// The seed.
    pub seed: u64,
    /// How much work it is: see [`Task::cost`].
    pub cost: f64,
    /// Where it stands.
    pub state: State,
    /// Epochs that are in its checkpoint.
    pub epochs_done: u32,
    /// Seconds that it took so far.
    pub seconds: f64,
}

/// One dataset's figures under other preprocessings.
#[derive(Clone, Debug, PartialEq)]
pub struct VariantResult {
    /// The dataset.
    pub dataset: String,
    /// Its domain.
    pub domain: String,
    /// The preprocessing in words; empty for the plan's.
    pub preprocessing: String,
    /// The mean K_F over class pairs and seeds.
    pub k_f: f64,
}

/// The curve of a network's layers.
#[derive(Clone, Debug, PartialEq)]
pub struct LayerCurve {
    /// The dataset.
    pub dataset: String,
    /// Its domain.
    pub domain: String,
    /// The network.
    pub model: String,
    /// The estimator.
    pub estimator: String,
    /// Layer, relative depth, and the mean dimension over class pairs, sizes and seeds.
    pub layers: Vec<(String, f64, f64)>,
}

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
        // Two processes may begin at once: the second waits, and finds it made.
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

    /// Opens a store that is there.
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
        // What was committed outlives a loss of power.
        connection.pragma_update(None, "synchronous", "FULL").map_err(&wrong)?;
        // Results without their task would be of nothing.
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
                format!("is a store of form {other}, and this version of sharpdim reads form {FORM}"),
            )),
        }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Puts a plan's tasks in. Those that are there keep what they came to; those of an earlier plan that this one does not have
    /// stay where they have results, and go where they have none.
    ///
    /// # Errors
    /// [`Error::Io`] where the store cannot be written.
    pub fn add(&mut self, plan: &Plan) -> Result<()> {
        self.add_tasks(plan, &plan.tasks())
    }

    /// As [`add`](Self::add), some of its tasks alone.
    pub(super) fn add_tasks(&mut self, plan: &Plan, tasks: &[Task]) -> Result<()> {
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

    /// By what its results were made: versions, devices, precisions, and seconds in all.
    pub(super) fn provenance(&self) -> Result<Vec<(String, String)>> {
        let mut facts = Vec::new();
        for (name, column) in [
            ("version of sharpdim", "version"),
            ("device", "device"),
            ("precision of trainings", "precision"),
        ] {
            let text = format!(
                "SELECT DISTINCT {column} FROM task WHERE state = 'done' AND {column} IS NOT NULL ORDER BY 1"
            );
            let values: Vec<String> = self.rows(&text, |row| row.get(0))?;
            facts.push((name.to_owned(), values.join(", ")));
        }
        let seconds: Vec<f64> =
            self.rows("SELECT coalesce(sum(seconds), 0.0) FROM task WHERE state = 'done'", |row| row.get(0))?;
        facts.push(("seconds of all tasks".to_owned(), format!("{:.0}", seconds.iter().sum::<f64>())));
        Ok(facts)
    }

    pub(super) fn is_done(&self, id: &str) -> Result<bool> {
        self.connection
            .query_row("SELECT state = 'done' FROM task WHERE id = ?1", [id], |row| row.get(0))
            .optional()
            .map(|done| done.unwrap_or(false))
            .map_err(wrong(&self.path))
    }

    /// Says how far a task's checkpoint is, and how many more seconds it took.
    pub(super) fn advanced(&mut self, id: &str, epochs: u32, seconds: f64) -> Result<()> {
        self.write(|write| {
            write.execute(
                "UPDATE task SET epochs_done = ?2, seconds = seconds + ?3 WHERE id = ?1",
                params![id, epochs, seconds],
            )?;
            Ok(())
        })
    }

    /// Writes all that a task came to, in one transaction.
    pub(super) fn finish(&mut self, id: &str, outcome: &Outcome, seconds: f64) -> Result<()> {
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

    pub(super) fn fail(&mut self, id: &str, error: &str, passing: bool) -> Result<()> {
        let kind = if passing { "passing" } else { "lasting" };
        self.write(|write| {
            write.execute(
                "UPDATE task SET state = 'failed', error = ?2, error_kind = ?3, finished = ?4 WHERE id = ?1 AND state <> 'done'",
                params![id, error, kind, now()],
            )?;
            Ok(())
        })
    }

    pub(super) fn skip(&mut self, ids: &[&str], reason: &str) -> Result<()> {
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

    /// Has tasks done that were skipped, or that failed of what may have passed; with `all`, those too that failed otherwise.
    pub(super) fn again(&mut self, all: bool) -> Result<()> {
        self.write(|write| {
            write.execute(
                "UPDATE task SET state = 'pending', error = NULL, error_kind = NULL
                 WHERE state = 'skipped' OR state = 'failed' AND (?1 OR error_kind = 'passing')",
                [all],
            )?;
            Ok(())
        })
    }

    /// What the trainings that are done came to, each with what was measured of its images where that is done too.
    ///
    /// # Errors
    /// [`Error::Format`] where the file is damaged.
    pub fn observations(&self) -> Result<Vec<Observation>> {
        let mut of_images: HashMap<String, Observation> = HashMap::new();
        let dims = "SELECT t.images, d.estimator, d.value FROM dimension d JOIN task t ON t.id = d.task
                    WHERE t.kind = 'measure' AND d.layer = 'data' AND d.preprocessing = '' AND d.value IS NOT NULL
                    ORDER BY d.rowid";
        for (images, estimator, value) in
            self.rows(dims, |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?
        {
            of_images.entry(images).or_default().d_data.push((estimator, value));
        }
        let sharpness = "SELECT t.images, s.value FROM sharpness s JOIN task t ON t.id = s.task
                         WHERE t.kind = 'measure' AND s.preprocessing = ''";
        for (images, value) in self.rows(sharpness, |row| Ok((row.get(0)?, row.get(1)?)))? {
            of_images.entry(images).or_default().k_f = value;
        }
        let mut of_task: BTreeMap<String, Observation> = BTreeMap::new();
        let mut order = Vec::new();
        let tasks = "SELECT t.id, t.images, t.name, t.domain, t.classes, t.model, t.train, t.seed, e.test_loss, e.test_accuracy
                     FROM task t JOIN epoch e ON e.task = t.id AND e.epoch = t.epochs_done
                     WHERE t.kind = 'train' AND t.state = 'done' ORDER BY t.position, t.id";
        let found: Vec<(String, String, Observation)> = self.rows(tasks, |row| {
            let observation = Observation {
                dataset: row.get(2)?,
                domain: row.get(3)?,
                classes: row.get(4)?,
                model: row.get(5)?,
                train: row.get::<_, i64>(6)? as usize,
                seed: row.get::<_, i64>(7)? as u64,
                test_loss: row.get(8)?,
                test_accuracy: row.get(9)?,
                ..Observation::default()
            };
            Ok((row.get(0)?, row.get(1)?, observation))
        })?;
        for (id, images, mut observation) in found {
            if let Some(measured) = of_images.get(&images) {
                (observation.d_data, observation.k_f) = (measured.d_data.clone(), measured.k_f);
            }
            order.push(id.clone());
            of_task.insert(id, observation);
        }
        let layers = "SELECT task, estimator, value FROM dimension WHERE layer = 'last_hidden' AND value IS NOT NULL ORDER BY rowid";
        for (task, estimator, value) in
            self.rows(layers, |row| Ok((row.get::<_, String>(0)?, row.get(1)?, row.get(2)?)))?
        {
            if let Some(observation) = of_task.get_mut(&task) {
                observation.d_repr.push((estimator, value));
            }
        }
        let attacks = "SELECT task, attack, epsilon, loss - clean_loss, clean_accuracy - accuracy FROM attack ORDER BY rowid";
        let attacks = self.rows(attacks, |row| {
            let penalty = Penalty {
                attack: row.get(1)?,
                epsilon: row.get(2)?,
                loss: row.get(3)?,
                accuracy: row.get(4)?,
            };
            Ok((row.get::<_, String>(0)?, penalty))
        })?;
        for (task, penalty) in attacks {
            if let Some(observation) = of_task.get_mut(&task) {
                observation.attacks.push(penalty);
            }
        }
        Ok(order.iter().filter_map(|id| of_task.remove(id)).collect())
    }

    /// The label sharpness of each dataset under each preprocessing: what the plan's variants came to.
    ///
    /// # Errors
    /// [`Error::Format`] where the file is damaged.
    pub fn variants(&self) -> Result<Vec<VariantResult>> {
        let text = "SELECT t.name, t.domain, s.preprocessing, avg(s.value)
                    FROM sharpness s JOIN task t ON t.id = s.task
                    WHERE s.value IS NOT NULL AND s.task IN (SELECT task FROM sharpness WHERE preprocessing <> '')
                    GROUP BY t.name, s.preprocessing ORDER BY min(t.position), s.preprocessing";
        self.rows(text, |row| {
            Ok(VariantResult {
                dataset: row.get(0)?,
                domain: row.get(1)?,
                preprocessing: row.get(2)?,
                k_f: row.get(3)?,
            })
        })
    }

    /// The dimension of each network's representations, layer by layer.
    ///
    /// # Errors
    /// [`Error::Format`] where the file is damaged.
    pub fn layer_curves(&self) -> Result<Vec<LayerCurve>> {
        let text = "SELECT t.name, t.domain, t.model, d.estimator, d.layer, d.depth, avg(d.value)
                    FROM dimension d JOIN task t ON t.id = d.task
                    WHERE t.kind = 'train' AND d.layer <> 'last_hidden' AND d.value IS NOT NULL AND d.depth IS NOT NULL
                    GROUP BY t.name, t.model, d.estimator, d.layer
                    ORDER BY min(t.position), d.estimator, d.depth";
        let mut curves: Vec<LayerCurve> = Vec::new();
        let mut at: HashMap<(String, String, String), usize> = HashMap::new();
        let rows = self.rows(text, |row| {
            let curve = LayerCurve {
                dataset: row.get(0)?,
                domain: row.get(1)?,
                model: row.get(2)?,
                estimator: row.get(3)?,
                layers: Vec::new(),
            };
            Ok((curve, (row.get::<_, String>(4)?, row.get::<_, f64>(5)?, row.get::<_, f64>(6)?)))
        })?;
        for (curve, layer) in rows {
            let key = (curve.dataset.clone(), curve.model.clone(), curve.estimator.clone());
            let place = *at.entry(key).or_insert_with(|| {
                curves.push(curve);
                curves.len() - 1
            });
            curves[place].layers.push(layer);
        }
        for curve in &mut curves {
            curve.layers.sort_by(|a, b| a.1.total_cmp(&b.1));
        }
        Ok(curves)
    }

    /// Each dataset's dimension and label sharpness, a row for each class pair, size and seed: dataset, domain, estimator, images,
    /// d_data with its interval, K_F.
    ///
    /// # Errors
    /// [`Error::Format`] where the file is damaged.
    pub fn measurements(&self) -> Result<Vec<Measurement>> {
        let text = "SELECT t.name, t.domain, t.classes, t.train, t.seed, d.estimator, d.value, d.low, d.high, s.value
                    FROM dimension d JOIN task t ON t.id = d.task
                    LEFT JOIN sharpness s ON s.task = t.id AND s.preprocessing = ''
                    WHERE t.kind = 'measure' AND d.layer = 'data' AND d.preprocessing = '' AND d.value IS NOT NULL
                    ORDER BY t.position, t.id, d.rowid";
        self.rows(text, |row| {
            Ok(Measurement {
                dataset: row.get(0)?,
                domain: row.get(1)?,
                classes: row.get(2)?,
                train: row.get::<_, i64>(3)? as usize,
                seed: row.get::<_, i64>(4)? as u64,
                estimator: row.get(5)?,
                d_data: [row.get(6)?, row.get(7)?, row.get(8)?],
                k_f: row.get(9)?,
            })
        })
    }

    /// Joins another store's results to these: of a task that both have, the one that is done. The number of results that were new.
    ///
    /// # Errors
    /// As [`open`](Self::open), of the other store; [`Error::Data`] where both have results of a task, and of other images;
    /// [`Error::Io`] where this one cannot be written.
    pub fn merge(&mut self, other: &Path) -> Result<usize> {
        let theirs = Store::open(other)?;
        if same_file(&self.path, other) {
            return Err(Error::Argument(format!("{}: a store is not merged with itself", other.display())));
        }
        let text = "SELECT id, checksum FROM task WHERE state = 'done'";
        let done = |store: &Store| -> Result<BTreeMap<String, Option<String>>> {
            Ok(store.rows(text, |row| Ok((row.get(0)?, row.get(1)?)))?.into_iter().collect())
        };
        let (ours, done) = (done(self)?, done(&theirs)?);
        if let Some((id, _)) = done.iter().find(|(id, sum)| ours.get(*id).is_some_and(|known| known != *sum))
        {
            return Err(Error::Data(format!(
                "{} and {} both have task {id}, of images with other checksums: they are of different data",
                self.path.display(),
                other.display()
            )));
        }
        drop(theirs);
        let new: Vec<&String> = done.keys().filter(|id| !ours.contains_key(*id)).collect();
        let name = other.to_string_lossy().into_owned();
        self.connection.execute("ATTACH DATABASE ?1 AS other", [&name]).map_err(wrong(other))?;
        let merged = self.write(|write| {
            write.execute_batch(
                "INSERT INTO plan SELECT * FROM other.plan WHERE NOT EXISTS (SELECT 1 FROM plan)",
            )?;
            for id in &new {
                write.execute("DELETE FROM task WHERE id = ?1", [id])?;
                write
                    .execute(&format!("INSERT INTO task ({TASK}, {ENDED}) SELECT {TASK}, {ENDED} FROM other.task WHERE id = ?1"), [id])?;
                for (table, columns) in RESULTS {
                    let text = format!(
                        "INSERT INTO {table} ({columns}) SELECT {columns} FROM other.{table} WHERE task = ?1 ORDER BY rowid"
                    );
                    write.execute(&text, [id])?;
                }
            }
            // What is known of the others goes before nothing known.
            write.execute_batch(&format!(
                "INSERT INTO task ({TASK}, {ENDED}) SELECT {TASK}, {ENDED} FROM other.task WHERE id NOT IN (SELECT id FROM task);
                 UPDATE task SET (state, error, error_kind) = (SELECT state, error, error_kind FROM other.task o WHERE o.id = task.id)
                 WHERE state = 'pending' AND id IN (SELECT id FROM other.task WHERE state <> 'pending')"
            ))
        });
        self.connection.execute("DETACH DATABASE other", []).map_err(wrong(other))?;
        merged.map(|()| new.len())
    }

    /// All results as text, in an order of their own: the same for the same results, however they came about.
    ///
    /// # Errors
    /// [`Error::Format`] where the file is damaged.
    pub fn dump(&self) -> Result<String> {
        let mut text = String::new();
        let task = format!("{TASK}, state, error, epochs_done, checksum, device, version, precision");
        let tables = [("task", task.as_str())].into_iter().chain(RESULTS);
        for (table, columns) in tables {
            let count = columns.split(',').count();
            let order: Vec<String> = (1..=count).map(|column| column.to_string()).collect();
            let query = format!("SELECT {columns} FROM {table} ORDER BY {}", order.join(", "));
            let rows = self.rows(&query, |row| {
                let value = |at| Ok(format!("{:?}", row.get::<_, rusqlite::types::Value>(at)?));
                (0..count).map(value).collect::<rusqlite::Result<Vec<String>>>()
            })?;
            for row in rows {
                text += &format!("{table}: {}\n", row.join(", "));
            }
        }
        Ok(text)
    }

    fn rows<T>(&self, text: &str, of: impl FnMut(&Row<'_>) -> rusqlite::Result<T>) -> Result<Vec<T>> {
        let wrong = wrong(&self.path);
        let mut query = self.connection.prepare_cached(text).map_err(&wrong)?;
        query.query_map([], of).and_then(Iterator::collect).map_err(&wrong)
    }

    fn write(&mut self, work: impl FnOnce(&Transaction<'_>) -> rusqlite::Result<()>) -> Result<()> {
        let wrong = wrong(&self.path);
        let write =
            self.connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(&wrong)?;
        work(&write).and_then(|()| write.commit()).map_err(&wrong)
    }
}

/// One measurement of a dataset's images.
#[derive(Clone, Debug, PartialEq)]
pub struct Measurement {
    /// The dataset.
    pub dataset: String,
    /// Its domain.
    pub domain: String,
    /// The classes.
    pub classes: String,
    /// How many images.
    pub train: usize,
    /// The seed by which they were drawn.
    pub seed: u64,
    /// The estimator.
    pub estimator: String,
    /// The dimension and its 95 % interval.
    pub d_data: [f64; 3],
    /// The label sharpness.
    pub k_f: Option<f64>,
}

fn same_file(a: &Path, b: &Path) -> bool {
    matches!((a.canonicalize(), b.canonicalize()), (Ok(a), Ok(b)) if a == b)
}

fn now() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs() as i64)
}

/// What SQLite says, as an error of the file.
fn wrong(path: &Path) -> impl Fn(rusqlite::Error) -> Error + use<> {
    let path = path.to_owned();
    move |error| {
        use rusqlite::ErrorCode::{DatabaseCorrupt, NotADatabase};
        match error.sqlite_error_code() {
            Some(NotADatabase) => Error::format(&path, "is no SQLite database: a study's store is one"),
            Some(DatabaseCorrupt) => Error::format(&path, format!("is damaged: {error}")),
            // Locked for minutes, read-only, no room: of the system, not of what is in it.
            _ => Error::io(&path, std::io::Error::other(error)),
        }
    }
}

impl Entry {
    /// Whether it is a training.
    pub fn is_training(&self) -> bool {
        self.kind == Kind::Train.name()
    }
}
