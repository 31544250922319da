//! JPEG files give the very pixels that libjpeg-turbo gives, through Pillow, and damaged ones an error, in bounded time and memory.
//! `tests/vectors/jpeg.py` makes them, and more where `SHARPDIM_JPEGS` names a file of them.

use super::make::*;
use crate::npz::Npz;
use flate2::Crc;
use sharpdim::data::Loaded;
use std::collections::BTreeMap;
use std::env;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

fn vectors() -> PathBuf {
    [env!("CARGO_MANIFEST_DIR"), "tests/vectors/jpeg.npz"].iter().collect()
}

/// Of each file its bytes, its pixels' height, width, channels and CRC-32, and of small ones the pixels.
struct Jpeg {
    bytes: Vec<u8>,
    sum: [u32; 4],
    pixels: Option<Vec<u8>>,
}

fn jpegs(path: &Path) -> BTreeMap<String, Jpeg> {
    let mut archive = Npz::open(path);
    let names = archive.names();
    let sums: Vec<u32> = archive.array("sums").unwrap().values();
    let mut names: Vec<&str> = names.iter().filter_map(|name| name.strip_suffix(".jpg")).collect();
    names.sort_unstable();
    assert_eq!(sums.len(), 4 * names.len());
    let mut array = |name: &str| Some(archive.array(name)?.values::<u8>());
    names
        .into_iter()
        .zip(sums.as_chunks().0)
        .map(|(name, sum)| {
            let bytes = array(&format!("{name}.jpg")).unwrap();
            (name.to_owned(), Jpeg { bytes, sum: *sum, pixels: array(name) })
        })
        .collect()
}

fn jpeg(name: &str) -> Vec<u8> {
    jpegs(&vectors()).remove(name).unwrap_or_else(|| panic!("there is no {name}")).bytes
}

/// A folder of one class with one file in it, loaded.
fn load_one(bytes: &[u8]) -> sharpdim::Result<Loaded> {
    let folder = Folder::new();
    folder.file("class/x.jpg", bytes);
    load(folder.path(), &raw())
}

fn bytes_of(loaded: &Loaded) -> Vec<u8> {
    values(loaded).into_iter().map(|value| value as u8).collect()
}

#[test]
fn pixels_are_libjpegs() {
    let more = env::var_os("SHARPDIM_JPEGS").map(PathBuf::from);
    for path in [vectors()].into_iter().chain(more) {
        let (mut wrong, all) = (Vec::new(), jpegs(&path));
        assert!(all.len() > 80);
        for (name, Jpeg { bytes, sum, pixels }) in &all {
            let loaded = load_one(bytes).unwrap_or_else(|error| panic!("{name}: {error}"));
            let got = bytes_of(&loaded);
            if let Some(pixels) = pixels {
                assert_eq!(&got, pixels, "{name}");
            }
            let mut crc = Crc::new();
            crc.update(&got);
            let extents = [loaded.height, loaded.width, loaded.channels].map(|extent| extent as u32);
            if extents != sum[..3] || crc.sum() != sum[3] {
                wrong.push(name);
            }
        }
        assert!(wrong.is_empty(), "{} of {} differ: {wrong:?}", wrong.len(), all.len());
    }
}

#[test]
fn cut_anywhere_is_told() {
    for name in ["gray_17x33", "420_17x33", "progressive_gray", "restarts_420", "410_7x9"] {
        let whole = jpeg(name);
        for len in 1..whole.len() {
            assert_says(load_one(&whole[..len]), &["x.jpg: "]);
        }
        load_one(&whole).unwrap();
    }
}

/// Bits changed at random, in what is small enough for many to be tried: whatever comes of it comes soon, and with no more
/// memory than such a file may claim.
#[test]
fn flipped_bits_are_survived() {
    let threads = rayon::ThreadPoolBuilder::new().num_threads(1).use_current_thread().build().unwrap();
    let names = [
        "gray_7x9",
        "420_17x33",
        "progressive_444",
        "restarts_420",
        "progressive_restarts_420",
        "mixed_17x33",
    ];
    let (mut refused, mut slowest) = (0, Duration::ZERO);
    for (at, name) in names.iter().enumerate() {
        let whole = jpeg(name);
        let random = noise(4 * 5 * 800, at as u32);
        for round in random.chunks_exact(20) {
            let mut flipped = whole.clone();
            for change in round.as_chunks::<4>().0.iter().take(1 + usize::from(round[3]) % 5) {
                let place = u32::from_le_bytes(*change) as usize;
                let bits = 8 * flipped.len();
                flipped[place % bits / 8] ^= 1 << (place % 8);
            }
            let start = Instant::now();
            let (loaded, most) = threads.install(|| largest_request(|| load_one(&flipped)));
            slowest = slowest.max(start.elapsed());
            assert!(most < 1 << 26, "{name}: {most} bytes were asked for at once");
            refused += usize::from(loaded.is_err());
        }
    }
    assert!(slowest < Duration::from_secs(20), "{slowest:?}");
    // Not all that is changed can be told.
    assert!(refused > 4800 / 10, "{refused} refused");
}

