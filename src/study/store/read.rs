//! Reads a store's results: trainings with the measurements of their images.

use super::{LayerCurve, Measurement, RESULTS, Store, TASK, VariantResult};
use crate::Result;
use crate::study::observation::{Observation, Penalty};
use std::collections::{BTreeMap, HashMap};

impl Store {
    /// Provenance of the results: versions, devices, precisions, and total seconds.
    pub(in crate::study) fn provenance(&self) -> Result<Vec<(String, String)>> {
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

    /// The results of finished trainings, each with the measurements of its images where those are finished too.
    ///
    /// # Errors
    /// [`Error::Format`](crate::Error::Format) where the file is damaged.
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

    /// The label sharpness of each dataset under each preprocessing of the plan's variants.
    ///
    /// # Errors
    /// [`Error::Format`](crate::Error::Format) where the file is damaged.
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
    /// [`Error::Format`](crate::Error::Format) where the file is damaged.
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
    /// [`Error::Format`](crate::Error::Format) where the file is damaged.
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

    /// All results as text, sorted: the same for the same results, in whatever order they were computed.
    ///
    /// # Errors
    /// [`Error::Format`](crate::Error::Format) where the file is damaged.
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
}
