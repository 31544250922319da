//! The paper's datasets, from the files as published: where each comes from, its folder's layout, and
//! the class of each image. Each is a file here that implements [`NamedDataset`], and a row of the table.

mod brats;
mod chexpert;
mod cifar10;
mod collect;
mod dataset;
mod dbc;
mod imagenet;
mod isic;
mod mnist;
mod mura;
mod oai;
mod paths;
mod prostate;
mod rsna;
mod svhn;

pub use dataset::Task;

use super::cache::Cache;
use super::dataset::Dataset;
use super::found::Split;
use crate::{Error, Result};
use dataset::{Asked, Facts, NamedDataset, NotOpened};
use std::fmt;
use std::path::Path;
use std::str::FromStr;

/// Makes [`Named`] of a table: a variant for each row, and the dataset that implements it.
macro_rules! table {
    ($($(#[$doc:meta])* $name:ident: $dataset:path,)*) => {
        /// The datasets of Konz & Mazurowski (ICLR 2024), and ISIC, which their released code knows too.
        ///
        /// ```
        /// use sharpdim::data::Named;
        /// let named: Named = "chexpert".parse()?;
        /// assert_eq!(named, Named::CheXpert);
        /// assert_eq!(named.tasks()[0].name, "pleural_effusion");
        /// println!("{}\n{}", named.source(), named.tree());
        /// # Ok::<(), sharpdim::Error>(())
        /// ```
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum Named {
            $($(#[$doc])* $name,)*
        }

        impl Named {
            /// All of them, in the order of the paper's table.
            pub const ALL: [Named; [$(Named::$name),*].len()] = [$(Named::$name),*];

            fn dataset(self) -> &'static dyn NamedDataset {
                match self {
                    $(Named::$name => &$dataset,)*
                }
            }
        }
    };
}

table! {
    /// Handwritten digits.
    Mnist: mnist::Mnist,
    /// Objects, 32 x 32 RGB.
    Cifar10: cifar10::Cifar10,
    /// House numbers, 32 x 32 RGB.
    Svhn: svhn::Svhn,
    /// Photographs, RGB.
    ImageNet: imagenet::ImageNet,
    /// Brain MRI.
    Brats: brats::Brats,
    /// Breast MRI.
    Dbc: dbc::Dbc,
    /// Prostate ultrasound.
    Prostate: prostate::Prostate,
    /// Brain CT.
    Rsna: rsna::Rsna,
    /// Chest X-ray.
    CheXpert: chexpert::CheXpert,
    /// Limb X-ray.
    Mura: mura::Mura,
    /// Knee X-ray.
    Oai: oai::Oai,
    /// Skin photographs, RGB.
    Isic: isic::Isic,
}

/// How to open a dataset by name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NamedOptions {
    /// Which task; the dataset's first where `None`.
    pub task: Option<String>,
    /// Which part, of those that [have a test part](Named::has_test).
    pub split: Split,
    /// Where images that were decoded are kept, as [`Dataset::with_cache`] has it, and what BraTS's volumes were found to show.
    pub cache: Option<Cache>,
}

impl Named {
    /// Its name on command lines.
    pub fn name(self) -> &'static str {
        self.facts().name
    }

    /// What it is, in a line.
    pub fn about(self) -> &'static str {
        self.facts().about
    }

    /// Where to get it.
    pub fn source(self) -> &'static str {
        self.facts().source
    }

    /// What its folder looks like, over several lines.
    pub fn tree(self) -> &'static str {
        self.facts().tree
    }

    /// Its classification tasks; the first is the paper's.
    pub fn tasks(self) -> &'static [Task] {
        self.facts().tasks
    }

    /// Whether it comes with a part to test on. The others come in one part, which [`Dataset::split`] splits.
    ///
    /// ```
    /// use sharpdim::data::Named;
    /// assert!(Named::CheXpert.has_test() && !Named::Oai.has_test());
    /// ```
    pub fn has_test(self) -> bool {
        self.facts().has_test
    }

    /// What is missing from a folder to be this dataset, as [`Dataset::open_named`] would say first; `None` where nothing is.
    /// Files are looked for, not read.
    ///
    /// ```
    /// use sharpdim::data::Named;
    /// let folder = tempfile::tempdir()?;
    /// assert_eq!(Named::Svhn.missing(folder.path()), Some("train_32x32.mat".to_owned()));
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn missing(self, root: &Path) -> Option<String> {
        self.dataset().missing(root)
    }

    fn facts(self) -> Facts {
        self.dataset().facts()
    }

    fn task(self, name: Option<&str>) -> Result<&'static Task> {
        let tasks = self.tasks();
        let Some(name) = name else { return Ok(&tasks[0]) };
        tasks.iter().find(|task| task.name == name).ok_or_else(|| {
            let known: Vec<&str> = tasks.iter().map(|task| task.name).collect();
            Error::Argument(format!("{self} has no task {name:?}; its tasks are {}", known.join(", ")))
        })
    }
}