/// Where a file's scan begins: behind its last header.
fn scan(bytes: &[u8]) -> usize {
    let at = bytes.windows(2).position(|marker| marker == [0xff, 0xda]).unwrap();
    at + 2 + usize::from(u16::from_be_bytes([bytes[at + 2], bytes[at + 3]]))
}

#[test]
fn damaged_scans_are_refused() {
    let whole = jpeg("gray_50x31");
    let (start, end) = (scan(&whole), whole.len() - 2);
    // Ones are no code.
    let ones = [&whole[..start], &[0xff, 0].repeat(40), &whole[end..]].concat();
    assert_says(load_one(&ones), &["x.jpg: ", "bits that are no code"]);
    // Half of it: the marker comes too early.
    let half = [&whole[..(start + end) / 2], &[0], &whole[end..]].concat();
    assert_says(load_one(&half), &["x.jpg: ", "too few bits for its pixels"]);
    // What stands behind the last pixel does no harm.
    let more = [&whole[..end], &[0; 40], &whole[end..]].concat();
    assert_eq!(bytes_of(&load_one(&more).unwrap()), bytes_of(&load_one(&whole).unwrap()));
    // Nor do images in an application's segment, or anything behind the end.
    let thumbnail = [&[0xff, 0xd8, 0xff, 0xe5, 0, 6, 0xff, 0xd9, 0xff, 0xda], &whole[2..], b"more"].concat();
    assert_eq!(bytes_of(&load_one(&thumbnail).unwrap()), bytes_of(&load_one(&whole).unwrap()));
}

#[test]
fn restarts_out_of_turn_are_refused() {
    let whole = jpeg("restarts_gray");
    let restarts: Vec<usize> = (scan(&whole)..whole.len() - 1)
        .filter(|at| whole[*at] == 0xff && (0xd0..=0xd7).contains(&whole[at + 1]))
        .collect();
    assert_eq!(restarts.len(), 17);
    let mut changed = whole.clone();
    changed[restarts[3] + 1] = 0xd5;
    assert_says(load_one(&changed), &["x.jpg: ", "a restart out of turn"]);
    // The last one is not there.
    let without = [&whole[..restarts[16]], &whole[restarts[16] + 2..]].concat();
    assert_says(load_one(&without), &["x.jpg: ", "before a restart"]);
    let short = [&whole[..restarts[16]], &whole[whole.len() - 2..]].concat();
    assert_says(load_one(&short), &["x.jpg: ", "missing restart markers"]);
    let padded = [&whole[..restarts[5]], &[0x55], &whole[restarts[5]..]].concat();
    assert_says(load_one(&padded), &["x.jpg: ", "before a restart"]);
}

#[test]
fn tables_that_lack_or_lie_are_refused() {
    let whole = jpeg("gray_17x33");
    let place = |marker| whole.windows(2).position(|found| found == [0xff, marker]).unwrap();
    let without = |marker| {
        let at = place(marker);
        let len = 2 + usize::from(u16::from_be_bytes([whole[at + 2], whole[at + 3]]));
        [&whole[..at], &whole[at + len..]].concat()
    };
    assert_says(load_one(&without(0xdb)), &["x.jpg: ", "without a quantisation table"]);
    assert_says(load_one(&without(0xc4)), &["x.jpg: "]);
    let mut changed = whole.clone();
    // Three codes of one bit.
    changed[place(0xc4) + 5] = 3;
    assert_says(load_one(&changed), &["x.jpg: ", "an invalid Huffman table"]);
}

#[test]
fn headers_that_lie_allocate_nothing() {
    let threads = rayon::ThreadPoolBuilder::new().num_threads(1).use_current_thread().build().unwrap();
    // More than an image may have, and more than the bytes there are can hold.
    for (name, extent) in ["gray_17x33", "progressive_420", "mixed_17x33"]
        .iter()
        .flat_map(|name| [(name, 65535u16), (name, 2000)])
    {
        let mut lies = jpeg(name);
        let frame = lies.windows(2).position(|at| at[0] == 0xff && [0xc0, 0xc2].contains(&at[1])).unwrap();
        lies[frame + 5..frame + 9].copy_from_slice([extent.to_be_bytes(); 2].as_flattened());
        let (loaded, most) = threads.install(|| largest_request(|| load_one(&lies)));
        assert_says(loaded, &["x.jpg: ", &format!("claims {extent} x {extent} pixels: more than")]);
        // (The samples' matrix is as large as the shapes say.)
        assert!(extent < 65535 || most < 1 << 20, "{name}: {most} bytes were asked for at once");
    }
}

/// What is not read here goes to the decoder there was before: a progressive image that lacks its last scans.
#[test]
fn other_kinds_are_still_read() {
    let whole = jpeg("progressive_gray");
    let last = whole.windows(2).rposition(|marker| marker == [0xff, 0xda]).unwrap();
    let few = [&whole[..last], &[0xff, 0xd9]].concat();
    let (few, whole) = (load_one(&few).unwrap(), load_one(&whole).unwrap());
    assert_eq!((few.height, few.width, few.channels), (whole.height, whole.width, whole.channels));
    let off = bytes_of(&few).iter().zip(bytes_of(&whole)).map(|(a, b)| u64::from(a.abs_diff(b))).sum::<u64>();
    assert!(off > 0 && off < 20 * bytes_of(&few).len() as u64, "{off}");
}
