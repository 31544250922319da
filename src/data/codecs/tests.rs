//! Tests of the codecs on files that other programs wrote, as the named datasets have them:
//! `tests/vectors/native.py` makes them. Files damaged at random are answered, never panicked on.

use super::dicom::{Dicom, Header};
use super::nifti::Volume;
use super::npz::{self, Npz};
use super::table::Table;
use crate::Result;
use crate::data::formats::{Format, Svhn};
use crate::data::found::Split;
use crate::data::image::Values;
use flate2::{Compression, write::GzEncoder};
use std::fs;
use std::io::{Cursor, Write};
use std::path::{Path, PathBuf};

fn path(name: &str) -> PathBuf {
    [env!("CARGO_MANIFEST_DIR"), "tests/vectors/native", name].iter().collect()
}

fn file(name: &str) -> Vec<u8> {
    fs::read(path(name)).unwrap()
}

/// An array of the vectors.
fn array<T: npz::Value>(name: &str) -> Vec<T> {
    Npz::open(path("expected.npz")).array(name).unwrap().values()
}

/// Reads bytes as a file of that name.
fn with<T>(name: &str, bytes: impl AsRef<[u8]>, read: impl Fn(&Path) -> Result<T>) -> Result<T> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(name);
    fs::write(&path, bytes).unwrap();
    read(&path)
}

#[track_caller]
fn says<T>(result: Result<T>, words: &[&str]) {
    let Err(error) = result else { panic!("no error, where one with {words:?} is due") };
    let message = error.to_string();
    for word in words {
        assert!(message.contains(word), "{word:?} is not in the message: {message}");
    }
}

#[test]
fn dicom_headers() {
    for name in
        ["u16.dcm", "implicit.dcm", "deflated.dcm", "big.dcm", "bare.dcm", "no_preamble.dcm", "rle_u16.dcm"]
    {
        let header = Header::read(&path(name)).unwrap();
        let text = [&header.patient_id, &header.study_uid, &header.series_uid, &header.series_description];
        assert_eq!(text, ["PAT-7", "1.2.3", "1.2.3.4", "ax dyn pre"], "{name}");
        assert_eq!(header.instance_number, Some(12));
        assert_eq!((header.frames, header.rows, header.columns), (1, 20, 17));
        assert_eq!(header.sop_instance_uid, "1.2.3.4.5");
    }
    let header = Header::read(&path("jpeg_frames.dcm")).unwrap();
    assert_eq!((header.frames, header.transfer_syntax.as_str()), (5, "1.2.840.10008.1.2.4.50"));
    // Pixels that cannot be read are no matter.
    assert_eq!(Header::read(&path("jpeg2000.dcm")).unwrap().rows, 64);
    says(Header::read(&path("boxes.xlsx")), &["is no DICOM file"]);
}

#[test]
fn dicom_headers_of_files_longer_than_is_read_at_first() {
    // Private elements of 100 kB, before the patient's.
    let whole = file("u16.dcm");
    let at = whole.windows(4).position(|bytes| bytes == [0x10, 0, 0x20, 0]).unwrap();
    let long = [&[0x09, 0, 0x10, 0x10][..], b"OB\0\0", &100_000u32.to_le_bytes(), &[7; 100_000]].concat();
    let longer = [&whole[..at], &long, &whole[at..]].concat();
    with("x.dcm", &longer, |path| {
        assert_eq!(Header::read(path)?.patient_id, "PAT-7");
        assert!(Dicom::open(path).is_ok());
        Ok(())
    })
    .unwrap();
}

#[test]
fn dicom_frames_one_by_one() {
    for name in
        ["frames.dcm", "rle_frames.dcm", "lossless_frames.dcm", "jpeg_frames.dcm", "jpeg_fragments.dcm"]
    {
        let expected: Vec<u8> = array(name);
        let dicom = Dicom::open(&path(name)).unwrap();
        for at in [4, 0, 3, 1, 2] {
            let image = dicom.frame(at).unwrap();
            let Values::U8(values) = image.values else { panic!("{name} is not of bytes") };
            assert_eq!(values[..], expected[at * 99..(at + 1) * 99], "{name}, frame {at}");
            assert!(image.shape.more);
        }
        says(dicom.frame(5), &[name, "has no frame 5", "5 frames are counted from 0"]);
    }
}

