//! The paper's datasets by their names: which images each task takes, whose they are, what is left out, and every pixel.
//! `tests/vectors/named.py` makes the archives with other people's writers, and writes down what NumPy, SciPy and
//! scikit-image make of them by the paper's steps.

use super::make::*;
use crate::npz::Npz;
use serde_json::Value;
use sharpdim::data::{Cache, Dataset, Named, NamedOptions, Origin, Preprocess, Split};
use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::{Path, PathBuf};

pub fn path(name: &str) -> PathBuf {
    [env!("CARGO_MANIFEST_DIR"), "tests/vectors/named", name].iter().collect()
}

pub fn of_task(task: &str) -> NamedOptions {
    NamedOptions { task: Some(task.to_owned()), ..NamedOptions::default() }
}

pub fn open(named: Named, root: &Path) -> sharpdim::Result<Dataset> {
    Dataset::open_named(named, root, &NamedOptions::default())
}

pub fn names(dataset: &Dataset) -> Vec<String> {
    (0..dataset.len()).map(|at| dataset.name(at)).collect()
}

fn expected() -> Value {
    serde_json::from_slice(&std::fs::read(path("expected.json")).unwrap()).unwrap()
}

fn texts(value: &Value) -> Vec<String> {
    value.as_array().unwrap().iter().map(|text| text.as_str().unwrap().to_owned()).collect()
}

/// The images of a folder's part after the paper's steps, by name.
fn images(expected: &Value, key: &str) -> HashMap<String, Vec<u8>> {
    let array = Npz::open(path("expected.npz")).array(key).unwrap();
    let names = texts(&expected["names"][key]);
    let len = array.shape[1..].iter().product::<usize>();
    let values: Vec<u8> = array.values();
    assert_eq!(values.len(), len * names.len());
    names.into_iter().zip(values.chunks_exact(len).map(<[u8]>::to_vec)).collect()
}

fn origin(image: &Value) -> Option<Origin> {
    let mut origin = Origin::new(image["patient"].as_str()?);
    origin.study = image["study"].as_str().map(str::to_owned);
    origin.slice = image["slice"].as_u64().map(|slice| slice as u32);
    Some(origin)
}

/// Opens and loads each task of a dataset.
fn check(named: Named) {
    let expected = expected();
    let mut tasks_seen = HashSet::new();
    for (case, wanted) in expected["cases"].as_object().unwrap() {
        if wanted["dataset"] != named.name() {
            continue;
        }
        let text = |key: &str| wanted[key].as_str().unwrap();
        let split = if text("split") == "test" { Split::Test } else { Split::Train };
        let options = NamedOptions { task: Some(text("task").to_owned()), split, ..NamedOptions::default() };
        let dataset = Dataset::open_named(named, &path(text("folder")), &options)
            .unwrap_or_else(|error| panic!("{case}: {error}"));
        tasks_seen.insert(text("task"));
        assert_eq!(dataset.class_names(), texts(&wanted["classes"]), "{case}");

        let whose: BTreeMap<String, (u32, Option<Origin>)> = (0..dataset.len())
            .map(|at| (dataset.name(at), (dataset.labels()[at], dataset.origin(at).unwrap())))
            .collect();
        let wanted_images = wanted["images"].as_array().unwrap();
        let wanted_whose: BTreeMap<String, (u32, Option<Origin>)> = wanted_images
            .iter()
            .map(|image| {
                let label = image["label"].as_u64().unwrap() as u32;
                (image["name"].as_str().unwrap().to_owned(), (label, origin(image)))
            })
            .collect();
        assert_eq!(whose, wanted_whose, "{case}");
        assert_eq!(dataset.len(), wanted_images.len(), "{case}: an image twice");
        assert_eq!(
            dataset.has_origins(),
            wanted_whose.values().all(|(_, origin)| origin.is_some()),
            "{case}"
        );

        let sorted = |mut lines: Vec<String>| {
            lines.sort();
            lines
        };
        let left_out = texts(&wanted["left_out"]);
        assert_eq!(sorted(dataset.left_out().to_vec()), sorted(left_out.clone()), "{case}");
        let mut reasons: BTreeMap<&str, usize> = BTreeMap::new();
        left_out.iter().for_each(|line| *reasons.entry(line.rsplit_once(": ").unwrap().1).or_default() += 1);
        let mut due: Vec<String> =
            reasons.iter().map(|(why, count)| format!("{count} left out: {why}")).collect();
        due.extend(texts(&wanted["notes"]));
        for words in &due {
            let notes = dataset.notes();
            assert!(notes.iter().any(|note| note.contains(words)), "{case}: {words} is not in {notes:?}");
        }
        assert_eq!(dataset.notes().len(), due.len(), "{case}: {:?}", dataset.notes());

        let images = images(&expected, &format!("{}.{}", text("folder"), text("split")));
        let loaded = dataset.load(&Preprocess { size: None, ..Preprocess::default() }, &|_| {}).unwrap();
        assert!(is_u8(&loaded), "{case}");
        let dim = loaded.samples.dim();
        for (name, values) in loaded.names.iter().zip(values(&loaded).chunks_exact(dim)) {
            let values: Vec<u8> = values.iter().map(|v| *v as u8).collect();
            let wanted = &images[name];
            assert_eq!(values.len(), wanted.len(), "{case}: {name}");
            let place = values.iter().zip(wanted).position(|(a, b)| a != b);
            assert_eq!(
                place.map(|at| (at, values[at], wanted[at])),
                None,
                "{case}: {name}: place, value, wanted"
            );
        }
        // And resized, as the measures have them.
        let small = dataset.load(&Preprocess { size: Some((16, 16)), ..Preprocess::default() }, &|_| {});
        assert_eq!(small.unwrap().samples.n(), dataset.len(), "{case}");
    }
    let all: HashSet<&str> = named.tasks().iter().map(|task| task.name).collect();
    assert_eq!(tasks_seen, all, "{named}");
}

