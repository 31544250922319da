//! Whatever can be wrong with a dataset: the message names the file and says why, nothing panics, and a
//! header that lies costs no memory.

use super::make::*;
use sharpdim::data::{Dataset, OnBad, OpenOptions, Preprocess, Split};
use std::path::Path;

const TEST: OpenOptions = OpenOptions { split: Split::Test };

fn idx_folder(images: &[u8], labels: &[u8]) -> Folder {
    let folder = Folder::new();
    folder.file("train-images-idx3-ubyte", images);
    folder.file("train-labels-idx1-ubyte", labels);
    folder
}

fn npy_folder(images: &[u8], labels: &[u8]) -> Folder {
    let folder = Folder::new();
    folder.file("images.npy", images);
    folder.file("labels.npy", labels);
    folder
}

#[track_caller]
fn assert_open_says(path: &Path, words: &[&str]) {
    assert_says(Dataset::open(path), words);
}

#[test]
fn nothing_there() {
    assert_open_says(Path::new("/no/such/place"), &["/no/such/place", "No such file"]);
    let folder = Folder::new();
    assert_open_says(folder.path(), &["is an empty folder"]);
    assert_open_says(&folder.file("x.npy", ""), &["x.npy", "is empty"]);
    assert_open_says(&folder.file("x.bin", ""), &["x.bin", "holds no images"]);
    assert_open_says(&folder.file("x.dat", "hello there"), &["x.dat", "no dataset of a known format"]);
    assert_open_says(&folder.file("x", png(2, 2, 0)), &["x", "is a single image"]);
    assert_open_says(folder.path(), &["holds no dataset of a known format", "4 files: x"]);
    folder.file("y.png", png(2, 2, 0));
    assert_open_says(folder.path(), &["1 images, but no class folders"]);

    let folder = Folder::new();
    folder.folder("a");
    folder.folder("b");
    assert_open_says(folder.path(), &["holds no images"]);
}

#[test]
fn idx_that_is_wrong() {
    let labels = idx_labels(&[1, 2]);
    let whole = idx_images(2, 2, 2, &[1; 8]);
    let says = |images: &[u8], labels: &[u8], words: &[&str]| {
        assert_open_says(idx_folder(images, labels).path(), words)
    };
    let file = "train-images-idx3-ubyte: ";
    says(&whole[..20], &labels, &[file, "claims 2 images of 2 x 2", "8 bytes, but 4 follow"]);
    says(&[&whole[..], &[0]].concat(), &labels, &[file, "8 bytes, but 9 follow"]);
    says(&whole[..9], &labels, &[file, "ends after 1 of the 4 bytes of an IDX header"]);
    says(b"\0\0\x0d\x03......", &labels, &[file, "not an IDX file of 8-bit images", "00 00 0d 03"]);
    says(&idx_images(0, 2, 2, &[]), &labels, &[file, "holds no images"]);
    says(&idx_images(2, 0, 2, &[]), &labels, &[file, "images of 0 x 2 pixels"]);
    says(&whole, &labels[..9], &["train-labels-idx1-ubyte: ", "claims 2 labels", "2 bytes, but 1 follow"]);
    says(&whole, &idx_labels(&[1]), &["train-labels-idx1-ubyte: ", "1 labels", "holds 2 images"]);
    says(&whole, &whole, &["train-labels-idx1-ubyte: ", "not an IDX file of 8-bit labels", "00 00 08 03"]);

    let folder = idx_folder(&whole, &labels);
    assert_says(Dataset::open_with(folder.path(), &TEST), &["none for its test part", "t10k-images"]);
    assert_open_says(&folder.path().join("train-labels-idx1-ubyte"), &["holds labels"]);
    folder.file("other-train-images-idx3-ubyte", &whole);
    assert_open_says(folder.path(), &["more than one", "other-train-images-idx3-ubyte"]);

    let folder = Folder::new();
    folder.file("train-images-idx3-ubyte", &whole);
    assert_open_says(folder.path(), &[file, "labels are not beside it", "train-labels-idx1-ubyte"]);
    assert_open_says(&folder.file("digits", &whole), &["digits: ", "cannot be found by its name"]);

    let folder = Folder::new();
    folder.folder("train-images-idx3-ubyte");
    folder.file("train-labels-idx1-ubyte", &labels);
    assert_open_says(folder.path(), &[file, "is a folder, where a file is expected"]);
}