/// A file with other bytes in place of the first that are these.
fn changed(name: &str, from: &[u8], to: &[u8]) -> Vec<u8> {
    let mut bytes = file(name);
    let at = bytes.windows(from.len()).position(|found| found == from).unwrap();
    bytes.splice(at..at + from.len(), to.iter().copied());
    bytes
}

#[test]
fn dicom_that_is_wrong() {
    let first = |bytes: Vec<u8>, words: &[&str]| {
        says(with("x.dcm", bytes, |path| Dicom::open(path)?.frame(0)), &[&["x.dcm: "], words].concat());
    };
    let syntax = |uid: &[u8; 20]| changed("u16.dcm", b"1.2.840.10008.1.2.1\0", uid);
    first(syntax(b"1.2.840.10008.1.2.9\0"), &["1.2.840.10008.1.2.9", "not known here", "gdcmconv"]);
    first(
        syntax(b"1.2.840.10008.1.2.5\0"),
        &["has uncompressed pixels, where its transfer syntax says compressed"],
    );
    first(
        changed("jpeg2000.dcm", b".4.90", b".4.80"),
        &["JPEG-LS Lossless (1.2.840.10008.1.2.4.80)", "gdcmconv"],
    );
    first(b"hello, this is no such file".to_vec(), &["is no DICOM file"]);
    first(file("u16.dcm")[..132].to_vec(), &["is no DICOM file"]);
    first(file("u16.dcm")[..800].to_vec(), &["is cut short"]);
    let pixels = b"\xe0\x7f\x10\0OW\0\0";
    let at = file("u16.dcm").windows(8).position(|bytes| bytes == pixels).unwrap();
    first(file("u16.dcm")[..at].to_vec(), &["has no pixels"]);

    // Of (0028,01..), the bits.
    let us =
        |element: u8, value: u16| [&[0x28, 0, element, 1][..], b"US\x02\0", &value.to_le_bytes()].concat();
    let rows = |value| {
        changed(
            "u16.dcm",
            b"\x28\0\x10\0US\x02\0\x14\0",
            &[b"\x28\0\x10\0US\x02\0", &u16::to_le_bytes(value)[..]].concat(),
        )
    };
    first(rows(0), &["claims an image of 0 x 17 pixels"]);
    first(rows(60_000), &["claims 1 frames of 60000 x 17 pixels, 2040000 bytes each", "has 680"]);
    let bits = |element, from, to| changed("u16.dcm", &us(element, from), &us(element, to));
    first(bits(0, 16, 12), &["values of 12 bits: those in 8 and in 16 bits"]);
    first(bits(0, 16, 32), &["values of 32 bits"]);
    first(bits(1, 12, 0), &["claims values of 0 bits"]);
    first(bits(1, 12, 17), &["claims values of 17 bits"]);
    first(bits(2, 11, 16), &["with high bit 16"]);
    first(changed("frames.dcm", b"IS\x02\x005 ", b"IS\x02\x00-1"), &["claims \"-1\" frames"]);
    first(changed("frames.dcm", b"IS\x02\x005 ", b"IS\x02\x006 "), &["claims 6 frames of 9 x 11", "has 496"]);
    first(changed("jpeg_frames.dcm", b"IS\x02\x005 ", b"IS\x02\x004 "), &["claims 4 frames", "5 fragments"]);
    first(changed("u16.dcm", b"MONOCHROME2 ", b"MONOCHROMES "), &["MONOCHROMES", "MONOCHROME1"]);
    first(changed("ct.dcm", b"-1024 ", b"nan   "), &["rescale intercept \"nan\""]);
    first(changed("half.dcm", b"DS\x04\x000.5 ", b"DS\x04\x000.0 "), &["rescale slope 0"]);

    // Packed data that lie: of another size, cut short, or none.
    for name in ["jpeg_gray.dcm", "lossless_u16.dcm", "rle_u16.dcm"] {
        let whole = file(name);
        let from = whole.windows(4).rposition(|bytes| bytes == [0xfe, 0xff, 0, 0xe0]).unwrap();
        let len = u32::from_le_bytes(*whole[from + 4..].first_chunk().unwrap()) as usize;
        for kept in (0..len).step_by(37).filter(|kept| kept + 37 < len) {
            let item = [&[0xfe, 0xff, 0, 0xe0][..], &(kept as u32).to_le_bytes(), &whole[from + 8..][..kept]]
                .concat();
            let cut = [&whole[..from], &item, &[0xfe, 0xff, 0xdd, 0xe0, 0, 0, 0, 0]].concat();
            first(cut, &[]);
        }
    }
    first(
        changed("jpeg_gray.dcm", &[0xff, 0xc0, 0, 11, 8, 0, 20], &[0xff, 0xc0, 0, 11, 8, 0xff, 0xff]),
        &["20 x 17 pixels", "65535 x 17"],
    );
    first(
        changed("process14_1.dcm", &[0xff, 0xc3, 0, 11, 16], &[0xff, 0xc1, 0, 11, 12]),
        &["SOF1", "12 bits"],
    );
}

