//! Each format is recognised by what is in it, and gives the pixels, labels and names that were written.

use super::make::*;
use approx::abs_diff_eq;
use image::ImageFormat;
use sharpdim::data::{Dataset, OpenOptions, Split};

const TEST: OpenOptions = OpenOptions { split: Split::Test };

fn bytes_of(dataset: &Dataset) -> Vec<f32> {
    values(&dataset.load(&raw(), &|_| {}).unwrap())
}

fn floats(bytes: &[u8]) -> Vec<f32> {
    bytes.iter().map(|byte| f32::from(*byte)).collect()
}

#[test]
fn idx_folder_plain_and_gzipped() {
    for zip in [false, true] {
        let folder = Folder::new();
        let (train, test) = (noise(4 * 6, 1), noise(2 * 6, 2));
        let put = |name: &str, content: Vec<u8>| {
            if zip { folder.file(&format!("{name}.gz"), gz(&content)) } else { folder.file(name, content) }
        };
        put("train-images-idx3-ubyte", idx_images(4, 2, 3, &train));
        put("train-labels-idx1-ubyte", idx_labels(&[7, 3, 7, 9]));
        put("t10k-images-idx3-ubyte", idx_images(2, 2, 3, &test));
        put("t10k-labels-idx1-ubyte", idx_labels(&[1, 0]));

        let dataset = Dataset::open(folder.path()).unwrap();
        assert_eq!(dataset.format(), "IDX");
        assert_eq!(dataset.len(), 4);
        assert_eq!(dataset.class_names(), ["3", "7", "9"]);
        assert_eq!(dataset.labels(), [1, 0, 1, 2]);
        assert_eq!(dataset.class_counts(), [1, 2, 1]);
        let name = if zip { "train-images-idx3-ubyte.gz#3" } else { "train-images-idx3-ubyte#3" };
        assert_eq!(dataset.name(3), name);
        assert_eq!(bytes_of(&dataset), floats(&train));

        let dataset = Dataset::open_with(folder.path(), &TEST).unwrap();
        assert_eq!(dataset.labels(), [1, 0]);
        assert_eq!(bytes_of(&dataset), floats(&test));
    }
}

#[test]
fn idx_file_alone_and_in_a_folder_of_its_own() {
    let folder = Folder::new();
    let path = folder.file("MNIST/raw/t10k-images.idx3-ubyte", idx_images(1, 2, 2, &[1, 2, 3, 4]));
    folder.file("MNIST/raw/t10k-labels.idx1-ubyte.gz", gz(&idx_labels(&[5])));
    assert_eq!(Dataset::open(&path).unwrap().class_names(), ["5"]);
    // As torchvision lays it out, opened from the top.
    assert_eq!(Dataset::open_with(folder.path(), &TEST).unwrap().len(), 1);
}

#[test]
fn idx_plain_is_preferred_to_its_own_gzip() {
    let folder = Folder::new();
    folder.file("train-images-idx3-ubyte", idx_images(1, 1, 1, &[9]));
    folder.file("train-images-idx3-ubyte.gz", gz(&idx_images(1, 1, 1, &[9])));
    folder.file("train-labels-idx1-ubyte", idx_labels(&[0]));
    assert_eq!(Dataset::open(folder.path()).unwrap().name(0), "train-images-idx3-ubyte#0");
}

#[test]
fn cifar_folder() {
    let folder = Folder::new();
    let (first, second) = (cifar(&[3, 9]), cifar(&[5]));
    folder.file("data_batch_1.bin", &first);
    folder.file("data_batch_2.bin.gz", gz(&second));
    folder.file("test_batch.bin", cifar(&[0, 1, 2]));

    let dataset = Dataset::open(folder.path()).unwrap();
    assert_eq!(dataset.format(), "CIFAR-10");
    assert_eq!(dataset.class_names()[3..6], ["cat", "deer", "dog"]);
    assert_eq!(dataset.labels(), [3, 9, 5]);
    assert_eq!(dataset.name(1), "data_batch_1.bin#1");
    assert_eq!(dataset.name(2), "data_batch_2.bin.gz#0");
    assert!(dataset.notes()[0].contains("2 of the 5 training batches"), "{:?}", dataset.notes());

    // Planes become pixels.
    let loaded = dataset.load(&raw(), &|_| {}).unwrap();
    assert_eq!((loaded.height, loaded.width, loaded.channels), (32, 32, 3));
    let values = values(&loaded);
    for (at, record) in [&first[..3073], &first[3073..], &second[..]].into_iter().enumerate() {
        for (row, column, channel) in [(0, 0, 0), (0, 31, 1), (17, 4, 2), (31, 31, 2)] {
            let stored = record[1 + channel * 1024 + row * 32 + column];
            assert_eq!(values[at * 3072 + (row * 32 + column) * 3 + channel], f32::from(stored));
        }
    }
    assert_eq!(Dataset::open_with(folder.path(), &TEST).unwrap().len(), 3);
    assert_eq!(Dataset::open(&folder.path().join("data_batch_2.bin.gz")).unwrap().labels(), [5]);
}