#[test]
fn gzip_that_is_wrong() {
    let folder = Folder::new();
    let whole = gz(&idx_images(40, 10, 10, &noise(4000, 1)));
    folder.file("train-labels-idx1-ubyte", idx_labels(&[1; 40]));
    let file = "train-images-idx3-ubyte.gz";
    folder.file(file, &whole[..2000]);
    assert_open_says(folder.path(), &[file, "compressed data is damaged or cut short"]);
    folder.file(file, &whole[..5]);
    assert_open_says(folder.path(), &[file, "compressed data is damaged or cut short: 0 bytes"]);
    let mut torn = whole.clone();
    torn[1500] ^= 0x55;
    folder.file(file, torn);
    assert_open_says(folder.path(), &[file]);
    folder.file(file, gz(&idx_images(40, 10, 10, &noise(3000, 1))));
    assert_open_says(folder.path(), &[file, "4000 bytes, but 3000 follow"]);
    folder.file(file, gz(&idx_images(40, 10, 10, &noise(9000, 1))));
    assert_open_says(folder.path(), &[file, "4000 bytes, but more follow"]);

    folder.file("c/data_batch_1.bin.gz", &gz(&cifar(&[1, 2]))[..3000]);
    assert_open_says(&folder.path().join("c"), &["data_batch_1.bin.gz", "damaged or cut short"]);
}

#[test]
fn headers_that_lie_allocate_nothing() {
    let labels = idx_labels(&[1; 4]);
    let lies = idx_images(1 << 31, 28, 28, &[1; 4000]);
    let folder = idx_folder(&lies, &labels);
    let zipped = Folder::new();
    zipped.file("train-images-idx3-ubyte.gz", gz(&lies));
    zipped.file("train-labels-idx1-ubyte", &labels);
    let most = Folder::new();
    most.file("train-images-idx3-ubyte", idx_images(u32::MAX, u32::MAX, u32::MAX, &[1; 4]));
    most.file("train-labels-idx1-ubyte", &labels);
    let many_labels = idx_folder(&idx_images(1, 1, 1, &[1]), &[&[0, 0, 8, 1], &[0x7f; 4][..], &[1]].concat());

    let shape = [1 << 31, 28, 28];
    let array = npy_folder(&npy("<f4", &shape, &[0; 400]), &npy("|u1", &[4], &[1; 4]));
    let archive = Folder::new();
    let member = npy("<f4", &shape, &[0; 400]);
    let archive_path = archive.file("x.npz", npz(&[("images", &member), ("labels", &member)]));
    let header = "{'descr': '|u1', 'fortran_order': False, 'shape': (9999999999, 9999999999, 9999999999)}";
    let endless = npy_folder(&npy_with(header, &[]), &npy("|u1", &[1], &[1]));
    let long_header = npy_folder(b"\x93NUMPY\x02\x00\xff\xff\xff\x7f{", &npy("|u1", &[1], &[1]));

    let cases: [(&Path, &[&str]); 8] = [
        (folder.path(), &["train-images-idx3-ubyte", "claims 2147483648 images of 28 x 28"]),
        (zipped.path(), &["train-images-idx3-ubyte.gz", "claims 2147483648 images", "but 4000 follow"]),
        (most.path(), &["train-images-idx3-ubyte", "more than memory can address"]),
        (many_labels.path(), &["train-labels-idx1-ubyte", "claims 2139062143 labels", "but 1 follow"]),
        (array.path(), &["images.npy", "(2147483648, 28, 28)", "but 400 follow"]),
        (&archive_path, &["x.npz: images.npy in it: ", "(2147483648, 28, 28)", "but 400 follow"]),
        (endless.path(), &["images.npy", "memory can address"]),
        (long_header.path(), &["images.npy", "claims a header of 2147483647 bytes"]),
    ];
    for (path, words) in cases {
        let (opened, most) = largest_request(|| Dataset::open(path));
        assert_says(opened, words);
        assert!(most < 1 << 18, "{words:?}: {most} bytes were asked for at once");
    }
}

/// A PNG whose header claims another size, checksum and all.
fn png_that_claims(height: u32, width: u32) -> Vec<u8> {
    let mut file = png(2, 2, 0);
    file[16..20].copy_from_slice(&width.to_be_bytes());
    file[20..24].copy_from_slice(&height.to_be_bytes());
    let mut checksum = flate2::Crc::new();
    checksum.update(&file[12..29]);
    file[29..33].copy_from_slice(&checksum.sum().to_be_bytes());
    file
}

