//! Safetensors: which tensors are samples and labels, and every way in which a header can be wrong.

use super::make::*;
use sharpdim::data::{Dataset, OpenOptions, Split};

const TEST: OpenOptions = OpenOptions { split: Split::Test };

#[track_caller]
fn assert_file_says(file: &[u8], words: &[&str]) {
    let folder = Folder::new();
    let path = folder.file("x.safetensors", file);
    let (opened, most) = largest_request(|| Dataset::open(&path));
    assert_says(opened, &[&["x.safetensors: "], words].concat());
    assert!(most < 1 << 18, "{words:?}: {most} bytes were asked for at once");
}

#[test]
fn a_file_and_its_folder() {
    let folder = Folder::new();
    let file = tensors(&[("images", "U8", &[2, 1, 2], &[1, 2, 3, 4]), ("labels", "I8", &[2], &[0xff, 7])]);
    let path = folder.file("set/a.safetensors", &file);
    for path in [&path, &folder.path().join("set"), folder.path()] {
        let dataset = Dataset::open(path).unwrap();
        assert_eq!((dataset.format(), dataset.name(1)), ("safetensors", "a.safetensors#1".into()));
        assert_eq!((dataset.class_names().join(" "), dataset.labels()), ("-1 7".into(), &[0, 1][..]));
        assert_eq!(values(&dataset.load(&raw(), &|_| {}).unwrap()), [1.0, 2.0, 3.0, 4.0]);
    }
    folder.file("set/b.safetensors", &file);
    assert_says(Dataset::open(&folder.path().join("set")), &["a.safetensors and b.safetensors", "open one"]);
}

#[test]
fn the_tensors_that_are_taken() {
    let folder = Folder::new();
    let matrix: &[u8] = &[0; 8];
    let put = |file: Vec<u8>| folder.file("x.safetensors", file);
    let path = put(tensors(&[
        ("train_features", "F32", &[1, 2], matrix),
        ("test_features", "F32", &[2, 1], matrix),
        ("test_labels", "U8", &[2], &[5, 6]),
    ]));
    assert_eq!(Dataset::open(&path).unwrap().class_names(), ["all"]);
    assert_eq!(Dataset::open_with(&path, &TEST).unwrap().class_names(), ["5", "6"]);
    // Of any name, where there is no other of two dimensions.
    let path = put(tensors(&[("x", "F32", &[1, 2], matrix), ("ids", "I64", &[1], matrix)]));
    assert_eq!(Dataset::open(&path).unwrap().len(), 1);
    assert_says(Dataset::open_with(&path, &TEST), &["no tensor test_images or test_features", "ids, x"]);
    // Labels may be a column.
    let path = put(tensors(&[("x", "F32", &[2, 1], matrix), ("labels", "U8", &[2, 1], &[5, 6])]));
    assert_eq!(Dataset::open(&path).unwrap().class_names(), ["5", "6"]);
}

#[test]
fn tensors_that_are_lacking_or_unfit() {
    let matrix: &[u8] = &[0; 8];
    let x = ("x", "F32", &[1, 2][..], matrix);
    assert_file_says(&tensors(&[]), &["no tensor images or features", "in it: none"]);
    assert_file_says(&tensors(&[x, ("y", "F32", &[2, 1], matrix)]), &["no tensor images", "in it: x, y"]);
    let images = ("images", "U8", &[2, 2, 2][..], matrix);
    assert_file_says(&tensors(&[images]), &["no tensor labels or train_labels", "in it: images"]);
    let with = |dtype, shape, bytes: &[u8], words: &[&str]| {
        assert_file_says(&tensors(&[images, ("labels", dtype, shape, bytes)]), words)
    };
    with("U8", &[3], &[0; 3], &["3 labels, but there are 2 images"]);
    with("U8", &[0], &[], &["0 labels, but there are 2 images"]);
    with("F32", &[2], &[0; 8], &["tensor labels: ", "values are F32", "integers"]);
    with("U8", &[2, 2], &[0; 4], &["tensor labels: ", "(2, 2)", "(N,)"]);
    with("U64", &[2], &[0xff; 16], &["tensor labels: ", "above 2^63 - 1"]);
    let refused = |dtype, shape: &[usize], bytes: &[u8], words: &[&str]| {
        assert_file_says(
            &tensors(&[("images", dtype, shape, bytes)]),
            &[&["tensor images: "], words].concat(),
        )
    };
    refused("I64", &[1, 1, 1], &[0; 8], &["values are I64", "uint8, uint16, float16, bfloat16"]);
    refused("F8_E4M3", &[2, 2, 2], &[0; 8], &["values are F8_E4M3"]);
    refused("BOOL", &[2, 2, 2], &[0; 8], &["values are BOOL"]);
    refused("U8", &[2, 2, 1, 2], &[0; 8], &["(2, 2, 1, 2)", "transpose"]);
    refused("U8", &[0, 2], &[], &["holds no features", "(0, 2)"]);
    refused("U8", &[8], &[0; 8], &["(8,)"]);
}

