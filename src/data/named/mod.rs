//! The paper's datasets, from the files that their owners hand out: where each comes from, what its folder looks like, and
//! which of its images are of which class.

mod brats;
mod collect;
mod dbc;
mod oai;
mod prostate;
mod rsna;
mod tables;

use super::{Cache, Dataset, Found, OpenOptions, Split};
use crate::{Error, Result};
use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

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
pub enum Named {
    /// Handwritten digits.
    Mnist,
    /// Objects, 32 x 32 RGB.
    Cifar10,
    /// House numbers, 32 x 32 RGB.
    Svhn,
    /// Photographs, RGB.
    ImageNet,
    /// Brain MRI.
    Brats,
    /// Breast MRI.
    Dbc,
    /// Prostate ultrasound.
    Prostate,
    /// Brain CT.
    Rsna,
    /// Chest X-ray.
    CheXpert,
    /// Limb X-ray.
    Mura,
    /// Knee X-ray.
    Oai,
    /// Skin photographs, RGB.
    Isic,
}

/// What is told apart in a dataset. Of two classes the first is without, the second with what the task is called after.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Task {
    /// As command lines have it.
    pub name: &'static str,
    /// In a line.
    pub about: &'static str,
}

/// How to open a dataset by name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NamedOptions {
    /// Which task; the dataset's first where `None`.
    pub task: Option<String>,
    /// Which part, of those that come in parts: MNIST, CIFAR-10, SVHN, ImageNet, CheXpert and MURA.
    pub split: Split,
    /// Where images that were decoded are kept, as [`Dataset::with_cache`] has it, and what BraTS's volumes were found to show.
    pub cache: Option<Cache>,
}

/// Of tasks that all classes of a natural dataset are for: choose two with [`Selection`](super::Selection).
const CLASSES: [Task; 1] = [Task { name: "classes", about: "all classes; choose two" }];

/// The classes of tasks that ask for a finding.
pub(super) const FINDING: [&str; 2] = ["negative", "positive"];

struct Facts {
    name: &'static str,
    about: &'static str,
    source: &'static str,
    tree: &'static str,
}

impl Named {
    /// All of them, in the order of the paper's table.
    pub const ALL: [Named; 12] = [
        Named::Mnist,
        Named::Cifar10,
        Named::Svhn,
        Named::ImageNet,
        Named::Brats,
        Named::Dbc,
        Named::Prostate,
        Named::Rsna,
        Named::CheXpert,
        Named::Mura,
        Named::Oai,
        Named::Isic,
    ];