#[test]
fn cifar_names_from_the_file_beside() {
    let folder = Folder::new();
    folder.file("data_batch_1.bin", cifar(&[1]));
    folder.file("batches.meta.txt", "a\nb\nc\nd\ne\nf\ng\nh\ni\nj\n\n");
    assert_eq!(Dataset::open(folder.path()).unwrap().class_names()[1], "b");
}

#[test]
fn image_folder_of_every_kind_of_pixel() {
    let folder = Folder::new();
    let gray8 = image::GrayImage::from_raw(2, 1, vec![1, 2]).unwrap();
    let alpha8 = image::GrayAlphaImage::from_raw(2, 1, vec![3, 0, 4, 255]).unwrap();
    let gray16 = image::ImageBuffer::<image::Luma<u16>, _>::from_raw(2, 1, vec![500u16, 60_000]).unwrap();
    folder.file("b/2.png", encoded(gray8, ImageFormat::Png));
    folder.file("b/10.PNG", encoded(alpha8, ImageFormat::Png));
    folder.file("b/deep/down/x.png", png(1, 2, 0));
    // A PNG, whatever it is called.
    folder.file("a/z.jpg", png(1, 2, 1));
    folder.file("a/.hidden.png", "no image");
    folder.file("a/notes.txt", "not an image");
    folder.file(".git/x.png", "no class");
    folder.folder("empty");

    let dataset = Dataset::open(folder.path()).unwrap();
    assert_eq!(dataset.format(), "image folder");
    assert_eq!(dataset.class_names(), ["a", "b"]);
    let names: Vec<String> = (0..dataset.len()).map(|at| dataset.name(at)).collect();
    assert_eq!(names, ["a/z.jpg", "b/10.PNG", "b/2.png", "b/deep/down/x.png"]);
    assert_eq!(dataset.labels(), [0, 1, 1, 1]);
    let notes = dataset.notes().join("\n");
    assert!(notes.contains("notes.txt") && notes.contains("empty holds no image file"), "{notes}");

    let loaded = dataset.load(&raw(), &|_| {}).unwrap();
    assert_eq!(values(&loaded)[2..6], [3.0, 4.0, 1.0, 2.0]);
    assert!(loaded.notes.iter().any(|note| note.contains("1 images have an alpha channel")));

    let folder = Folder::new();
    folder.file("a/1.png", encoded(gray16, ImageFormat::Png));
    let rgb16 =
        image::ImageBuffer::<image::Rgb<u16>, _>::from_raw(2, 1, vec![1u16, 2, 3, 400, 500, 600]).unwrap();
    assert_eq!(values(&load(folder.path(), &raw()).unwrap()), [500.0, 60_000.0]);
    folder.file("a/1.png", encoded(rgb16, ImageFormat::Png));
    assert_eq!(values(&load(folder.path(), &raw()).unwrap()), [1.0, 2.0, 3.0, 400.0, 500.0, 600.0]);
}

#[test]
fn jpeg_gray_and_rgb() {
    let folder = Folder::new();
    let gray = image::GrayImage::from_pixel(16, 8, image::Luma([77]));
    folder.file("a/gray.jpeg", encoded(gray, ImageFormat::Jpeg));
    let loaded = load(folder.path(), &raw()).unwrap();
    assert_eq!((loaded.height, loaded.width, loaded.channels), (8, 16, 1));
    assert!(values(&loaded).iter().all(|value| abs_diff_eq!(*value, 77.0, epsilon = 1.0)));

    let rgb = image::RgbImage::from_pixel(16, 8, image::Rgb([200, 30, 90]));
    folder.file("a/gray.jpeg", encoded(rgb, ImageFormat::Jpeg));
    let loaded = load(folder.path(), &raw()).unwrap();
    let pixel = &values(&loaded)[..3];
    assert_eq!(loaded.channels, 3);
    assert!(
        pixel.iter().zip([200.0, 30.0, 90.0]).all(|(got, put)| abs_diff_eq!(*got, put, epsilon = 3.0)),
        "{pixel:?}"
    );
}

#[test]
fn image_folder_with_parts() {
    let folder = Folder::new();
    for (part, count) in [("train", 2), ("test", 1)] {
        for class in ["cat", "dog"] {
            for at in 0..count {
                folder.file(&format!("{part}/{class}/{at}.png"), png(2, 2, at));
            }
        }
    }
    let train = Dataset::open(folder.path()).unwrap();
    assert_eq!((train.class_names().join(" "), train.class_counts()), ("cat dog".into(), vec![2, 2]));
    assert_eq!(Dataset::open_with(folder.path(), &TEST).unwrap().class_counts(), [1, 1]);

    // Classes may have such names too.
    let folder = Folder::new();
    for class in ["bus", "train"] {
        folder.file(&format!("{class}/1.png"), png(2, 2, 0));
    }
    assert_eq!(Dataset::open(folder.path()).unwrap().class_names(), ["bus", "train"]);
}

#[test]
fn a_folder_with_one_class_opens() {
    let folder = Folder::new();
    folder.file("only/1.png", png(2, 2, 0));
    assert_eq!(Dataset::open(folder.path()).unwrap().class_names(), ["only"]);
}