impl Dataset {
    /// Opens one of the paper's datasets as its owner hands it out, unpacked into the folder `root`, with its labels for a task.
    ///
    /// Slices of volumes are found by what [`Named::tree`] shows; which are of which class, and which of none, is as Konz &
    /// Mazurowski have it. No image is decoded, but for BraTS, whose labels are in volumes. Where the archive names patients,
    /// [`origin`](Self::origin) does, and [`split`](Self::split) keeps them apart. What has a label and no image, or an image and no label, is in
    /// [`left_out`](Self::left_out).
    ///
    /// ```
    /// use sharpdim::data::{Dataset, Named, NamedOptions};
    /// let folder = tempfile::tempdir()?;
    /// let study = folder.path().join("MURA-v1.1/train/XR_HAND/patient00007/study1_positive");
    /// std::fs::create_dir_all(&study)?;
    /// image::GrayImage::new(8, 8).save(study.join("image1.png"))?;
    /// let paths = "MURA-v1.1/train/XR_HAND/patient00007/study1_positive/image1.png\n";
    /// std::fs::write(folder.path().join("MURA-v1.1/train_image_paths.csv"), paths)?;
    ///
    /// let mura = Dataset::open_named(Named::Mura, folder.path(), &NamedOptions::default())?;
    /// assert_eq!((mura.len(), mura.labels()), (1, &[1][..]));
    /// assert_eq!(mura.class_names(), ["negative", "positive"]);
    /// assert_eq!(mura.origin(0)?.unwrap().patient, "patient00007");
    ///
    /// let wrong = Dataset::open_named(Named::Mura, &study, &NamedOptions::default()).unwrap_err().to_string();
    /// assert!(wrong.contains("train_image_paths.csv is missing") && wrong.contains("ROOT/"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::Format`] where the folder is not as its tree shows: the message shows it, and the first thing missing; where a
    /// table lacks a column, or a row of it makes no sense; [`Error::Argument`] for a task that it does not have, and for the
    /// test part of what comes in one; as [`open`](Self::open).
    pub fn open_named(name: Named, root: &Path, options: &NamedOptions) -> Result<Self> {
        let NamedOptions { task, split, cache } = options;
        let asked = Asked { task: name.task(task.as_deref())?, split: *split, cache: cache.as_ref() };
        if asked.split == Split::Test && !name.has_test() {
            return Err(Error::Argument(format!(
                "{name} has one part only: split it into training and test images"
            )));
        }
        if !root.is_dir() {
            let there = if root.exists() { "is a file" } else { "is not there" };
            return Err(Error::format(root, format!("{there}: {}", expected(name))));
        }
        let dataset: Dataset = match name.dataset().open(root, &asked) {
            Ok(found) => found.into(),
            Err(NotOpened::Failed(error)) => return Err(error),
            Err(NotOpened::Missing(what)) => {
                return Err(Error::format(root, format!("{what} is missing: {}", expected(name))));
            }
        };
        Ok(match cache {
            Some(cache) => dataset.with_cache(cache.clone()),
            None => dataset,
        })
    }
}

fn expected(name: Named) -> String {
    format!(
        "for {name}, as it comes from {},\n{}\nis expected, ROOT being this folder",
        name.source(),
        name.tree()
    )
}

impl fmt::Display for Named {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Named {
    type Err = Error;

    /// # Errors
    /// [`Error::Argument`] for another name, with all that there are.
    fn from_str(name: &str) -> Result<Self> {
        let wanted = name.to_lowercase().replace(['-', '_', ' '], "");
        Named::ALL.into_iter().find(|named| named.name() == wanted).ok_or_else(|| {
            let known: Vec<&str> = Named::ALL.iter().map(|named| named.name()).collect();
            Error::Argument(format!(
                "there is no dataset {name:?}; those known by name are {}",
                known.join(", ")
            ))
        })
    }
}
