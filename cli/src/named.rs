//! The paper's datasets on a command line: by name, with the folder that they are in.

use crate::failure::Failure;
use clap::Args;
use sharpdim::data::{Cache, Dataset, Named, NamedOptions, Split};
use std::path::{Path, PathBuf};

/// Which of them.
#[derive(Args)]
pub struct ByName {
    /// One of the paper's datasets, as published: `sharpdim measure --list-datasets` shows all
    #[arg(long, value_name = "NAME", requires = "root")]
    pub dataset: Option<Named>,

    /// The folder that it is in
    #[arg(long, value_name = "DIR")]
    pub root: Option<PathBuf>,

    /// Its classification task [default: as in the paper]
    #[arg(long, value_name = "TASK", requires = "dataset")]
    pub task: Option<String>,
}

impl ByName {
    /// The dataset and its folder, where one is asked for.
    pub fn asked(&self) -> Option<(Named, &Path)> {
        self.dataset.zip(self.root.as_deref())
    }
}

/// Opens one of them. An unknown task is the command line's mistake.
pub fn open(
    name: Named,
    root: &Path,
    task: Option<&str>,
    split: Split,
    cache: Option<Cache>,
) -> Result<Dataset, Failure> {
    let options = NamedOptions { task: task.map(str::to_owned), split, cache };
    Dataset::open_named(name, root, &options).map_err(Failure::asked)
}

/// All of them: where to get each, what its folder must look like, its tasks, and, under `root`, what is missing.
pub fn listing(root: Option<&Path>) -> String {
    let entry = |named: Named| {
        let tasks: Vec<String> =
            named.tasks().iter().map(|task| format!("    {:<28}{}", task.name, task.about)).collect();
        let tree = named.tree().replace('\n', "\n    ");
        let mut text = format!(
            "{named}: {}\n  from {}\n  the folder:\n    {tree}\n  tasks:\n{}",
            named.about(),
            named.source(),
            tasks.join("\n")
        );
        if let Some(root) = root {
            let own = root.join(named.name());
            let folder = if own.is_dir() { own } else { root.to_owned() };
            text += &match named.missing(&folder) {
                None => format!("\n  in {}: complete", folder.display()),
                Some(missing) => format!("\n  in {}: {missing} is missing", folder.display()),
            };
        }
        text
    };
    Named::ALL.map(entry).join("\n\n")
}