#[test]
fn image_headers_that_lie_allocate_nothing() {
    let folder = Folder::new();
    folder.file("a/1.png", png_that_claims(65_535, 65_535));
    let dataset = Dataset::open(folder.path()).unwrap();
    let threads = rayon::ThreadPoolBuilder::new().num_threads(1).use_current_thread().build().unwrap();
    let (loaded, most) = threads.install(|| largest_request(|| dataset.load(&raw(), &|_| {})));
    assert_says(loaded, &["a/1.png", "claims 65535 x 65535 pixels: more than its"]);
    assert!(most < 1 << 20, "{most} bytes were asked for at once");
}

#[test]
fn an_image_without_pixels() {
    let folder = Folder::new();
    folder.file("a/1.png", png_that_claims(0, 2));
    assert_says(load(folder.path(), &raw()), &["a/1.png", "cannot be decoded"]);
}

#[test]
fn a_part_that_is_not_there() {
    let folder = Folder::new();
    folder.file("cat/1.png", png(2, 2, 0));
    folder.file("dog/1.png", png(2, 2, 0));
    assert_says(Dataset::open_with(folder.path(), &TEST), &["has one part only: there is no test part"]);
    let folder = Folder::new();
    folder.file("train/cat/1.png", png(2, 2, 0));
    folder.folder("test");
    assert_says(Dataset::open_with(folder.path(), &TEST), &["has no test part", "test or val"]);
}

#[test]
fn cifar_that_is_wrong() {
    let folder = Folder::new();
    let file = "data_batch_1.bin";
    folder.file(file, &cifar(&[1, 2])[..4000]);
    assert_open_says(folder.path(), &[file, "4000 bytes", "3073", "927 are left over"]);
    folder.file(file, cifar(&[1, 2, 77]));
    assert_open_says(folder.path(), &[file, "record 2 has the label 77"]);
    folder.file(file, cifar(&[1]));
    assert_says(Dataset::open_with(folder.path(), &TEST), &["none of its test part", "test_batch.bin"]);
    folder.file("batches.meta.txt", "one\ntwo\ntwo\n");
    assert_open_says(folder.path(), &["batches.meta.txt", "3 class names, 2 of them distinct"]);
}

#[test]
fn npy_that_is_wrong() {
    let labels = npy("|u1", &[2], &[1, 2]);
    let whole = npy("|u1", &[2, 2, 2], &[1; 8]);
    let says = |images: &[u8], labels: &[u8], words: &[&str]| {
        assert_open_says(npy_folder(images, labels).path(), words)
    };
    let file = "images.npy: ";
    says(&whole[..whole.len() - 3], &labels, &[file, "array (2, 2, 2) of '|u1'", "8 bytes, but 5 follow"]);
    says(&whole[..50], &labels, &[file, "ends after 40 of the 118 bytes"]);
    says(&whole[..7], &labels, &[file, "ends after 7 of the 8 bytes of an NPY header"]);
    says(b"nothing like it", &labels, &[file, "not an NPY array"]);
    says(&npy_with("{'descr': '|u1'}", &[]), &labels, &[file, "header cannot be read", "fortran_order"]);
    says(&npy_with(&"[".repeat(100), &[]), &labels, &[file, "header cannot be read"]);
    let record = "{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (2, 2, 2)}";
    says(&npy_with(record, &[]), &labels, &[file, "array of records"]);
    let fortran = "{'descr': '|u1', 'fortran_order': True, 'shape': (2, 2, 2)}";
    says(&npy_with(fortran, &[1; 8]), &labels, &[file, "Fortran order", "ascontiguousarray"]);
    says(&npy("<i8", &[2, 1, 1], &[0; 16]), &labels, &[file, "values are '<i8'", "uint8, uint16, float16"]);
    says(&npy("|b1", &[2, 1, 1], &[0; 2]), &labels, &[file, "values are '|b1'"]);
    says(&npy("|O", &[2, 1, 1], &[0; 16]), &labels, &[file, "values are '|O'"]);
    says(&npy("|u1", &[2, 3, 2, 2], &[0; 24]), &labels, &[file, "(2, 3, 2, 2)", "transpose(0, 2, 3, 1)"]);
    says(&npy("|u1", &[4], &[0; 4]), &labels, &[file, "(4,)", "(N, H, W)", "(N, D)"]);
    says(&npy("|u1", &[0, 2, 2], &[]), &labels, &[file, "holds no images"]);
    says(&npy("|u1", &[2, 2, 0], &[]), &labels, &[file, "images of 2 x 0 pixels"]);

    let file = "labels.npy: ";
    says(&whole, &npy("|u1", &[3], &[1, 2, 3]), &[file, "3 labels, but there are 2 images"]);
    says(&whole, &npy("<f4", &[2], &[0; 8]), &[file, "values are '<f4'", "integers"]);
    says(&whole, &npy("|u1", &[2, 2], &[0; 4]), &[file, "(2, 2)", "(N,)"]);
    says(&whole, &npy("<u8", &[2], &[0xff; 16]), &[file, "above 2^63 - 1"]);
    says(&whole, &labels[..labels.len() - 1], &[file, "2 bytes, but 1 follow"]);

    let folder = Folder::new();
    let path = folder.file("images.npy", &whole);
    assert_open_says(&path, &["images.npy: ", "labels are not beside it", "labels.npy"]);
    assert_open_says(&folder.file("x.npy", &whole), &["x.npy: ", "cannot be found by its name"]);
    folder.file("labels.npy", &labels);
    assert_says(Dataset::open_with(folder.path(), &TEST), &["no test part"]);
}