    fn facts(self) -> Facts {
        let facts = |name, about, source, tree| Facts { name, about, source, tree };
        match self {
            Named::Mnist => facts(
                "mnist",
                "handwritten digits, 28 x 28 gray",
                "http://yann.lecun.com/exdb/mnist, or its mirrors: four files",
                "ROOT/
  train-images-idx3-ubyte.gz    or without .gz
  train-labels-idx1-ubyte.gz
  t10k-images-idx3-ubyte.gz     for the test part
  t10k-labels-idx1-ubyte.gz",
            ),
            Named::Cifar10 => facts(
                "cifar10",
                "objects, 32 x 32 RGB",
                "https://www.cs.toronto.edu/~kriz/cifar.html: the binary version, unpacked",
                "ROOT/
  cifar-10-batches-bin/         or what is in it
    data_batch_1.bin .. data_batch_5.bin
    test_batch.bin              for the test part
    batches.meta.txt            names of the classes",
            ),
            Named::Svhn => facts(
                "svhn",
                "house numbers, 32 x 32 RGB",
                "http://ufldl.stanford.edu/housenumbers: format 2, cropped digits",
                "ROOT/
  train_32x32.mat
  test_32x32.mat                for the test part",
            ),
            Named::ImageNet => facts(
                "imagenet",
                "photographs, RGB, of 1000 synsets",
                "https://image-net.org/challenges/LSVRC: the ILSVRC object localisation archive, unpacked",
                "ROOT/
  ILSVRC/Data/CLS-LOC/
    train/n01440764/n01440764_10026.JPEG
    val/n01440764/ILSVRC2012_val_00000293.JPEG    for the test part, sorted into synsets",
            ),
            Named::Brats => facts(
                "brats",
                "brain MRI, FLAIR slices, of 285 patients",
                "https://www.med.upenn.edu/sbia/brats2018: the training data, unpacked",
                "ROOT/
  HGG/Brats18_2013_10_1/        any folders between; LGG likewise
    Brats18_2013_10_1_flair.nii.gz
    Brats18_2013_10_1_seg.nii.gz
or slices taken from it:
ROOT/
  flair/0/*.jpg                 without tumour
  flair/1/*.jpg                 with tumour",
            ),
            Named::Dbc => facts(
                "dbc",
                "breast MRI, fat-saturated pre-contrast slices, of 922 patients",
                "https://www.cancerimagingarchive.net/collection/duke-breast-cancer-mri: images, annotation boxes, file paths",
                "ROOT/
  Annotation_Boxes.xlsx
  Breast-Cancer-MRI-filepath_filename-mapping.xlsx
  Duke-Breast-Cancer-MRI/Breast_MRI_001/<study>/<series>/1-052.dcm
or slices taken from it:
ROOT/
  neg/*.png
  pos/*.png",
            ),
            Named::Prostate => facts(
                "prostate",
                "prostate ultrasound slices with a risk score",
                "https://www.cancerimagingarchive.net/collection/prostate-mri-us-biopsy: images, target data",
                "ROOT/
  Target-Data_2019-12-05.xlsx   any name with Target in it
  Prostate-MRI-US-Biopsy/Prostate-MRI-US-Biopsy-0001/<study>/<series>/1-1.dcm
or slices taken from it:
ROOT/
  0/*.png .. 5/*.png            by UCLA score",
            ),
            Named::Rsna => facts(
                "rsna",
                "brain CT slices with types of haemorrhage",
                "https://www.kaggle.com/c/rsna-intracranial-hemorrhage-detection",
                "ROOT/
  stage_2_train.csv
  stage_2_train/ID_12cadc6af.dcm    or .png",
            ),
            Named::CheXpert => facts(
                "chexpert",
                "chest X-rays with 14 findings",
                "https://stanfordmlgroup.github.io/competitions/chexpert",
                "ROOT/
  CheXpert-v1.0/                or CheXpert-v1.0-small, or what is in it
    train.csv
    train/patient00001/study1/view1_frontal.jpg
    valid.csv                   for the test part
    valid/patient64541/study1/view1_frontal.jpg",
            ),
            Named::Mura => facts(
                "mura",
                "limb X-rays, normal and abnormal studies",
                "https://stanfordmlgroup.github.io/competitions/mura",
                "ROOT/
  MURA-v1.1/                    or what is in it
    train_image_paths.csv
    train/XR_SHOULDER/patient00001/study1_positive/image1.png
    valid_image_paths.csv       for the test part
    valid/XR_WRIST/patient11185/study1_positive/image1.png",
            ),
            Named::Oai => facts(
                "oai",
                "knee X-rays, cropped to one knee",
                "https://nda.nih.gov/oai: bilateral films; knees are to be cropped from them",
                "ROOT/
  0/*.png                       Kellgren-Lawrence grades 0 and 1
  1/*.png                       grades 2 to 4",
            ),
            Named::Isic => facts(
                "isic",
                "skin lesions, RGB photographs, of 2 056 patients",
                "https://challenge2020.isic-archive.com: training images (JPEG) and their ground truth",
                "ROOT/
  ISIC_2020_Training_GroundTruth.csv    or train.csv
  train/ISIC_2637011.jpg",
            ),
        }
    }

    /// As command lines have it.
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

    /// What can be told apart in it; the first is the paper's.
    pub fn tasks(self) -> &'static [Task] {
        match self {
            Named::Mnist | Named::Cifar10 | Named::Svhn | Named::ImageNet => &CLASSES,
            Named::Brats => &[Task { name: "tumour", about: "any tumour in the slice" }],
            Named::Dbc => &[Task { name: "cancer", about: "cancer in the slice" }],
            Named::Prostate => &[
                Task { name: "risk", about: "a score of 2 to 5 against 0 and 1" },
                Task { name: "severe", about: "a score above 2 against 2" },
            ],
            Named::Rsna => &rsna::TASKS,
            Named::CheXpert => &tables::CHEXPERT_TASKS,
            Named::Mura => &[Task { name: "abnormal", about: "an abnormal study" }],
            Named::Oai => &[Task { name: "osteoarthritis", about: "grades 2 to 4 against 0 and 1" }],
            Named::Isic => &[Task { name: "malignant", about: "a malignant lesion" }],
        }
    }

    fn task(self, name: Option<&str>) -> Result<&'static Task> {
        let tasks = self.tasks();
        let Some(name) = name else { return Ok(&tasks[0]) };
        tasks.iter().find(|task| task.name == name).ok_or_else(|| {
            let known: Vec<&str> = tasks.iter().map(|task| task.name).collect();
            Error::Argument(format!("{self} has no task {name:?}; its tasks are {}", known.join(", ")))
        })
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
        match self {
            Named::Mnist => need(root, &["train-images-idx3-ubyte.gz", "train-images-idx3-ubyte"])
                .and_then(|_| need(root, &["train-labels-idx1-ubyte.gz", "train-labels-idx1-ubyte"]))
                .err(),
            Named::Cifar10 => need(root, &CIFAR10).err(),
            Named::Svhn => need(root, &["train_32x32.mat"]).err(),
            Named::ImageNet => need(root, &IMAGENET).err(),
            Named::Brats => brats::find(root).err(),
            Named::Dbc => dbc::find(root).err(),
            Named::Prostate => prostate::find(root).err(),
            Named::Rsna => rsna::find(root).err(),
            Named::CheXpert => tables::find(root, &tables::CHEXPERT_FOLDERS, "train.csv").err(),
            Named::Mura => tables::find(root, &tables::MURA_FOLDERS, "train_image_paths.csv").err(),
            Named::Oai => oai::find(root).err(),
            Named::Isic => tables::find_isic(root).err(),
        }
    }

    fn open(self, root: &Path, task: &'static Task, options: &NamedOptions) -> Result<Dataset> {
        let split = options.split;
        let as_it_is = |folder: &Path, split| Dataset::open_with(folder, &OpenOptions { split });
        let one_part = |found: Found| match split {
            Split::Train => Ok(found),
            Split::Test => Err(Error::Argument(format!(
                "{self} comes in one part: split it into images to train on and to test on"
            ))),
        };
        let found = match self {
            Named::Mnist | Named::Svhn => return as_it_is(root, split),
            Named::Cifar10 => {
                let inner = root.join("cifar-10-batches-bin");
                return as_it_is(if inner.is_dir() { &inner } else { root }, split);
            }
            Named::ImageNet => {
                let train = need(root, &IMAGENET).map_err(|_| Error::format(root, "has no train"))?;
                let folder = match split {
                    Split::Train => train,
                    Split::Test => train.with_file_name("val"),
                };
                if !folder.is_dir() {
                    return Err(Error::format(folder, format!("is no folder: {}", expected(self))));
                }
                // Each folder of it is a synset, whatever else is beside it.
                return as_it_is(&folder, Split::Train);
            }
            Named::Brats => one_part(brats::open(root, options.cache.as_ref())?)?,
            Named::Dbc => one_part(dbc::open(root)?)?,
            Named::Prostate => one_part(prostate::open(root, task)?)?,
            Named::Rsna => one_part(rsna::open(root, task)?)?,
            Named::CheXpert => tables::open_chexpert(root, task, split)?,
            Named::Mura => tables::open_mura(root, split)?,
            Named::Oai => one_part(oai::open(root)?)?,
            Named::Isic => one_part(tables::open_isic(root)?)?,
        };
        Ok(found.into())
    }
}

/// A batch, where it was unpacked to.
const CIFAR10: [&str; 4] = [
    "data_batch_1.bin",
    "data_batch_1.bin.gz",
    "cifar-10-batches-bin/data_batch_1.bin",
    "cifar-10-batches-bin/data_batch_1.bin.gz",
];

/// Where the folder of synsets is, in the archive and in what is in it.
const IMAGENET: [&str; 4] = ["ILSVRC/Data/CLS-LOC/train", "Data/CLS-LOC/train", "CLS-LOC/train", "train"];

/// The first of these that is there, or the first that is missed.
fn need(root: &Path, any: &[&str]) -> Result<PathBuf, String> {
    let there = any.iter().map(|name| root.join(name)).find(|path| path.exists());
    there.ok_or_else(|| any[0].to_owned())
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
        let task = name.task(options.task.as_deref())?;
        if !root.is_dir() {
            let there = if root.exists() { "is a file" } else { "is not there" };
            return Err(Error::format(root, format!("{there}: {}", expected(name))));
        }
        // Those look for themselves what there is, and that may take long.
        let looks = matches!(name, Named::Brats | Named::Dbc | Named::Prostate | Named::Isic);
        if !looks && let Some(missing) = name.missing(root) {
            return Err(lacking(name, root, &missing));
        }
        let dataset = name.open(root, task, options)?;
        Ok(match &options.cache {
            Some(cache) => dataset.with_cache(cache.clone()),
            None => dataset,
        })
    }
}

fn lacking(name: Named, root: &Path, missing: &str) -> Error {
    Error::format(root, format!("{missing} is missing: {}", expected(name)))
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