#[test]
fn mnist() {
    check(Named::Mnist);
}

#[test]
fn cifar10() {
    check(Named::Cifar10);
}

#[test]
fn svhn() {
    check(Named::Svhn);
}

#[test]
fn imagenet() {
    check(Named::ImageNet);
}

#[test]
fn brats() {
    check(Named::Brats);
}

#[test]
fn dbc() {
    check(Named::Dbc);
}

#[test]
fn prostate() {
    check(Named::Prostate);
}

#[test]
fn rsna() {
    check(Named::Rsna);
}

#[test]
fn chexpert() {
    check(Named::CheXpert);
}

#[test]
fn mura() {
    check(Named::Mura);
}

#[test]
fn oai() {
    check(Named::Oai);
}

#[test]
fn isic() {
    check(Named::Isic);
}

#[test]
fn the_first_task_is_the_default() {
    for named in Named::ALL {
        let root = path(named.name());
        let first = Dataset::open_named(named, &root, &of_task(named.tasks()[0].name)).unwrap();
        let default = open(named, &root).unwrap();
        assert_eq!((names(&first), first.labels()), (names(&default), default.labels()), "{named}");
        assert_eq!(named.missing(&root), None, "{named}");
        assert_eq!(named.name().to_uppercase().parse::<Named>().unwrap(), named);
    }
    assert_eq!("CIFAR-10".parse::<Named>().unwrap(), Named::Cifar10);
}

/// A dataset that the page does not name would not be found.
#[test]
fn the_page_of_datasets_names_all_and_their_tasks() {
    let page = include_str!("../../docs/datasets.md");
    for named in Named::ALL {
        let row = page.lines().find(|line| line.starts_with('|') && line.contains(&format!("`{named}`")));
        let row = row.unwrap_or_else(|| panic!("{named} has no row in docs/datasets.md"));
        let first = named.tasks()[0].name;
        assert!(
            first == "classes" || row.contains(&format!("`{first}`")),
            "{named}: {first} is not in {row}"
        );
    }
}

/// What is in the folder that an archive unpacks to is taken as that folder is.
#[test]
fn the_inner_folder_is_the_dataset_too() {
    for (named, inner) in [
        (Named::CheXpert, "CheXpert-v1.0-small"),
        (Named::Mura, "MURA-v1.1"),
        (Named::ImageNet, "ILSVRC"),
        (Named::ImageNet, "ILSVRC/Data/CLS-LOC"),
    ] {
        let (outer, inner) = (path(named.name()), path(named.name()).join(inner));
        let [outer, inner] = [outer, inner].map(|root| open(named, &root).unwrap());
        assert_eq!((names(&outer), outer.labels()), (names(&inner), inner.labels()), "{named}");
    }
    let folder = Folder::new();
    let batch = cifar(&[1, 2]);
    folder.file("cifar-10-batches-bin/data_batch_1.bin", &batch);
    folder.file("readme.html", "");
    assert_eq!(open(Named::Cifar10, folder.path()).unwrap().labels(), [1, 2]);
}