#[test]
fn npy_pair_and_npz() {
    let pixels = noise(3 * 2 * 2, 5);
    let images = npy("|u1", &[3, 2, 2], &pixels);
    let labels = npy("<i8", &[3], &[4i64, -2, 4].map(i64::to_le_bytes).concat());

    let folder = Folder::new();
    let path = folder.file("images.npy", &images);
    folder.file("labels.npy", &labels);
    let archive = folder.file("set.npz", npz(&[("images", &images), ("labels", &labels)]));
    for (path, format) in [(folder.path(), "NPY"), (&path, "NPY"), (&archive, "NPZ")] {
        let dataset = Dataset::open(path).unwrap();
        assert_eq!(dataset.format(), format);
        assert_eq!(dataset.class_names(), ["-2", "4"]);
        assert_eq!(dataset.labels(), [1, 0, 1]);
        assert_eq!(bytes_of(&dataset), floats(&pixels));
    }
    assert_eq!(Dataset::open(&archive).unwrap().name(2), "set.npz#2");
    assert_says(Dataset::open_with(&archive, &TEST), &["set.npz", "no array test_images", "images, labels"]);

    let parts = [("train_images", &images[..]), ("train_labels", &labels)];
    let archive = folder.file("parts.npz", npz(&parts));
    assert_eq!(Dataset::open(&archive).unwrap().len(), 3);
}

#[test]
fn npy_of_every_type() {
    let folder = Folder::new();
    let labels: [(&str, Vec<u8>); 9] = [
        ("|b1", vec![1, 0]),
        ("|u1", vec![200, 3]),
        ("|i1", vec![1, 0xff]),
        ("<u2", [60_000u16, 1].map(u16::to_le_bytes).concat()),
        (">i2", [-300i16, 1].map(i16::to_be_bytes).concat()),
        ("<i4", [-70_000i32, 1].map(i32::to_le_bytes).concat()),
        (">u4", [4_000_000_000u32, 1].map(u32::to_be_bytes).concat()),
        ("<u8", [1 << 40, 1u64].map(u64::to_le_bytes).concat()),
        (">i8", [-(1 << 40), 1i64].map(i64::to_be_bytes).concat()),
    ];
    let names = [
        ["0", "1"],
        ["3", "200"],
        ["-1", "1"],
        ["1", "60000"],
        ["-300", "1"],
        ["-70000", "1"],
        ["1", "4000000000"],
        ["1", "1099511627776"],
        ["-1099511627776", "1"],
    ];
    let path = folder.file("images.npy", npy("|u1", &[2, 1, 1], &[1, 2]));
    for ((dtype, bytes), names) in labels.iter().zip(names) {
        folder.file("labels.npy", npy(dtype, &[2], bytes));
        assert_eq!(Dataset::open(&path).unwrap().class_names(), names, "{dtype}");
    }

    let wide = [1u16, 2, 3, 40_000, 5, 6];
    let floats = [0.5f32, 1.0, -2.0, 3e8, 0.0, 1e-9];
    let cases = [
        ("<u2", wide.map(u16::to_le_bytes).concat(), wide.map(f32::from)),
        (">u2", wide.map(u16::to_be_bytes).concat(), wide.map(f32::from)),
        ("<f4", floats.map(f32::to_le_bytes).concat(), floats),
        (">f4", floats.map(f32::to_be_bytes).concat(), floats),
    ];
    for (dtype, bytes, expected) in cases {
        folder.file("images.npy", npy(dtype, &[2, 1, 1, 3], &bytes));
        let loaded = load(&path, &raw()).unwrap();
        assert_eq!(loaded.channels, 3);
        assert!(!is_u8(&loaded));
        assert_eq!(values(&loaded), expected, "{dtype}");
    }
}

/// A folder that two formats could be read from is not guessed at; each alone is read.
#[test]
fn two_formats_in_one_folder_are_refused() {
    let put = |folder: &Folder, format: &str| match format {
        "IDX files" => {
            folder.file("train-images-idx3-ubyte", idx_images(1, 1, 1, &[9]));
            folder.file("train-labels-idx1-ubyte", idx_labels(&[0]));
        }
        "CIFAR-10 batches" => _ = folder.file("data_batch_1.bin", cifar(&[3])),
        _ => {
            folder.file("images.npy", npy("|u1", &[1, 1, 1], &[5]));
            folder.file("labels.npy", npy("|u1", &[1], &[0]));
        }
    };
    let all = ["IDX files", "CIFAR-10 batches", "images.npy or features.npy and labels.npy"];
    for (at, one) in all.iter().enumerate() {
        let alone = Folder::new();
        put(&alone, one);
        assert_eq!(Dataset::open(alone.path()).unwrap().len(), 1, "{one}");
        for other in &all[at + 1..] {
            let both = Folder::new();
            put(&both, one);
            put(&both, other);
            let place = both.path().display().to_string();
            assert_says(Dataset::open(both.path()), &[&place, "two formats", one, other]);
        }
    }
}