/// A million sequences, each in the other.
#[test]
fn dicom_nested_without_end() {
    let start = &file("u16.dcm")[..132];
    let meta = b"\x02\0\x10\0UI\x14\x001.2.840.10008.1.2.1\0";
    let level =
        [&[0x08, 0, 0x40, 0x11][..], b"SQ\0\0\xff\xff\xff\xff\xfe\xff\0\xe0\xff\xff\xff\xff"].concat();
    let bytes = [start, meta, &level.repeat(1_000_000)].concat();
    says(with("x.dcm", bytes, Dicom::open), &["is cut short"]);
}

#[test]
fn nifti_as_nibabel_reads_it() {
    let kinds = ["u1", "i1", "i2", "u2", "i4", "u4", "f4", "f8"].map(|kind| format!("{kind}.nii"));
    let others = ["scaled.nii.gz", "big.nii", "two.nii.gz", "one_time.nii"].map(String::from);
    for name in kinds.iter().chain(&others) {
        // (x, y, z), z fastest.
        let expected: Vec<f64> = array(name);
        let volume = Volume::open(&path(name)).unwrap();
        assert_eq!(volume.dims, [5, 4, 3], "{name}");
        for z in 0..3 {
            let slice: Vec<f32> = (0..20).map(|at| expected[at * 3 + z] as f32).collect();
            assert_eq!(volume.slice(z).unwrap(), slice, "{name}, slice {z}");
        }
        assert!(volume.slice(3).is_none() && volume.slice(usize::MAX).is_none());
        assert_eq!(volume.values().len(), 60);
        assert_eq!(volume.values()[1], expected[12] as f32);
    }
}

fn gz(content: &[u8]) -> Vec<u8> {
    let mut gz = GzEncoder::new(Vec::new(), Compression::best());
    gz.write_all(content).unwrap();
    gz.finish().unwrap()
}

#[test]
fn nifti_that_is_wrong() {
    let refused = |bytes: &[u8], words: &[&str]| {
        says(with("x.nii", bytes, Volume::open), words);
        says(with("x.nii.gz", gz(bytes), Volume::open), words);
    };
    let whole = file("i2.nii");
    let with_short = |at: usize, value: i16| {
        let mut bytes = whole.clone();
        bytes[at..at + 2].copy_from_slice(&value.to_le_bytes());
        bytes
    };
    refused(&whole[..whole.len() - 1], &["5 x 4 x 3 voxels of 2 bytes: 120 bytes", "119 follow"]);
    refused(&[&whole[..], b"x"].concat(), &["120 bytes", "follow the header"]);
    refused(&whole[..200], &["ends after 196 of the 344 bytes"]);
    refused(&whole[..350], &["ends before byte 352, where its values begin"]);
    refused(b"not a volume", &["is no NIfTI volume"]);
    refused(&with_short(70, 128), &["datatype 128"]);
    refused(&with_short(40, 9), &["claims 9 dimensions"]);
    refused(&with_short(42, -5), &["a dimension of -5 voxels"]);
    let mut lies = whole.clone();
    (42..48).step_by(2).for_each(|at| lies[at..at + 2].copy_from_slice(&i16::MAX.to_le_bytes()));
    refused(&lies, &["32767 x 32767 x 32767", "more than its"]);
    let mut far = whole.clone();
    far[108..112].copy_from_slice(&1e30f32.to_le_bytes());
    refused(&far, &["values begin at byte 1000000"]);
    let mut nan = file("f4.nii");
    let last = nan.len() - 4;
    nan[last..].copy_from_slice(&f32::NAN.to_le_bytes());
    refused(&nan, &["NaN at voxel (4, 3, 2)", "finite"]);
    says(Volume::open(&path("times.nii.gz")), &["holds 2 volumes"]);
    // A hundred million zeros, of which the header claims a few.
    let bomb = gz(&[&whole[..], &vec![0; 100_000_000]].concat());
    says(with("x.nii.gz", bomb, Volume::open), &["120 bytes, but more follow"]);
}