#[test]
fn slices_taken_from_archives() {
    let folder = Folder::new();
    for name in ["flair/0/Brats18_2013_10_1_45.png", "flair/1/Brats18_2013_10_1_80.png"] {
        folder.file(name, png(8, 9, 1));
    }
    folder.file("flair/1/flair_Brats18_TCIA01_131_1_70.png", png(8, 9, 2));
    folder.file("flair/1/notes.txt", "");
    let brats = open(Named::Brats, folder.path()).unwrap();
    assert_eq!((brats.labels(), brats.class_names().join(" ")), (&[0, 1, 1][..], "negative positive".into()));
    let patients = |dataset: &Dataset| -> Vec<String> {
        (0..dataset.len()).map(|at| dataset.origin(at).unwrap().unwrap().patient).collect()
    };
    assert_eq!(patients(&brats), ["Brats18_2013_10_1", "Brats18_2013_10_1", "Brats18_TCIA01_131_1"]);

    let folder = Folder::new();
    folder.file("neg/Breast_MRI_001-12.png", png(8, 9, 1));
    folder.file("pos/Breast_MRI_922_pre_3.png", png(8, 9, 2));
    let dbc = open(Named::Dbc, folder.path()).unwrap();
    assert_eq!(dbc.labels(), [0, 1]);
    assert_eq!(names(&dbc), ["neg/Breast_MRI_001-12.png", "pos/Breast_MRI_922_pre_3.png"]);
    assert_eq!(patients(&dbc), ["Breast_MRI_001", "Breast_MRI_922"]);
    let loaded = dbc.load(&Preprocess { size: None, ..Preprocess::default() }, &|_| {}).unwrap();
    let raw = noise(72, 1);
    let top = u32::from(*raw.iter().max().unwrap());
    let scaled: Vec<f32> = raw.iter().map(|v| (u32::from(*v) * 255 / top) as f32).collect();
    assert_eq!(values(&loaded)[..72], scaled);

    // One that does not say whose it is: then none is told apart, and that is said.
    folder.file("pos/17.png", png(8, 9, 2));
    let dbc = open(Named::Dbc, folder.path()).unwrap();
    assert_eq!((dbc.has_origins(), dbc.origin(0).unwrap()), (false, None));
    assert!(dbc.notes()[0].starts_with("1 of 3 images have no known patient"), "{:?}", dbc.notes());

    let folder = Folder::new();
    for score in 0..=5 {
        folder.file(&format!("{score}/Prostate-MRI-US-Biopsy-000{score}-slice7.png"), png(8, 9, score));
    }
    let risk = open(Named::Prostate, folder.path()).unwrap();
    assert_eq!(risk.labels(), [0, 0, 1, 1, 1, 1]);
    assert_eq!(patients(&risk)[5], "Prostate-MRI-US-Biopsy-0005");
    let severe = Dataset::open_named(Named::Prostate, folder.path(), &of_task("severe")).unwrap();
    assert_eq!(severe.labels(), [0, 1, 1, 1]);
    assert!(severe.name(0).starts_with("2/"));

    // RSNA's slices as PNG say nothing of patients.
    let folder = Folder::new();
    folder.file("stage_2_train.csv", "ID,Label\nID_a_any,1\nID_b_any,0\n");
    folder.file("stage_2_train/ID_a.png", png(8, 9, 1));
    folder.file("stage_2_train/ID_b.png", png(8, 9, 2));
    let rsna = open(Named::Rsna, folder.path()).unwrap();
    assert_eq!((rsna.labels(), rsna.has_origins()), (&[1, 0][..], false));
}

/// Rows that say the same image again, and paths that begin with `./`.
#[test]
fn rows_again_and_paths_from_here() {
    let folder = Folder::new();
    let image = "train/XR_HAND/patient00001/study1_positive/image1.png";
    folder.file(&format!("MURA-v1.1/{image}"), png(8, 9, 1));
    let rows = format!("./MURA-v1.1/{image}\nMURA-v1.1/{image}\n\nMURA-v1.1\\{}\n", image.replace('/', "\\"));
    folder.file("MURA-v1.1/train_image_paths.csv", rows);
    let mura = open(Named::Mura, folder.path()).unwrap();
    assert_eq!(names(&mura), [image]);
    let again = "a repeated label of one image";
    assert_eq!(
        mura.left_out(),
        [2, 4].map(|row| format!("train_image_paths.csv, row {row}: {image}: {again}"))
    );
}

/// A volume that is there packed and not is one volume.
#[test]
fn brats_unpacked_beside_packed() {
    let folder = Folder::new();
    let patient = "HGG/Brats18_2013_10_1/Brats18_2013_10_1";
    for what in ["flair", "seg"] {
        let packed = std::fs::read(path(&format!("brats/{patient}_{what}.nii.gz"))).unwrap();
        let mut plain = Vec::new();
        std::io::Read::read_to_end(&mut flate2::read::GzDecoder::new(&packed[..]), &mut plain).unwrap();
        folder.file(&format!("{patient}_{what}.nii.gz"), packed);
        folder.file(&format!("{patient}_{what}.nii"), plain);
    }
    let both = open(Named::Brats, folder.path()).unwrap();
    let packed = open(Named::Brats, &path("brats")).unwrap();
    let of_patient = names(&packed).iter().filter(|name| name.starts_with("HGG")).count();
    assert_eq!(both.len(), of_patient);
    assert!(both.name(0).contains("_flair.nii#"), "{}", both.name(0));
}