#[test]
fn headers_that_are_wrong() {
    let whole = tensors(&[("features", "F32", &[1, 2], &[0; 8])]);
    assert_file_says(&[], &["ends after 0 of the 8 bytes of a safetensors header"]);
    assert_file_says(&whole[..5], &["ends after 5 of the 8 bytes"]);
    assert_file_says(&whole[..30], &["claims a header of", "but 22 follow"]);
    assert_file_says(
        &[&u64::MAX.to_le_bytes()[..], b"{}"].concat(),
        &["header of 18446744073709551615 bytes"],
    );
    assert_file_says(&tensors_with("", &[]), &["not that of a safetensors file"]);
    assert_file_says(&tensors_with("[1, 2]", &[]), &["not that of a safetensors file"]);
    assert_file_says(&tensors_with("{\"a\": \u{1}", &[]), &["not that of a safetensors file"]);
    assert_file_says(&tensors_with(&"[".repeat(100_000), &[]), &["not that of a safetensors file"]);
    assert_file_says(&[&[2, 0, 0, 0, 0, 0, 0, 0][..], b"\xff\xfe"].concat(), &["not that of"]);
    assert_file_says(&gz(&whole), &["is compressed"]);
    assert_file_says(&whole[..whole.len() - 1], &["tensor features: its bytes are 0 to 8, but 7 follow"]);
    assert_file_says(&[&whole[..], &[0; 3]].concat(), &["3 bytes at its end belong to no tensor"]);
}

#[test]
fn entries_that_lie() {
    let says = |entries: &str, words: &[&str]| {
        assert_file_says(&tensors_with(&format!("{{{entries}}}"), &[0; 16]), words)
    };
    let entry = |name: &str, dtype: &str, shape: &str, offsets: &str| {
        format!(r#""{name}":{{"dtype":"{dtype}","shape":{shape},"data_offsets":{offsets}}}"#)
    };
    let one = |dtype, shape, offsets, words: &[&str]| {
        let words = [&["tensor images: "], words].concat();
        says(&entry("images", dtype, shape, offsets), &words);
    };
    one("U8", "[4,2,2]", "[0,17]", &["bytes are 0 to 17, but 16 follow"]);
    one("U8", "[4,2,2]", "[0,18446744073709551615]", &["but 16 follow"]);
    one("U8", "[18446744073709551615]", "[0,18446744073709551615]", &["but 16 follow"]);
    one("U8", "[4,2,2]", "[9,3]", &["bytes are 9 to 3"]);
    one("U8", "[2,2,2]", "[8,16]", &["begin at 8", "from 0 belong to no tensor"]);
    one("U8", "[5,2,2]", "[0,16]", &["shape [5, 2, 2] of U8 is not that of its 16 bytes"]);
    one("F32", "[4,2,2]", "[0,16]", &["shape [4, 2, 2] of F32 is not that of its 16 bytes"]);
    one("U8", "[4294967296,4294967296,4294967296]", "[0,16]", &["is not that of its 16 bytes"]);
    one("F4", "[3]", "[0,1]", &["is not that of its 1 bytes"]);
    one("U8", "[-4,2,2]", "[0,16]", &["entry in the header cannot be read"]);
    one("U8", "[4.5]", "[0,16]", &["entry in the header cannot be read"]);
    one("Q3", "[4,2,2]", "[0,16]", &["entry in the header cannot be read", "Q3"]);
    one("U8", "\"4\"", "[0,16]", &["entry in the header cannot be read"]);
    one("U8", "[4,2,2]", "[0]", &["entry in the header cannot be read"]);
    says("\"images\":7", &["tensor images: ", "entry in the header cannot be read"]);

    let two = |a: [&str; 2], b: [&str; 2], words: &[&str]| {
        let [a, b] = [("images", a), ("labels", b)].map(|(name, [shape, at])| entry(name, "U8", shape, at));
        says(&format!("{a},{b}"), words);
    };
    two(["[3,2,2]", "[0,12]"], ["[8]", "[8,16]"], &["tensor labels: ", "from 8, overlap", "to 12"]);
    two(["[4,2,2]", "[0,16]"], ["[16]", "[0,16]"], &["overlap"]);
    two(["[2,2,2]", "[0,8]"], ["[4]", "[12,16]"], &["tensor labels: ", "begin at 12", "from 8"]);
}