#[test]
fn tables_of_text() {
    let csv = "\u{feff} Path ,\"Pleural\r\nEffusion\",Sex\na/b.jpg,1.0,\n\n\"c,\nd\",-1.0,\"\"\"x\"\"\"\n";
    with("x.csv", csv, |path| {
        let table = Table::open(path, b',')?;
        let columns = [table.column("Path")?, table.column("Pleural Effusion")?, table.column("Sex")?];
        let rows: Vec<_> =
            table.rows().map(|row| (row.number(), columns.map(|column| row.cell(column)))).collect();
        assert_eq!(rows, [(3, ["a/b.jpg", "1.0", ""]), (5, ["c, d", "-1.0", "\"x\""])]);
        let row = table.rows().next().unwrap();
        assert!(table.wrong(row, "is odd").to_string().ends_with("x.csv: row 3: is odd"));
        says(
            table.column("pleural efusion"),
            &[
                "x.csv",
                "no column \"pleural efusion\"",
                "nearest is \"Pleural Effusion\"",
                "of its 3: \"Path\", \"Pleural Effusion\", \"Sex\"",
            ],
        );
        Ok(())
    })
    .unwrap();
    with("kxr.txt", "ID|SIDE|V00XRKL\n9000099|1|\n", |path| {
        let table = Table::open(path, b'|')?;
        assert_eq!(table.rows().next().unwrap().cell(table.column("ID")?), "9000099");
        Ok(())
    })
    .unwrap();
    let refused = |csv: &str, words: &[&str]| says(with("x.csv", csv, |path| Table::open(path, b',')), words);
    refused("", &["is an empty table"]);
    refused("a,b\n1,2\n1,2,3\n", &["row 3 has 3 cells", "header has 2 columns"]);
    refused("a,b\n1|2\n", &["row 2 has 1 cells", "delimited by ','"]);
    with("x.csv", "a,a\n", |path| {
        says(Table::open(path, b',')?.column("a"), &["more than one column \"a\""]);
        Ok(())
    })
    .unwrap();
}

#[test]
fn tables_of_sheets() {
    let table = Table::open(&path("boxes.xlsx"), b',').unwrap();
    let columns = ["Patient ID", "Start Slice", "End Slice", "Score", "When", "Flag"]
        .map(|name| table.column(name).unwrap());
    let rows: Vec<_> =
        table.rows().map(|row| (row.number(), columns.map(|column| row.cell(column)))).collect();
    let expected = [
        (2, ["Breast_MRI_001", "5", "12", "2.5", "", "TRUE"]),
        (4, ["Breast_MRI_002", "7", "1234567890123", "#DIV/0!", "2020-01-31 12:30:00", "FALSE"]),
    ];
    assert_eq!(rows, expected);
    says(table.column("Patient"), &["boxes.xlsx", "nearest is"]);
    let other = Table::open_sheet(&path("boxes.xlsx"), b',', Some("Other")).unwrap();
    assert_eq!(other.rows().map(|row| row.cell(other.column("A").unwrap())).collect::<Vec<_>>(), ["only"]);
    says(Table::open_sheet(&path("boxes.xlsx"), b',', Some("None")), &["no sheet \"None\"", "Boxes, Other"]);
    let whole = file("boxes.xlsx");
    says(with("x.xlsx", &whole[..whole.len() / 2], |path| Table::open(path, b',')), &["not a readable XLSX"]);
}

/// An archive of these files.
fn zipped(members: &[(&str, &[u8])]) -> Vec<u8> {
    let mut archive = zip::ZipWriter::new(Cursor::new(Vec::new()));
    for (name, content) in members {
        archive.start_file(*name, zip::write::SimpleFileOptions::default()).unwrap();
        archive.write_all(content).unwrap();
    }
    archive.finish().unwrap().into_inner()
}

