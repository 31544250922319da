//! What can be wrong with the archives of the paper's datasets: the message says what is missing, or the row; no path of a table
//! leads out of the archive's folder; nothing panics.

use super::make::*;
use super::named::{of_task, open, path};
use sharpdim::data::{Dataset, Named, NamedOptions, Preprocess, Split};
use std::io::{Cursor, Write};
use std::path::Path;

#[track_caller]
fn says(named: Named, folder: &Folder, words: &[&str]) {
    assert_says(open(named, folder.path()), words);
}

/// What no archive may name: each leads out of its folder, or would on Windows.
const OUT: [&str; 6] = [
    "../../etc/passwd",
    "/etc/passwd",
    "..\\..\\etc\\passwd",
    "a/../../../etc/passwd",
    "\\\\server\\share",
    "..",
];

/// The first sheet of an XLSX file: text where a cell is no number.
fn xlsx(rows: &[&[&str]]) -> Vec<u8> {
    let mut sheet = String::from(
        r#"<worksheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><sheetData>"#,
    );
    for (row, cells) in rows.iter().enumerate() {
        sheet += &format!(r#"<row r="{}">"#, row + 1);
        for (column, cell) in cells.iter().enumerate() {
            let place = format!("{}{}", char::from(b'A' + column as u8), row + 1);
            sheet += &match cell.parse::<f64>() {
                Ok(number) => format!(r#"<c r="{place}"><v>{number}</v></c>"#),
                Err(_) => format!(r#"<c r="{place}" t="inlineStr"><is><t>{cell}</t></is></c>"#),
            };
        }
        sheet += "</row>";
    }
    sheet += "</sheetData></worksheet>";
    book(&sheet)
}

fn book(sheet: &str) -> Vec<u8> {
    let types = r#"<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types"/>"#;
    let main = "http://schemas.openxmlformats.org/spreadsheetml/2006/main";
    let office = "http://schemas.openxmlformats.org/officeDocument/2006/relationships";
    let package = "http://schemas.openxmlformats.org/package/2006/relationships";
    let workbook = format!(
        r#"<workbook xmlns="{main}" xmlns:r="{office}"><sheets><sheet name="S" sheetId="1" r:id="rId1"/></sheets></workbook>"#
    );
    let links = format!(
        r#"<Relationships xmlns="{package}"><Relationship Id="rId1" Type="{office}/worksheet" Target="worksheets/sheet1.xml"/></Relationships>"#
    );
    let root = format!(
        r#"<Relationships xmlns="{package}"><Relationship Id="rId1" Type="{office}/officeDocument" Target="xl/workbook.xml"/></Relationships>"#
    );
    let mut archive = zip::ZipWriter::new(Cursor::new(Vec::new()));
    for (name, content) in [
        ("_rels/.rels", root.as_str()),
        ("[Content_Types].xml", types),
        ("xl/workbook.xml", &workbook),
        ("xl/_rels/workbook.xml.rels", &links),
        ("xl/worksheets/sheet1.xml", sheet),
    ] {
        archive.start_file(name, zip::write::SimpleFileOptions::default()).unwrap();
        archive.write_all(content.as_bytes()).unwrap();
    }
    archive.finish().unwrap().into_inner()
}

#[test]
fn the_wrong_folder() {
    let folder = Folder::new();
    folder.file("holiday.jpg", "");
    for (named, missing) in [
        (Named::Mnist, "train-images-idx3-ubyte.gz is missing"),
        (Named::Cifar10, "data_batch_1.bin is missing"),
        (Named::Svhn, "train_32x32.mat is missing"),
        (Named::ImageNet, "ILSVRC/Data/CLS-LOC/train is missing"),
        (Named::Brats, "*_flair.nii.gz is missing"),
        (Named::Dbc, "Annotation_Boxes.xlsx is missing"),
        (Named::Prostate, "a table *Target*.xlsx is missing"),
        (Named::Rsna, "stage_2_train.csv is missing"),
        (Named::CheXpert, "CheXpert-v1.0/train.csv is missing"),
        (Named::Mura, "MURA-v1.1/train_image_paths.csv is missing"),
        (Named::Oai, "0 is missing"),
        (Named::Isic, "ISIC_2020_Training_GroundTruth.csv is missing"),
    ] {
        let place = folder.path().display().to_string();
        let tree = named.tree();
        says(named, &folder, &[&place, missing, tree, named.source(), "ROOT being this folder"]);
        assert!(tree.starts_with("ROOT/\n") && tree.lines().count() > 2, "{tree}");
        assert_says(open(named, Path::new("/no/such/folder")), &["/no/such/folder", "is not there", tree]);
        assert_says(open(named, &folder.path().join("holiday.jpg")), &["holiday.jpg", "is a file", tree]);
        assert!(missing.starts_with(&named.missing(folder.path()).unwrap()), "{named}");
    }
    // What is missing next.
    for (named, there, missing) in [
        (Named::Mnist, "train-images-idx3-ubyte.gz", "train-labels-idx1-ubyte.gz is missing"),
        (Named::Dbc, "Annotation_Boxes.xlsx", "Breast-Cancer-MRI-filepath_filename-mapping.xlsx is missing"),
        (Named::Dbc, "Breast-Cancer-MRI-filepath_filename-mapping.xlsx", "Duke-Breast-Cancer-MRI is missing"),
        (Named::Prostate, "Target-Data_2019.xlsx", "Prostate-MRI-US-Biopsy is missing"),
        (Named::Rsna, "stage_2_train.csv", "stage_2_train is missing"),
        (Named::Oai, "0/9000001.png", "1 is missing"),
        (Named::Isic, "train.csv", "train is missing"),
        (Named::Brats, "a/b/X_flair.nii.gz", "a/b/X_seg.nii.gz is missing"),
    ] {
        folder.file(there, "");
        says(named, &folder, &[missing, named.tree()]);
    }
    // Of six scores' folders one is there.
    says(Named::Prostate, &folder, &["1 is missing"]);
}

#[test]
fn unknown_names_are_refused() {
    assert_says(
        "imagent".parse::<Named>(),
        &[
            "\"imagent\"",
            "mnist, cifar10, svhn, imagenet, brats, dbc, prostate, rsna, chexpert, mura, oai, isic",
        ],
    );
    let folder = Folder::new();
    for named in Named::ALL {
        let tasks: Vec<&str> = named.tasks().iter().map(|task| task.name).collect();
        let opened = Dataset::open_named(named, folder.path(), &of_task("weather"));
        assert_says(opened, &[named.name(), "\"weather\"", &tasks.join(", ")]);
    }
}

#[test]
fn missing_parts_are_refused() {
    let test = NamedOptions { split: Split::Test, ..NamedOptions::default() };
    for named in [Named::Brats, Named::Dbc, Named::Prostate, Named::Rsna, Named::Oai, Named::Isic] {
        let opened = Dataset::open_named(named, &path(named.name()), &test);
        assert_says(opened, &[named.name(), "one part only", "split it"]);
    }
    let folder = Folder::new();
    folder.file("train.csv", "");
    folder.file("train_image_paths.csv", "");
    folder.file("train/n1/1.JPEG", "");
    for (named, words) in
        [(Named::CheXpert, "valid.csv"), (Named::Mura, "valid_image_paths.csv"), (Named::ImageNet, "val")]
    {
        assert_says(Dataset::open_named(named, folder.path(), &test), &[words]);
    }
}

const BOXES: &str = "Annotation_Boxes.xlsx";
const PATHS: &str = "Breast-Cancer-MRI-filepath_filename-mapping.xlsx";
const NAME: &str = "DICOM_Images/Breast_MRI_001/pre/Breast_MRI_001_pre_003.dcm";

fn dbc(boxes: &[&[&str]], paths: &[&[&str]]) -> Folder {
    let folder = Folder::new();
    folder.file(BOXES, xlsx(boxes));
    folder.file(PATHS, xlsx(paths));
    folder.file("Duke-Breast-Cancer-MRI/Breast_MRI_001/a/b/1-003.dcm", "");
    folder
}

#[test]
fn dbc_tables() {
    let boxes: [&[&str]; 2] = [&["Patient ID", "Start Slice", "End Slice"], &["Breast_MRI_001", "2", "5"]];
    let head: &[&str] = &["original_path_and_filename", "classic_path"];
    let good: &[&str] = &[NAME, "Duke-Breast-Cancer-MRI/Breast_MRI_001/a/b/1-003.dcm"];
    assert_eq!(open(Named::Dbc, dbc(&boxes, &[head, good]).path()).unwrap().labels(), [1]);
    let refused = |boxes: &[&[&str]], words: &[&str]| says(Named::Dbc, &dbc(boxes, &[head, good]), words);
    refused(&[&["Patient ID", "Start", "End Slice"], boxes[1]], &[BOXES, "no column \"Start Slice\""]);
    refused(
        &[boxes[0], boxes[1], &["Breast_MRI_002", "two", "5"]],
        &[BOXES, "row 3", "\"Start Slice\"", "\"two\""],
    );
    refused(&[boxes[0], &["Breast_MRI_002", "2.5", "5"]], &["row 2", "\"2.5\"", "whole number"]);
    refused(
        &[boxes[0], boxes[1], &["Breast_MRI_001", "9", "12"]],
        &["row 3", "\"Breast_MRI_001\"", "a second box"],
    );
    refused(&[boxes[0]], &["no image with a label", "without an annotation box", NAME]);
    refused(&[], &[BOXES, "empty table"]);
    let rows = |row: &[&str], words: &[&str]| says(Named::Dbc, &dbc(&boxes, &[head, row]), words);
    rows(&["x/pre/y_3.dcm", good[1]], &[PATHS, "row 2", "names no patient"]);
    rows(&["Breast_MRI_001/pre.dcm", good[1]], &[PATHS, "row 2", "slice's number"]);
    rows(&["Breast_MRI_001/pre_99999999999999999999.dcm", good[1]], &["row 2", "slice's number"]);
    // So far from the box that it is without cancer.
    let far = dbc(&boxes, &[head, &["Breast_MRI_001/pre_9223372036854775807.dcm", good[1]]]);
    assert_eq!(open(Named::Dbc, far.path()).unwrap().labels(), [0]);
    rows(
        &[NAME, "Duke-Breast-Cancer-MRI/Breast_MRI_001/a/b/1-004.dcm"],
        &["1 left out: a label without an image"],
    );
    rows(&[NAME, ""], &["row 2", "\"\""]);
    for out in OUT {
        rows(&[NAME, out], &[PATHS, "row 2", "no path under the archive's folder"]);
    }
    says(Named::Dbc, &dbc(&boxes, &[head]), &["holds no image with a label"]);
    says(Named::Dbc, &dbc(&boxes, &[&["original_path_and_filename"], &[NAME]]), &["\"classic_path\""]);
    let folder = dbc(&boxes, &[head, good]);
    let whole = xlsx(&[head, good]);
    for len in (0..whole.len()).step_by(97) {
        folder.file(PATHS, &whole[..len]);
        says(Named::Dbc, &folder, &[PATHS]);
    }
}

/// Twelve hundred million spaces that pack to a million bytes.
#[test]
fn an_xlsx_bomb() {
    let folder = Folder::new();
    let mut archive = zip::ZipWriter::new(Cursor::new(Vec::new()));
    for at in 0..12 {
        archive.start_file(format!("xl/{at}.xml"), zip::write::SimpleFileOptions::default()).unwrap();
        for _ in 0..100 {
            archive.write_all(&[b' '; 1_000_000]).unwrap();
        }
    }
    folder.file(BOXES, archive.finish().unwrap().into_inner());
    folder.file(PATHS, xlsx(&[]));
    folder.folder("Duke-Breast-Cancer-MRI");
    let (opened, most) = largest_request(|| open(Named::Dbc, folder.path()));
    assert_says(opened, &[BOXES, "more than 1 GiB"]);
    assert!(most < 1 << 22, "{most} bytes were asked for at once");
}

const SCORE: &str = "UCLA Score (Similar to PIRADS v2)";

fn prostate(rows: &[&[&str]]) -> Folder {
    let folder = Folder::new();
    let head: &[&str] = &["Patient ID", SCORE, "seriesInstanceUID_US"];
    folder.file("Target-Data.xlsx", xlsx(&[&[head], rows].concat()));
    let from = path(
        "prostate/Prostate-MRI-US-Biopsy/Prostate-MRI-US-Biopsy-0001/03-27-2003-NA-PELVIS-1/1.000000-US-1/1-1.dcm",
    );
    folder
        .file("Prostate-MRI-US-Biopsy/Prostate-MRI-US-Biopsy-0001/a/b/1-1.dcm", std::fs::read(from).unwrap());
    folder
}

#[test]
fn prostate_tables() {
    let (patient, uid) = ("Prostate-MRI-US-Biopsy-0001", "1.3.6.1.4.1.14519.1");
    let refused = |row: &[&str], words: &[&str]| says(Named::Prostate, &prostate(&[row]), words);
    assert_eq!(open(Named::Prostate, prostate(&[&[patient, "3", uid]]).path()).unwrap().len(), 4);
    for wrong in ["6", "-1", "2.5", "high", "NaN"] {
        refused(&[patient, wrong, uid], &["Target-Data.xlsx", "row 2", SCORE, "0 to 5"]);
    }
    refused(&[patient, "3", ""], &["1 left out: a target without an ultrasound series", "row 2"]);
    refused(&[patient, "", uid], &["1 left out: a target without a score", "row 2"]);
    refused(&[patient, "3", "1.2"], &["1 left out: a label without an image", "row 2: series 1.2 of"]);
    for out in OUT.into_iter().chain([".", "", "a/b"]) {
        refused(&[out, "3", uid], &["Target-Data.xlsx", "row 2", "no patient's name"]);
    }
    says(Named::Prostate, &prostate(&[]), &["holds no image with a label"]);
    let folder = prostate(&[]);
    folder.file("Target-Data.xlsx", xlsx(&[&["Patient ID", "Score", "seriesInstanceUID_US"]]));
    says(Named::Prostate, &folder, &["no column", SCORE]);
    // No task of scores that there are none of.
    let only = prostate(&[&[patient, "1", uid]]);
    assert_says(
        Dataset::open_named(Named::Prostate, only.path(), &of_task("severe")),
        &["holds no image with a label"],
    );
    // CSV does as well, with 3.0 for 3.
    let folder = prostate(&[]);
    std::fs::remove_file(folder.path().join("Target-Data.xlsx")).unwrap();
    folder.file("Target-Data.csv", format!("Patient ID,{SCORE},seriesInstanceUID_US\n{patient},3.0,{uid}\n"));
    assert_eq!(open(Named::Prostate, folder.path()).unwrap().labels(), [1; 4]);
}

#[test]
fn prostate_dicom_that_is_wrong() {
    let (patient, uid) = ("Prostate-MRI-US-Biopsy-0001", "1.3.6.1.4.1.14519.1");
    let folder = prostate(&[&[patient, "3", uid]]);
    let file = "Prostate-MRI-US-Biopsy/Prostate-MRI-US-Biopsy-0001/a/b/1-1.dcm";
    let whole = std::fs::read(folder.path().join(file)).unwrap();
    // Cut in its header it cannot be opened; cut in its pixels it cannot be loaded.
    for len in [0, 100, 140, 300, whole.len() - 100] {
        folder.file(file, &whole[..len]);
        let opened = open(Named::Prostate, folder.path());
        let loaded = opened.and_then(|dataset| dataset.load(&Preprocess::default(), &|_| {}));
        assert_says(loaded, &["1-1.dcm"]);
    }
    let syntax = b"1.2.840.10008.1.2.1\0";
    let at = whole.windows(syntax.len()).position(|bytes| bytes == syntax).unwrap();
    let mut unknown = whole.clone();
    unknown[at..at + syntax.len()].copy_from_slice(b"1.2.840.10008.1.2.77");
    folder.file(file, unknown);
    let loaded = open(Named::Prostate, folder.path())
        .and_then(|dataset| dataset.load(&Preprocess::default(), &|_| {}));
    assert_says(loaded, &["1-1.dcm", "1.2.840.10008.1.2.77"]);
}

#[test]
fn rsna_tables() {
    let folder = Folder::new();
    folder.file("stage_2_train/ID_a.dcm", "");
    folder.file("ID_b.dcm", "");
    let refused = |table: &str, words: &[&str]| {
        folder.file("stage_2_train.csv", table);
        says(Named::Rsna, &folder, words);
    };
    refused("", &["stage_2_train.csv", "ID and Label are expected"]);
    refused("ID,Label\n", &["holds no image with a label", "an image without a label"]);
    refused("ID,Value\nID_a_any,1\n", &["ID, Value"]);
    refused("ID,Label\nID_a_any,1\nID_a_any,0\n", &["row 3", "another label"]);
    refused("ID,Label\nID_a_any,2\n", &["row 2", "\"2\"", "0 or 1"]);
    refused("ID,Label\nID_a_any,\n", &["row 2", "\"\""]);
    refused("ID,Label\nID_a_stroke,1\n", &["row 2", "\"stroke\"", "any, epidural"]);
    refused("ID,Label\nwhat,1\n", &["row 2", "\"what\""]);
    refused("ID,Label\nID_a_any,1,1\n", &["stage_2_train.csv", "cannot be read"]);
    refused("ID,Label\nID_\u{fffd}_any,1\n", &["left out"]);
    for out in OUT.into_iter().chain(["", ".", "../ID_b", "sub/ID_c"]) {
        refused(&format!("ID,Label\nID_a_any,1\n{out}_any,1\n"), &["row 3", "no image's name"]);
    }
    let (opened, most) = largest_request(|| {
        folder.file("stage_2_train.csv", [&b"ID,Label\n\xff\xfe_any,1\n"[..], &[0; 9]].concat());
        open(Named::Rsna, folder.path())
    });
    assert_says(opened, &["stage_2_train.csv"]);
    assert!(most < 1 << 20, "{most}");
    // It opens, as no file is read; whose it is, and its pixels, are not there.
    folder.file("stage_2_train.csv", "ID,Label\nID_a_any,1\n");
    let dataset = open(Named::Rsna, folder.path()).unwrap();
    assert_says(dataset.origin(0), &["ID_a.dcm", "is empty"]);
    assert_says(dataset.load(&Preprocess::default(), &|_| {}), &["ID_a.dcm", "is empty"]);
}

#[test]
fn chexpert_tables() {
    let folder = Folder::new();
    let image = "train/patient00001/study1/view1_frontal.jpg";
    folder.file(image, "");
    let refused = |table: &str, words: &[&str]| {
        folder.file("train.csv", table);
        says(Named::CheXpert, &folder, words);
    };
    let head = "Path,Sex,Pleural Effusion";
    refused("", &["train.csv", "empty table"]);
    refused(&format!("{head}\n"), &["holds no image with a label", "an image without a label"]);
    refused(
        "Path,Sex,Pleural Efusion\n",
        &["no column \"Pleural Effusion\"", "nearest is \"Pleural Efusion\""],
    );
    for wrong in ["2", "yes", "-2", "1.5", "nan"] {
        refused(
            &format!("{head}\nC/{image},F,1.0\nC/{image},F,{wrong}\n"),
            &["train.csv", "row 3", "\"Pleural Effusion\"", wrong],
        );
    }
    refused(&format!("{head}\nC/{image}\n"), &["row 2 has 1 cells"]);
    refused(&format!("{head}\nC/train/nobody.jpg,F,1\n"), &["a label without an image", "row 2"]);
    for out in OUT.into_iter().chain(["", "."]) {
        refused(
            &format!("{head}\n\"{out}\",F,1\n"),
            &["train.csv", "row 2", "no path under the archive's folder"],
        );
    }
    assert_says(
        Dataset::open_named(Named::CheXpert, folder.path(), &of_task("edema")),
        &["no column \"Edema\""],
    );
}

#[test]
fn mura_tables() {
    let folder = Folder::new();
    folder.file("train/XR_HAND/patient00001/study1_positive/image1.png", "");
    let refused = |table: &str, words: &[&str]| {
        folder.file("train_image_paths.csv", table);
        says(Named::Mura, &folder, words);
    };
    refused("", &["holds no image with a label", "an image without a label"]);
    let start = "MURA-v1.1/train/XR_HAND/patient00001";
    for wrong in ["study1", "study1_maybe", "image1.png"] {
        refused(
            &format!("{start}/study1_positive/image1.png\n\n{start}/{wrong}/image1.png\n"),
            &["train_image_paths.csv", "row 3", "study<N>_positive"],
        );
    }
    for out in OUT.into_iter().chain(["M/train/study1_positive/../../../../etc/passwd"]) {
        refused(
            &format!("{out}\n"),
            &["train_image_paths.csv", "row 1", "no path under the archive's folder"],
        );
    }
    folder.file("train_image_paths.csv", b"\xff\xfe");
    says(Named::Mura, &folder, &["train_image_paths.csv", "not UTF-8"]);
}

#[test]
fn isic_tables() {
    let folder = Folder::new();
    folder.file("train/ISIC_1.jpg", "");
    let refused = |table: &str, words: &[&str]| {
        folder.file("train.csv", table);
        says(Named::Isic, &folder, words);
    };
    let head = "image_name,patient_id,target";
    refused("", &["train.csv", "empty table"]);
    refused(&format!("{head}\n"), &["holds no image with a label"]);
    refused("image_name,patient_id\n", &["no column \"target\""]);
    for wrong in ["", "2", "malignant", "0.5"] {
        refused(&format!("{head}\nISIC_1,IP_1,{wrong}\n"), &["train.csv", "row 2", "\"target\"", "0 or 1"]);
    }
    refused(&format!("{head}\nISIC_2,IP_1,1\n"), &["a label without an image", "row 2: ISIC_2"]);
    for out in OUT.into_iter().chain(["", ".", "a/b"]) {
        refused(&format!("{head}\n\"{out}\",IP_1,1\n"), &["train.csv", "row 2", "no image's name"]);
    }
}

/// A NIfTI-1 file of 8-bit voxels, whatever its header claims.
fn nifti(claims: [i16; 3], values: &[u8]) -> Vec<u8> {
    let mut head = vec![0; 352];
    head[..4].copy_from_slice(&348i32.to_le_bytes());
    let dims = [3, claims[0], claims[1], claims[2], 1, 1, 1, 1];
    head[40..56].copy_from_slice(&dims.map(i16::to_le_bytes).concat());
    head[70..72].copy_from_slice(&2i16.to_le_bytes());
    head[72..74].copy_from_slice(&8i16.to_le_bytes());
    head[108..112].copy_from_slice(&352f32.to_le_bytes());
    head[112..116].copy_from_slice(&1f32.to_le_bytes());
    head[344..348].copy_from_slice(b"n+1\0");
    [&head, values].concat()
}

#[test]
fn brats_volumes_that_are_wrong() {
    let folder = Folder::new();
    let threads = rayon::ThreadPoolBuilder::new().num_threads(1).use_current_thread().build().unwrap();
    let refused = |flair: Vec<u8>, seg: Vec<u8>, words: &[&str]| {
        folder.file("P/P_flair.nii.gz", flair);
        folder.file("P/P_seg.nii.gz", seg);
        let (opened, most) = threads.install(|| largest_request(|| open(Named::Brats, folder.path())));
        assert_says(opened, words);
        assert!(most < 1 << 20, "{words:?}: {most} bytes were asked for at once");
    };
    let good = || gz(&nifti([4, 5, 6], &[1; 120]));
    refused(good(), good(), &["holds no image with a label"]);
    refused(good(), gz(&nifti([4, 5, 7], &[1; 140])), &["P_seg.nii.gz", "4 x 5 x 7", "4 x 5 x 6"]);
    refused(good(), gz(&nifti([5, 4, 6], &[1; 120])), &["P_seg.nii.gz", "5 x 4 x 6", "4 x 5 x 6"]);
    refused(good(), vec![], &["P_seg.nii.gz"]);
    refused(gz(&nifti([4, 5, 6], &[1; 119])), good(), &["P_flair.nii.gz", "4 x 5 x 6"]);
    refused(gz(&nifti([4, 5, 6], &[1; 121])), good(), &["P_flair.nii.gz", "more follow"]);
    refused(
        gz(&nifti([30000, 30000, 30000], &[1; 120])),
        good(),
        &["P_flair.nii.gz", "30000 x 30000 x 30000"],
    );
    refused(gz(&nifti([0, 5, 6], &[])), good(), &["P_flair.nii.gz", "dimension of 0"]);
    refused(gz(&nifti([-4, 5, 6], &[])), good(), &["P_flair.nii.gz", "dimension of -4"]);
    refused(gz(b"no volume"), good(), &["P_flair.nii.gz"]);
    refused(good()[..40].to_vec(), good(), &["P_flair.nii.gz", "damaged or cut short"]);
    // A hundred million zeros after a volume that claims 120 bytes.
    refused(gz(&nifti([4, 5, 6], &vec![0; 100_000_000])), good(), &["P_flair.nii.gz", "more follow"]);
    std::fs::remove_file(folder.path().join("P/P_seg.nii.gz")).unwrap();
    says(Named::Brats, &folder, &["P/P_seg.nii.gz is missing", "ROOT/"]);
    let told = Named::Brats.missing(folder.path()).unwrap();
    assert!(told.ends_with("P_seg.nii.gz"), "{told}");
}

#[cfg(unix)]
#[test]
fn links_in_a_loop() {
    use std::os::unix::fs::symlink;
    let folder = Folder::new();
    folder.file("train.csv", "Path,Pleural Effusion\nC/train/patient1/study1/1.jpg,1\n");
    folder.file("train/patient1/study1/1.jpg", "");
    symlink(folder.path().join("train"), folder.path().join("train/patient1/again")).unwrap();
    says(Named::CheXpert, &folder, &["again", "link to a folder that holds it"]);

    let folder = Folder::new();
    folder.file("HGG/P/P_flair.nii.gz", "");
    symlink(folder.path(), folder.path().join("HGG/again")).unwrap();
    says(Named::Brats, &folder, &["again", "link to a folder that holds it"]);

    let folder = prostate(&[&["Prostate-MRI-US-Biopsy-0001", "3", "1.3"]]);
    let patient = folder.path().join("Prostate-MRI-US-Biopsy/Prostate-MRI-US-Biopsy-0001");
    symlink(&patient, patient.join("a/again")).unwrap();
    // Patients are walked to a depth of two: no loop is gone into.
    says(Named::Prostate, &folder, &["1.3"]);
}