/// The real packs, where they are.
#[test]
fn real_packs_by_name() {
    let Some(packs) = std::env::var_os("SHARPDIM_DATA").map(PathBuf::from) else {
        println!("SHARPDIM_DATA is not set: MNIST, CIFAR-10 and the knees are not read by name");
        return;
    };
    for split in [Split::Train, Split::Test] {
        let options = NamedOptions { split, ..NamedOptions::default() };
        let mnist = Dataset::open_named(Named::Mnist, &packs.join("mnist"), &options).unwrap();
        assert_eq!(mnist.class_counts()[1], if split == Split::Train { 6742 } else { 1135 });
        let cifar = Dataset::open_named(Named::Cifar10, &packs.join("cifar10"), &options).unwrap();
        assert_eq!(cifar.class_counts(), [1000; 10]);
        assert_eq!((cifar.class_names()[3].as_str(), cifar.has_origins()), ("cat", false));
    }
    // The pack's names begin with a grade, not with the participant's number.
    #[cfg(unix)]
    {
        let folder = Folder::new();
        for (class, name) in [("0", "negative_KL01"), ("1", "positive_KL234")] {
            folder.folder(class);
            for entry in std::fs::read_dir(packs.join("knee_oa").join(name)).unwrap() {
                let from = entry.unwrap().path();
                let name = from.file_name().unwrap().to_str().unwrap();
                let participant = name.split_once('_').unwrap().1;
                std::os::unix::fs::symlink(&from, folder.path().join(class).join(participant)).unwrap();
            }
        }
        let knees = open(Named::Oai, folder.path()).unwrap();
        assert_eq!((knees.class_counts(), knees.has_origins()), (vec![200, 200], true));
        let (train, test) = knees.split(100, 50, 1).unwrap();
        super::named_split::assert_apart(&train, &test);
        let loaded =
            test.load(&Preprocess { size: Some((32, 32)), ..Preprocess::default() }, &|_| {}).unwrap();
        assert_eq!(loaded.samples.n(), 50);
    }
}

/// What volumes show is the same by a cache and without, found there again, and found anew where an entry is damaged.
#[test]
fn brats_by_a_cache() {
    let folder = tempfile::tempdir().unwrap();
    let cache = Cache::at(folder.path());
    let by_cache = NamedOptions { cache: Some(cache.clone()), ..NamedOptions::default() };
    let told = |options: &NamedOptions| {
        let dataset = Dataset::open_named(Named::Brats, &path("brats"), options).unwrap();
        let origins: Vec<_> = (0..dataset.len()).map(|at| dataset.origin(at).unwrap()).collect();
        (names(&dataset), dataset.labels().to_vec(), origins, dataset.notes().to_vec())
    };
    let findings = || -> Vec<PathBuf> {
        let folders = std::fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().path());
        let files = folders.flat_map(|folder| std::fs::read_dir(folder).unwrap());
        let mut found: Vec<PathBuf> = files.map(|entry| entry.unwrap().path()).collect();
        found.retain(|path| path.extension().is_some_and(|ending| ending == "finding"));
        found
    };
    let without = told(&NamedOptions::default());
    assert!(told(&by_cache) == without);
    let kept = findings();
    assert!(!kept.is_empty());
    let whole: Vec<Vec<u8>> = kept.iter().map(|path| std::fs::read(path).unwrap()).collect();
    for (path, whole) in kept.iter().zip(&whole) {
        let mut damaged = whole.clone();
        *damaged.last_mut().unwrap() ^= 1;
        for bytes in [&damaged[..], &whole[..20], &[]] {
            std::fs::write(path, bytes).unwrap();
            assert!(told(&by_cache) == without, "{}", path.display());
            assert!(std::fs::read(path).unwrap() == *whole, "it is written anew");
        }
    }
    assert!(told(&by_cache) == without);
    // The dataset has the cache for its images too.
    let dataset = Dataset::open_named(Named::Brats, &path("brats"), &by_cache).unwrap();
    assert_eq!(dataset.cache(), Some(&cache));
    assert_eq!(cache.size().unwrap().images, 0);
    let how = Preprocess { size: Some((16, 16)), ..Preprocess::default() };
    let [first, again] = [0, 1].map(|_| dataset.load(&how, &|_| {}).unwrap());
    assert_eq!((first.from_cache, again.from_cache), (0, dataset.len()));
    assert!(first.samples == again.samples && first.patients == again.patients);
    cache.clear().unwrap();
    assert!(cache.size().unwrap().bytes == 0);
}