#[test]
fn sheets_that_are_wrong() {
    let refused =
        |bytes: Vec<u8>, words: &[&str]| says(with("x.xlsx", bytes, |path| Table::open(path, b',')), words);
    refused(
        zipped(&[("xl/sharedStrings.xml", br#"<sst uniqueCount = "99999999999999">"#)]),
        &["claims 99999999999999 strings"],
    );
    refused(zipped(&[("x", b"y")]), &["cannot be read as XLSX"]);
    // 1.2 GiB of zeros in 1.2 MB.
    let zeros = vec![0; 100 << 20];
    let names: Vec<String> = (0..12).map(|at| at.to_string()).collect();
    let members: Vec<(&str, &[u8])> = names.iter().map(|name| (name.as_str(), &zeros[..])).collect();
    refused(zipped(&members), &["unpacks to more than 1 GiB"]);
}

/// Every file, cut at many lengths and with bits flipped: an answer, whatever it is.
#[test]
fn damaged_files_do_not_panic() {
    let mut state = 88_172_645_463_325_252u64;
    let mut next = |below: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state as usize % below
    };
    let folder = tempfile::tempdir().unwrap();
    for entry in fs::read_dir(path("")).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        let whole = file(&name);
        let at = folder.path().join(&name);
        let answers = |bytes: &[u8]| {
            fs::write(&at, bytes).unwrap();
            match name.rsplit_once('.').unwrap().1 {
                "dcm" => {
                    let _ = Header::read(&at);
                    let frames = Dicom::open(&at)
                        .and_then(|dicom| (0..3).try_for_each(|at| dicom.frame(at).map(drop)));
                    // A decoder that panicked would say so.
                    assert!(!frames.is_err_and(|error| error.to_string().contains("panicked")), "{name}");
                }
                "mat" => drop(Svhn.open_file(&at, Split::Train)),
                "xlsx" => drop(Table::open(&at, b',')),
                "npz" => {}
                _ => drop(Volume::open(&at)),
            }
        };
        for len in (0..whole.len()).step_by(1 + whole.len() / 100) {
            answers(&whole[..len]);
        }
        for _ in 0..200 {
            let mut bytes = whole.clone();
            for _ in 0..1 + next(3) {
                let at = next(bytes.len());
                bytes[at] ^= 1 << next(8);
            }
            answers(&bytes);
        }
    }
}

/// Damaged in every byte once, and cut short everywhere: an error or other pixels, and never the end of the process.
#[test]
fn jpeg_2000_that_is_wrong() {
    let siz =
        file("jpeg2000_u12.dcm").windows(4).position(|bytes| bytes == [0xff, 0x4f, 0xff, 0x51]).unwrap();
    let first = |bytes: &[u8]| with("x.dcm", bytes, |path| Dicom::open(path)?.frame(0).map(|_| ()));
    let whole = file("jpeg2000_u12.dcm");
    let put = |at: usize, bytes: &[u8]| {
        let mut changed = whole.clone();
        changed[siz + 4 + at..][..bytes.len()].copy_from_slice(bytes);
        changed
    };
    let wide = |value: u32| value.to_be_bytes();
    says(first(&put(4, &wide(0x7fff_ffff))), &["x.dcm: ", "says 40 x 33 pixels", "40 x 2147483647 of 1"]);
    says(first(&put(8, &wide(39))), &["39 x 33 of 1"]);
    says(first(&put(20, &wide(0))), &["without a whole header"]);
    says(first(&put(20, &[wide(1), wide(1)].concat())), &["of the 1320 tiles", "1 are there"]);
    says(first(&put(36, &[0, 3])), &["40 x 33 of 3"]);
    says(first(&put(38, &[16])), &["values of 16 bits", "17"]);
    says(first(&put(39, &[2])), &["subsampled"]);
    let (mut failed, mut decoded) = (0, 0);
    for name in ["jpeg2000_u12.dcm", "jpeg2000_rgb.dcm"] {
        let whole = file(name);
        let start = whole.windows(4).position(|bytes| bytes == [0xff, 0x4f, 0xff, 0x51]).unwrap();
        for at in start..whole.len() {
            for flip in [0x01, 0x80, 0xff] {
                let mut damaged = whole.clone();
                damaged[at] ^= flip;
                match first(&damaged) {
                    Ok(()) => decoded += 1,
                    Err(_) => failed += 1,
                }
            }
        }
        for len in start..whole.len() {
            failed += usize::from(first(&whole[..len]).is_err());
        }
    }
    println!("{failed} refused, {decoded} decoded");
    assert!(failed > 1000);
}