#[test]
fn npz_that_is_wrong() {
    let folder = Folder::new();
    let images = npy("|u1", &[2, 2, 2], &noise(8, 0));
    let whole = npz(&[("images", &images), ("x", &images)]);
    assert_open_says(
        &folder.file("a.npz", &whole),
        &["a.npz", "no array labels or train_labels", "images, x"],
    );
    assert_open_says(&folder.file("a.npz", npz(&[])), &["a.npz", "the arrays in it: none"]);
    assert_open_says(&folder.file("a.npz", &whole[..100]), &["a.npz", "not a readable .npz"]);
    let labels = npy("|u1", &[2], &[1, 2]);
    let mut torn = npz(&[("images", &images), ("labels", &labels)]);
    // Within the packed data of the first member, after its 40-byte header.
    torn[60] ^= 0xff;
    assert_open_says(&folder.file("a.npz", torn), &["a.npz", "images.npy in it"]);
}

/// Nine good images and one bad one, in the middle.
fn with_one_bad(content: &[u8]) -> Folder {
    let folder = Folder::new();
    for at in 0..5 {
        folder.file(&format!("a/{at}.png"), png(20, 20, at));
        folder.file(&format!("b/{at}.png"), png(20, 20, 10 + at));
    }
    folder.file("a/3.png", content);
    folder
}

#[test]
fn a_bad_image_among_good_ones_is_named_or_skipped() {
    let mut flipped = png(20, 20, 0);
    let middle = flipped.len() / 2;
    flipped[middle] ^= 0xff;
    let jpeg = encoded(image::RgbImage::from_raw(20, 20, noise(1200, 1)).unwrap(), image::ImageFormat::Jpeg);
    let cases: [(&[u8], &str); 8] = [
        (&png(20, 20, 0)[..300], "cannot be decoded"),
        (&png(20, 20, 0)[..20], "cannot be decoded"),
        (&flipped, "cannot be decoded"),
        (&jpeg[..jpeg.len() * 2 / 3], "is cut short: the JPEG data has no end"),
        (&jpeg[..30], "cannot be decoded"),
        (b"GIF89a......", "is no PNG, JPEG, TIFF, BMP, WebP or DICOM image: it begins with 47 49 46 38"),
        (b"<html></html>", "is no PNG, JPEG, TIFF, BMP, WebP or DICOM image"),
        (b"", "is empty"),
    ];
    for (content, reason) in cases {
        let folder = with_one_bad(content);
        let dataset = Dataset::open(folder.path()).unwrap();
        assert_says(dataset.load(&raw(), &|_| {}), &["a/3.png: ", reason]);

        let loaded = dataset.load(&Preprocess { on_bad: OnBad::Skip, ..raw() }, &|_| {}).unwrap();
        let [(name, why)] = &loaded.skipped[..] else { panic!("{:?}", loaded.skipped) };
        assert!(name == "a/3.png" && why.contains(reason), "{name}: {why}");
        assert_eq!(loaded.index, [0, 1, 2, 4, 5, 6, 7, 8, 9]);
        assert_eq!(loaded.labels, [0, 0, 0, 0, 1, 1, 1, 1, 1]);
        assert_eq!(loaded.names[3], "a/4.png");
        assert_eq!(loaded.samples.n(), 9);
        // The rows after it moved up, whole.
        assert_eq!(
            values(&loaded)[3 * 400..][..400],
            noise(400, 4).iter().map(|v| f32::from(*v)).collect::<Vec<_>>()
        );
        assert_eq!(
            values(&loaded)[8 * 400..],
            noise(400, 14).iter().map(|v| f32::from(*v)).collect::<Vec<_>>()
        );
    }
}

