//! Merges the results of several stores, as of shards.

use super::{ENDED, RESULTS, Store, TASK, wrong};
use crate::{Error, Result};
use std::collections::BTreeMap;
use std::path::Path;

impl Store {
    /// Merges another store's results into this one; of a task that both have, the finished one. Returns the number of new results.
    ///
    /// # Errors
    /// As [`open`](Self::open), of the other store; [`Error::Data`] where both have results of a task on different images;
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
            // An error or a reason of the other store replaces a pending state.
            write.execute_batch(&format!(
                "INSERT INTO task ({TASK}, {ENDED}) SELECT {TASK}, {ENDED} FROM other.task WHERE id NOT IN (SELECT id FROM task);
                 UPDATE task SET (state, error, error_kind) = (SELECT state, error, error_kind FROM other.task o WHERE o.id = task.id)
                 WHERE state = 'pending' AND id IN (SELECT id FROM other.task WHERE state <> 'pending')"
            ))
        });
        self.connection.execute("DETACH DATABASE other", []).map_err(wrong(other))?;
        merged.map(|()| new.len())
    }
}

fn same_file(a: &Path, b: &Path) -> bool {
    matches!((a.canonicalize(), b.canonicalize()), (Ok(a), Ok(b)) if a == b)
}