#[test]
fn the_first_of_many_bad_images_is_named() {
    let folder = Folder::new();
    for at in 0..40 {
        folder.file(&format!("a/{at:02}.png"), png(20, 20, at));
    }
    for at in 13..40 {
        folder.file(&format!("a/{at:02}.png"), &png(20, 20, at)[..300]);
    }
    for _ in 0..10 {
        assert_says(load(folder.path(), &raw()), &["a/13.png"]);
    }
}

#[test]
fn no_good_image_at_all() {
    let folder = Folder::new();
    folder.file("a/1.png", "no image");
    folder.file("a/2.png", "no image");
    let how = Preprocess { on_bad: OnBad::Skip, ..raw() };
    assert_says(load(folder.path(), &how), &["none of the 2 images can be read", "a/1.png"]);
    folder.file("a/1.png", &png(20, 20, 1)[..300]);
    folder.file("a/2.png", &png(20, 20, 1)[..300]);
    assert_says(load(folder.path(), &how), &["none of the 2 images can be read", "a/1.png"]);
}

#[cfg(unix)]
#[test]
fn links_that_lead_nowhere_or_back() {
    let folder = Folder::new();
    folder.file("a/1.png", png(2, 2, 0));
    std::os::unix::fs::symlink("/no/such/image", folder.path().join("a/2.png")).unwrap();
    assert_says(load(folder.path(), &raw()), &["a/2.png", "No such file"]);
    std::fs::remove_file(folder.path().join("a/2.png")).unwrap();
    std::os::unix::fs::symlink("..", folder.path().join("a/up")).unwrap();
    assert_open_says(folder.path(), &["a/up", "is a link to a folder that holds it"]);
}

#[test]
fn sizes_that_differ_without_a_size() {
    let folder = Folder::new();
    folder.file("a/1.png", png(4, 5, 0));
    folder.file("a/2.png", png(4, 5, 0));
    folder.file("b/3.png", png(6, 7, 0));
    assert_says(
        load(folder.path(), &Preprocess { size: None, ..Preprocess::default() }),
        &["a/1.png has 4 x 5 pixels", "b/3.png has 6 x 7", "--size"],
    );
    assert_eq!(load(folder.path(), &Preprocess::default()).unwrap().samples.dim(), 224 * 224);
}

#[test]
fn depths_that_differ_without_scaling() {
    let folder = Folder::new();
    folder.file("a/1.png", png(1, 2, 0));
    let wide = image::ImageBuffer::<image::Luma<u16>, _>::from_raw(2, 1, vec![500u16, 60_000]).unwrap();
    folder.file("a/2.png", encoded(wide, image::ImageFormat::Png));
    assert_says(load(folder.path(), &raw()), &["a/1.png has U8", "a/2.png has U16", "scale each"]);
    assert!(is_u8(&load(folder.path(), &Preprocess { size: None, ..Preprocess::default() }).unwrap()));
}

#[test]
fn floats_that_are_no_pixels() {
    let folder = Folder::new();
    folder.file("labels.npy", npy("|u1", &[2], &[1, 2]));
    let mut floats = [1.0f32; 12];
    let mut says = |value: f32, how: &Preprocess, words: &[&str]| {
        floats[6 + 5] = value;
        folder.file("images.npy", npy("<f4", &[2, 2, 3], &floats.map(f32::to_le_bytes).concat()));
        assert_says(load(folder.path(), how), words);
        let skipping = Preprocess { on_bad: OnBad::Skip, ..how.clone() };
        let loaded = load(folder.path(), &skipping).unwrap();
        assert_eq!(loaded.skipped[0].0, "images.npy#1");
        assert_eq!(loaded.index, [0]);
    };
    let scaled = Preprocess::default();
    says(f32::NAN, &scaled, &["images.npy#1: ", "value NaN at row 1, column 2", "finite"]);
    says(f32::NAN, &raw(), &["images.npy#1: ", "value NaN at row 1, column 2", "finite"]);
    says(f32::INFINITY, &scaled, &["images.npy#1: ", "value inf"]);
    says(-0.5, &scaled, &["images.npy#1: ", "value -0.5 at row 1, column 2", "none below 0"]);
}

#[test]
fn sizes_that_cannot_be() {
    let dataset = Dataset::generated(1, 8, 0).unwrap();
    let size = |size| dataset.load(&Preprocess { size: Some(size), ..Preprocess::default() }, &|_| {});
    assert_says(size((0, 5)), &["0 x 5"]);
    assert_says(size((usize::MAX, 2)), &["no memory for the samples"]);
    assert_says(size((1 << 24, 1 << 24)), &["no memory for the samples", "GiB", "smaller size"]);
}
