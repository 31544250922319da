"""Makes small archives in the layouts of the paper's datasets for tests/data/named.rs, with the writers of pydicom,
nibabel, SciPy, openpyxl and Pillow.

    python3 -m venv /tmp/venv && /tmp/venv/bin/pip install numpy scipy pydicom nibabel openpyxl pillow scikit-image
    /tmp/venv/bin/python tests/vectors/named.py

The trees go to tests/vectors/named; expected.json has which of their images each task takes, with labels, patients and
what is left out; expected.npz each image after the paper's steps, in NumPy, SciPy and scikit-image. Between steps values are
64-bit floats, but for one: a volume's values between 0 and 255 are rounded to 32-bit floats, as the reader keeps them.
"""

import csv
import gzip
import json
import shutil
import struct
import warnings
from pathlib import Path

import nibabel
import numpy as np
import openpyxl
import pydicom
import scipy.io
import scipy.ndimage
import skimage.measure
import skimage.morphology
from PIL import Image
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian

# Of scikit-image for names that it will change, and of pydicom for UIDs that are made up.
warnings.simplefilter("ignore")
HERE = Path(__file__).parent / "named"
shutil.rmtree(HERE, ignore_errors=True)
cases, pixels = {}, {}


def case(name, dataset, folder, task, images, classes=("negative", "positive"), left_out=(), split="train", notes=()):
    """What a task takes: of each image its name, label, patient, study and slice. `notes` are words that some note has."""
    keys = ["name", "label", "patient", "study", "slice"]
    images = [{key: value for key, value in zip(keys, image) if value is not None} for image in images]
    cases[name] = dict(dataset=dataset, folder=folder, task=task, split=split, classes=list(classes), images=images,
                       left_out=list(left_out), notes=list(notes))


def expect(folder, split, of):
    """The images of a folder after the paper's steps, by their names."""
    names = sorted(of)
    key = f"{folder}.{split}"
    pixels[key] = np.stack([of[name] for name in names]).astype("u1")
    (HERE / "names").mkdir(exist_ok=True, parents=True)
    (HERE / "names" / f"{key}.json").write_text(json.dumps(names, indent=0))


def to_bytes(values, inverted=False):
    """slice * 255 / max(slice), cut off to 8 bits; MONOCHROME1 inverted afterwards. What is below 0 counts as 0."""
    values = np.maximum(np.asarray(values, "f8"), 0)
    top = values.max()
    out = (values * 255 / top if top > 0 else values).astype("u1")
    return 255 - out if inverted else out


def file(path):
    path = HERE / path
    path.parent.mkdir(parents=True, exist_ok=True)
    return path


def waves(rows, columns, top, shift=0):
    y, x = np.mgrid[:rows, :columns]
    return np.clip((0.5 + 0.3 * np.sin((x + shift) / 3) + 0.15 * np.cos(y / 4 + shift)) * top, 0, top)


def blocks(rows, columns, shift, channels=1):
    """Blocks of 8 x 8 pixels of one value: JPEG keeps gray ones as they are."""
    values = np.random.default_rng(shift).integers(5, 230, (rows // 8, columns // 8, channels))
    return values.repeat(8, 0).repeat(8, 1).astype("u1").squeeze()


def table(path, rows):
    book = openpyxl.Workbook()
    for row in rows:
        book.active.append(row)
    book.save(file(path))


def comma(path, rows):
    with open(file(path), "w", newline="") as out:
        csv.writer(out).writerows(rows)


def dicom(path, values, patient, study, series, number=None, **elements):
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.4"
    meta.MediaStorageSOPInstanceUID = f"{series}.{number or 0}"
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    ds = Dataset()
    ds.file_meta = meta
    ds.SOPClassUID = meta.MediaStorageSOPClassUID
    ds.SOPInstanceUID = meta.MediaStorageSOPInstanceUID
    ds.StudyDate = "19900101"
    ds.Modality = "MR"
    ds.PatientName = patient
    ds.PatientID = patient
    ds.StudyInstanceUID = study
    ds.SeriesInstanceUID = series
    if number is not None:
        ds.InstanceNumber = number
    ds.SamplesPerPixel = 1
    ds.PhotometricInterpretation = "MONOCHROME2"
    ds.Rows, ds.Columns = values.shape[-2:]
    if values.ndim == 3:
        ds.NumberOfFrames = len(values)
    ds.BitsAllocated = 8 * values.dtype.itemsize
    ds.BitsStored = elements.pop("BitsStored", ds.BitsAllocated)
    ds.HighBit = ds.BitsStored - 1
    ds.PixelRepresentation = int(values.dtype.kind == "i")
    for name, value in elements.items():
        setattr(ds, name, value)
    ds.PixelData = values.tobytes() + b"\0" * (values.nbytes % 2)
    ds["PixelData"].VR = "OB" if ds.BitsAllocated == 8 else "OW"
    ds.save_as(file(path), enforce_file_format=True)
    # What is checked against is what pydicom reads back.
    return pydicom.dcmread(HERE / path).pixel_array


def mnist():
    for part, count in [("train", 12), ("t10k", 4)]:
        values = np.stack([waves(28, 28, 200, shift).astype("u1") // 40 * 40 for shift in range(count)])
        labels = np.arange(count) * 7 % 10
        with gzip.open(file(f"mnist/{part}-images-idx3-ubyte.gz"), "wb") as out:
            out.write(struct.pack(">4I", 2051, count, 28, 28) + values.tobytes())
        with gzip.open(file(f"mnist/{part}-labels-idx1-ubyte.gz"), "wb") as out:
            out.write(struct.pack(">2I", 2049, count) + labels.astype("u1").tobytes())
        split = {"train": "train", "t10k": "test"}[part]
        names = [f"{part}-images-idx3-ubyte.gz#{at}" for at in range(count)]
        digits = sorted(set(labels.tolist()))
        images = [(name, digits.index(label)) for name, label in zip(names, labels)]
        case(f"mnist.{split}", "mnist", "mnist", "classes", images, [str(digit) for digit in digits], split=split)
        expect("mnist", split, dict(zip(names, map(to_bytes, values))))


def cifar10():
    classes = "airplane automobile bird cat deer dog frog horse ship truck".split()
    file("cifar10/batches.meta.txt").write_text("\n".join(classes) + "\n")
    for split, files in [("train", [f"data_batch_{at}.bin" for at in range(1, 6)]), ("test", ["test_batch.bin"])]:
        images, of = [], {}
        for at, name in enumerate(files):
            label = (at * 3 + 4) % 10
            value = np.stack([waves(32, 32, 255, at + c) for c in range(3)], -1).astype("u1") // 50 * 50
            # Planes of red, green and blue.
            (HERE / f"cifar10/{name}").write_bytes(bytes([label]) + value.transpose(2, 0, 1).tobytes())
            images.append((f"{name}#0", label))
            of[f"{name}#0"] = to_bytes(value)
        case(f"cifar10.{split}", "cifar10", "cifar10", "classes", images, classes, split=split)
        expect("cifar10", split, of)


def svhn():
    for split, count in [("train", 5), ("test", 3)]:
        value = np.stack([np.stack([waves(32, 32, 240, at + c) for c in range(3)], -1) for at in range(count)], -1)
        value = value.astype("u1") // 60 * 60
        labels = np.array([10, 1, 9, 10, 4][:count])
        path = file(f"svhn/{split}_32x32.mat")
        scipy.io.savemat(path, {"X": value, "y": labels[:, None].astype("u1")}, do_compression=True)
        digits = list(range(10))
        names = [f"{split}_32x32.mat#{at}" for at in range(count)]
        images = [(name, digits.index(label % 10)) for name, label in zip(names, labels)]
        case(f"svhn.{split}", "svhn", "svhn", "classes", images, [str(digit) for digit in digits], split=split)
        back = scipy.io.loadmat(path)["X"].transpose(3, 0, 1, 2)
        expect("svhn", split, dict(zip(names, map(to_bytes, back))))


def imagenet():
    base = "imagenet/ILSVRC/Data/CLS-LOC"
    for split, part, files in [
        ("train", "train", ["n01440764/n01440764_10026.JPEG", "n01440764/n01440764_2.JPEG", "n03000684/n03000684_7.JPEG"]),
        ("test", "val", ["n01440764/ILSVRC2012_val_00000293.JPEG", "n03000684/ILSVRC2012_val_00000003.JPEG"]),
    ]:
        of = {}
        for at, name in enumerate(files):
            path = file(f"{base}/{part}/{name}")
            Image.fromarray(blocks(16, 24, at + len(files), 3)).save(path, "JPEG", quality=95, subsampling=0)
            of[name] = to_bytes(np.asarray(Image.open(path).convert("RGB")))
        classes = ["n01440764", "n03000684"]
        images = [(name, classes.index(name.split("/")[0])) for name in files]
        case(f"imagenet.{split}", "imagenet", "imagenet", "classes", images, classes, split=split)
        expect("imagenet", split, of)
    # The competition's own test images have no synsets.
    Image.fromarray(blocks(16, 24, 9, 3)).save(file(f"{base}/test/ILSVRC2012_test_00000001.JPEG"), "JPEG")


def shows_brain(mask, erode=True, close=True, fill=True, connectivity=2, disk=skimage.morphology.disk(2), border=True):
    """Whether a mask is one area of 7000 pixels or more, after erosion, closing and filling. Other settings are mistakes to be told."""
    mask = cleaned(mask, erode, close, fill, disk, border)
    return bool(mask.sum() >= 7000 and skimage.measure.label(mask, connectivity=connectivity).max() == 1)


# What a disk eroded, closing by it leaves alone: it is done here since the paper has it, and left out in Rust.
def cleaned(mask, erode=True, close=True, fill=True, disk=skimage.morphology.disk(2), border=True):
    if erode and border:
        mask = skimage.morphology.binary_erosion(mask, disk)
    elif erode:
        mask = scipy.ndimage.binary_erosion(mask, disk)
    if close:
        mask = skimage.morphology.binary_closing(mask, disk)
    if fill:
        mask = scipy.ndimage.binary_fill_holes(mask)
    return mask


MISTAKES = {
    "no erosion": dict(erode=False),
    "no filling": dict(fill=False),
    "areas that touch at corners are two": dict(connectivity=1),
    "a square": dict(disk=skimage.morphology.footprint_rectangle((5, 5))),
    "a diamond": dict(disk=skimage.morphology.diamond(1)),
    "outside is background": dict(border=False),
}


def telling_masks(count):
    """Masks with cracks, holes and steps: of each mistake some tell, and some of those are kept and some dropped."""
    rng = np.random.default_rng(12)
    told, masks = {(mistake, right): 0 for mistake in MISTAKES for right in [True, False]}, []
    for _ in range(4000):
        mask = np.ones((96, 100), bool)
        mask[:, : rng.integers(0, 26)] = 0
        for _ in range(rng.integers(1, 5)):
            row, column, height, width = rng.integers(0, 90), rng.integers(0, 90), rng.integers(1, 8), rng.integers(1, 60)
            high, wide = (height, width) if rng.random() < 0.5 else (width, height)
            mask[row : row + high, column : column + wide] = 0
        if rng.random() < 0.5:
            # Two areas that touch at a corner, after erosion, where they are near enough.
            row, gap = rng.integers(5, 90), rng.integers(3, 6)
            column = rng.integers(30, 70)
            mask[row : row + gap, :column] = 0
            mask[max(row + rng.integers(-6, 6), 0) :][:gap, column - rng.integers(-3, 6) :] = 0
        right = shows_brain(mask)
        new = [mistake for mistake, how in MISTAKES.items() if shows_brain(mask, **how) != right]
        if any(told[mistake, right] < 2 for mistake in new):
            masks.append(mask)
            for mistake in new:
                told[mistake, right] += 1
        if len(masks) == count:
            break
    print("brats, masks that tell:", len(masks), {f"{mistake}, {right}": many for (mistake, right), many in told.items()})
    return np.stack(masks, -1)


def brats():
    rng = np.random.default_rng(8)
    images, of, counts = [], {}, dict(ambiguous=0, little=0)
    ragged = telling_masks(20)
    for grade, patient, slices, tumour, kind in [
        ("HGG", "Brats18_2013_10_1", 40, range(12, 28), "i2"),
        ("LGG", "Brats18_TCIA01_131_1", 26, range(15, 26), "f4"),
        ("LGG", "Brats18_TCIA09_141_1", ragged.shape[-1], [], "u1"),
    ]:
        x, y, z = np.mgrid[:96, :100, :slices]
        # A rounded square of tissue of a few values, of which little is left in the first slices.
        reach = np.minimum(47, 40 + 3 * z)
        inside = ((abs(x - 47.5) ** 6 + abs(y - 49.5) ** 6) ** (1 / 6)) < reach
        values = np.where(inside, 60 + 20 * ((x // 12 + y // 10 + z // 3) % 5), 0).astype(kind)
        values[40:50, 40:50] *= 3
        if kind == "f4":
            values = values * np.float32(0.37)
        last = slices - 6
        # Two areas; two that erosion parts; one that stays whole; a hole; specks; a notch that closing fills.
        values[30:33, :, last] = 0
        values[:, 50:52, last + 1] = np.where(rng.random((96, 1)) < 0.1, values[:, 40:41, last + 1], 0)
        values[60, 5:60, last + 2] = 0
        values[20:40, 20:60, last + 3] = 0
        values[:, :, last + 4] *= rng.random((96, 100)) > 0.002
        values[0:2, 0:2, last + 5] = 90
        values[:14, :, 30 if slices > 30 else 8] = 0
        if kind == "u1":
            values = (ragged * (100 + 20 * (x // 30))).astype("u1")
        mask = np.zeros(values.shape, "u1")
        for at in tumour:
            mask[40:45, 40:44, at] = [1, 2, 4][at % 3]
        folder = f"{grade}/{patient}"
        for what, array in [("flair", values), ("seg", mask)]:
            nibabel.Nifti1Image(array, np.eye(4)).to_filename(file(f"brats/{folder}/{patient}_{what}.nii.gz"))
        flair = nibabel.load(HERE / f"brats/{folder}/{patient}_flair.nii.gz").get_fdata()
        seg = nibabel.load(HERE / f"brats/{folder}/{patient}_seg.nii.gz").get_fdata()
        low, high = np.percentile(flair, 0.1), np.percentile(flair, 99.9)
        scaled = ((np.clip(flair, low, high) - low) / (high - low) * 255).astype("f4")
        has = [bool((seg[:, :, at] > 0).any()) for at in range(slices)]
        for at in range(slices):
            if len(set(has[at : at + 10])) > 1:
                counts["ambiguous"] += 1
                continue
            if not shows_brain(scaled[:, :, at] > 0):
                counts["little"] += 1
                continue
            name = f"{folder}/{patient}_flair.nii.gz#{at}"
            images.append((name, int(has[at]), patient, patient, at))
            of[name] = to_bytes(scaled[:, :, at])
    print("brats", counts, len(images))
    case("brats", "brats", "brats", "tumour", images,
         notes=[f"{counts['ambiguous']} are too near to a change of label and {counts['little']} show too little brain"])
    expect("brats", "train", of)


def dbc():
    boxes = {1: (10, 14), 2: (7, 8)}
    rows = [["Patient ID", "Start Row", "End Row", "Start Column", "End Column", "Start Slice", "End Slice"]]
    rows += [[f"Breast_MRI_{patient:03}", 234, 271, 308, 341, *box] for patient, box in boxes.items()]
    table("dbc/Annotation_Boxes.xlsx", rows)
    rows = [["original_path_and_filename", "descriptive_path", "sop_instance_UID", "classic_path"]]
    images, of, left_out, near = [], {}, [], 0
    for patient, slices in [(1, [1, 2, 5, 6, 9, 10, 11, 13, 14, 19, 20, 21]), (2, [1, 2, 3, 6, 7, 8, 12, 13, 14]), (3, [4])]:
        for series in ["pre", "post_1"]:
            for at in slices if series == "pre" else slices[:1]:
                name = f"Breast_MRI_{patient:03}"
                folder = f"Duke-Breast-Cancer-MRI/{name}/01-01-1990-NA-MRI BREAST-{patient}/{series}-26893"
                classic = f"{folder}/1-{at:03}.dcm"
                rows.append([f"DICOM_Images/{name}/{series}/{name}_{series}_{at:03}.dcm", f"{folder}/ax/{at}.dcm", f"1.2.{at}", classic])
                # Numbered with one digit fewer.
                there = f"{folder}/1-{at:02}.dcm" if (patient, at) in [(1, 5), (1, 11), (2, 7)] else classic
                what = f"row {len(rows)}"
                inverted = patient == 2
                if (patient, at) == (1, 2):
                    left_out.append(f"{what}: {classic}: a label without an image")
                    continue
                back = dicom(f"dbc/manifest-1607053360376/{there}", waves(12, 10, 900 + at, at).astype("u2"), name, f"1.2.{patient}",
                             f"1.2.{patient}.{len(series)}", at, BitsStored=12,
                             PhotometricInterpretation="MONOCHROME1" if inverted else "MONOCHROME2")
                if series != "pre":
                    continue
                if patient not in boxes:
                    left_out.append(f"{what}: {rows[-1][0]}: a slice of a patient without an annotation box")
                    continue
                start, end = boxes[patient]
                if start <= at < end:
                    label = 1
                elif at + 5 <= start or at - 5 > end:
                    label = 0
                else:
                    near += 1
                    continue
                images.append((there, label, name, None, at))
                of[there] = to_bytes(back, inverted)
    # An image that no row names.
    dicom(f"dbc/manifest-1607053360376/{folder}/1-099.dcm", waves(12, 10, 50).astype("u2"), name, "1.2.3", "1.2.3.4", 99)
    table("dbc/Breast-Cancer-MRI-filepath_filename-mapping.xlsx", rows)
    case("dbc", "dbc", "dbc", "cancer", images, left_out=left_out, notes=[f"{near} slices within 5"])
    expect("dbc", "train", of)


def prostate():
    head = ["Patient ID", "Study Date", "ROI Volume (cc)", "UCLA Score (Similar to PIRADS v2)", "seriesInstanceUID_MRI",
            "seriesInstanceUID_US"]
    rows, left_out, series = [head], [], {}
    def target(patient, score, uid):
        rows.append([f"Prostate-MRI-US-Biopsy-{patient:04}", None, 0.24, score, "1.3.6", uid])
        return f"row {len(rows)}"
    for patient, frames, scores in [(1, 8, [3]), (2, 9, [0]), (3, 10, [2, 4]), (4, 7, [2]), (5, 5, [1]), (17, 6, [5, 5])]:
        uid = f"1.3.6.1.4.1.14519.{patient}"
        for score in scores:
            target(patient, score, uid)
        series[uid] = (patient, frames, max(scores))
    left_out.append(f"{target(1, 4, None)}: a target without an ultrasound series")
    left_out.append(f"{target(4, None, '1.3.6.1.4.1.14519.4')}: a target without a score")
    uid = "1.3.6.1.4.1.14519.77"
    left_out.append(f"{target(2, 3, uid)}: series {uid} of Prostate-MRI-US-Biopsy-0002: a label without an image")
    table("prostate/Target-Data_2019-12-05-2.xlsx", rows)
    found, of = [], {}
    for uid, (patient, frames, score) in series.items():
        name = f"Prostate-MRI-US-Biopsy-{patient:04}"
        folder = f"Prostate-MRI-US-Biopsy/{name}/03-27-2003-NA-PELVIS-{patient}"
        path = f"{folder}/1.000000-US-{patient}/1-1.dcm"
        values = np.stack([waves(10, 12, 180 + at, at + patient) for at in range(frames)]).astype("u1")
        inverted = patient == 2
        back = dicom(f"prostate/{path}", values, name, f"1.9.{patient}", uid,
                     PhotometricInterpretation="MONOCHROME1" if inverted else "MONOCHROME2")
        for at in range(frames // 4, 3 * frames // 4):
            found.append((f"{path}#{at}", score, name, uid, at))
            of[f"{path}#{at}"] = to_bytes(back[at], inverted)
        # A series of MRI beside it, and one more of ultrasound, of no target.
        for at in range(2) if patient == 1 else []:
            dicom(f"prostate/{folder}/2.000000-t2/1-{at}.dcm", values[0], name, f"1.9.{patient}", f"{uid}.1", at)
        if patient == 4:
            dicom(f"prostate/{folder}/3.000000-US/1-1.dcm", values, name, f"1.9.{patient}", f"{uid}.2")
    several = ["1 series have targets of several scores"]
    case("prostate.risk", "prostate", "prostate", "risk", [(name, int(score >= 2), *rest) for name, score, *rest in found],
         left_out=left_out, notes=several)
    case("prostate.severe", "prostate", "prostate", "severe",
         [(name, int(score > 2), *rest) for name, score, *rest in found if score >= 2], left_out=left_out, notes=several)
    expect("prostate", "train", of)


def rsna():
    types = "epidural intraparenchymal intraventricular subarachnoid subdural".split()
    found = {"12cadc6af": "subdural", "45785016a": "", "37f32aed2": "epidural subarachnoid", "1b9de2922": "", "d61a6a7b9": "subarachnoid",
             "c0ffee000": "subdural"}
    rows, of, of_task = [["ID", "Label"]], {}, {task: [] for task in ["any", *types]}
    for at, (name, which) in enumerate(found.items()):
        told = {task: int(task in which.split()) for task in types} | {"any": int(bool(which))}
        for task, label in told.items():
            # One slice has no row of one type.
            if (at, task) != (3, "subdural"):
                rows.append([f"ID_{name}_{task}", label])
        if name == "c0ffee000":
            continue
        path = f"stage_2_train/ID_{name}.dcm"
        patient, study = f"ID_patient{at // 2}", f"ID_study{at // 2}"
        values = (waves(14, 12, 2500, at) - 700).astype("i2")
        values[:3, :3] = -2000
        number = 4 if at == 1 else None
        back = dicom(f"rsna/{path}", values, patient, study, f"ID_series{at}", number, RescaleSlope="1", RescaleIntercept="-1024")
        of[path] = to_bytes(back)
        for task, label in told.items():
            if (at, task) != (3, "subdural"):
                of_task[task].append((path, label, patient, study, number))
    rows += rows[1:7] + rows[9:10]
    comma("rsna/stage_2_train.csv", rows)
    dicom("rsna/stage_2_train/ID_nolabel00.dcm", values, "ID_x", "ID_y", "ID_z")
    for task, images in of_task.items():
        left_out = ["ID_c0ffee000: a label without an image", "stage_2_train/ID_nolabel00.dcm: an image without a label"]
        if task == "subdural":
            left_out.append("ID_1b9de2922: an image without a row of this type")
        case(f"rsna.{task}", "rsna", "rsna", task, images, left_out=left_out)
    expect("rsna", "train", of)


def chexpert():
    findings = ["No Finding", "Enlarged Cardiomediastinum", "Cardiomegaly", "Lung Opacity", "Lung Lesion", "Edema", "Consolidation",
                "Pneumonia", "Atelectasis", "Pneumothorax", "Pleural Effusion", "Pleural Other", "Fracture", "Support Devices"]
    base = "CheXpert-v1.0-small"
    rng = np.random.default_rng(4)
    for split, table_name, part, files in [
        ("train", "train.csv", "train", ["patient00001/study1/view1_frontal", "patient00002/study2/view1_frontal",
                                         "patient00002/study1/view1_frontal", "patient00002/study1/view2_lateral",
                                         "patient00003/study1/view1_frontal", "patient00004/study1/view1_frontal"]),
        ("test", "valid.csv", "valid", ["patient64541/study1/view1_frontal", "patient64542/study1/view1_frontal"]),
    ]:
        rows = [["Path", "Sex", "Age", "Frontal/Lateral", "AP/PA", *findings]]
        of, of_task, left_out = {}, {finding: [] for finding in findings}, []
        for at, name in enumerate(files):
            path = f"{part}/{name}.jpg"
            told = rng.choice(["1.0", "0.0", "-1.0", ""], len(findings)).tolist()
            told[10] = ["1.0", "-1.0", "", "0.0", "1.0", "1.0"][at]
            rows.append([f"{base}/{path}", "Female", 68, "Frontal", "AP", *told])
            if path.startswith("train/patient00003"):
                left_out.append(f"train.csv, row {len(rows)}: {path}: a label without an image")
                continue
            Image.fromarray(blocks(16, 24, at)).save(file(f"chexpert/{base}/{path}"), "JPEG", quality=100)
            of[path] = to_bytes(np.asarray(Image.open(HERE / f"chexpert/{base}/{path}")))
            for finding, value in zip(findings, told):
                patient, study = name.split("/")[:2]
                of_task[finding].append((path, int(value == "1.0"), patient, study))
        comma(f"chexpert/{base}/{table_name}", rows)
        if split == "train":
            Image.fromarray(blocks(16, 24, 99)).save(file(f"chexpert/{base}/train/patient00009/study1/view1_frontal.jpg"), "JPEG")
            left_out.append("train/patient00009/study1/view1_frontal.jpg: an image without a label")
        for finding, images in of_task.items():
            task = finding.lower().replace(" ", "_")
            case(f"chexpert.{task}.{split}", "chexpert", "chexpert", task, images, left_out=left_out, split=split)
        expect("chexpert", split, of)


def mura():
    base = "MURA-v1.1"
    for split, part, files in [
        ("train", "train", ["XR_SHOULDER/patient00001/study1_positive/image1.png", "XR_SHOULDER/patient00001/study1_positive/image2.png",
                            "XR_HAND/patient00002/study1_negative/image1.png", "XR_WRIST/patient00002/study2_positive/image1.png",
                            "XR_WRIST/patient00003/study1_negative/image1.png"]),
        ("test", "valid", ["XR_WRIST/patient11185/study1_positive/image1.png", "XR_WRIST/patient11186/study1_negative/image1.png"]),
    ]:
        images, of, left_out = [], {}, []
        for at, name in enumerate(files):
            path = f"{part}/{name}"
            if "patient00003" in name:
                left_out.append(f"train_image_paths.csv, row {at + 1}: {path}: a label without an image")
                continue
            Image.fromarray(waves(18, 15, 150 + at, at).astype("u1")).save(file(f"mura/{base}/{path}"))
            of[path] = to_bytes(np.asarray(Image.open(HERE / f"mura/{base}/{path}")))
            region, patient, study, _ = name.split("/")
            images.append((path, int("positive" in study), patient, f"{region}/{study}"))
        file(f"mura/{base}/{part}_image_paths.csv").write_text("".join(f"{base}/{part}/{name}\n" for name in files))
        if split == "train":
            Image.fromarray(waves(18, 15, 90).astype("u1")).save(file(f"mura/{base}/train/XR_HAND/patient00007/study1_negative/image1.png"))
            left_out.append("train/XR_HAND/patient00007/study1_negative/image1.png: an image without a label")
        case(f"mura.{split}", "mura", "mura", "abnormal", images, left_out=left_out, split=split)
        expect("mura", split, of)


def oai():
    images, of = [], {}
    for at, name in enumerate(["0/9001897L.png", "0/9001897R.png", "1/9022197L.png", "1/9036948R.png"]):
        Image.fromarray(waves(15, 13, 100 + 9 * at, at).astype("u1")).save(file(f"oai/{name}"))
        of[name] = to_bytes(np.asarray(Image.open(HERE / f"oai/{name}")))
        images.append((name, int(name[0]), name[2:9]))
    case("oai", "oai", "oai", "osteoarthritis", images)
    expect("oai", "train", of)


def isic():
    rows = [["image_name", "patient_id", "lesion_id", "sex", "age_approx", "anatom_site_general_challenge", "diagnosis", "benign_malignant", "target"]]
    images, of = [], {}
    for at, (name, patient, target) in enumerate([("ISIC_2637011", "IP_7279968", 0), ("ISIC_0015719", "IP_3075186", 1),
                                                  ("ISIC_0052212", "IP_7279968", 1), ("ISIC_0068279", "IP_6723298", 0)]):
        rows.append([name, patient, "IL_1", "male", 45.0, "head/neck", "unknown", ["benign", "malignant"][target], target])
        if at == 3:
            continue
        path = file(f"isic/train/{name}.jpg")
        Image.fromarray(blocks(16, 16, at, 3)).save(path, "JPEG", quality=95, subsampling=0)
        of[f"train/{name}.jpg"] = to_bytes(np.asarray(Image.open(path)))
        images.append((f"train/{name}.jpg", target, patient))
    comma("isic/ISIC_2020_Training_GroundTruth_v2.csv", rows)
    Image.fromarray(blocks(16, 16, 77, 3)).save(HERE / "isic/train/ISIC_9999999.jpg", "JPEG")
    left_out = ["row 5: ISIC_0068279: a label without an image", "train/ISIC_9999999.jpg: an image without a label"]
    case("isic", "isic", "isic", "malignant", images, left_out=left_out)
    expect("isic", "train", of)


for make in [mnist, cifar10, svhn, imagenet, brats, dbc, prostate, rsna, chexpert, mura, oai, isic]:
    make()
names = {path.name[:-5]: json.loads(path.read_text()) for path in (HERE / "names").iterdir()}
shutil.rmtree(HERE / "names")
(HERE / "expected.json").write_text(json.dumps(dict(cases=cases, names=names), separators=(",", ":")) + "\n")
np.savez_compressed(HERE / "expected.npz", **pixels)
files = [path for path in HERE.rglob("*") if path.is_file()]
print(sum(path.stat().st_size for path in files), "bytes in", len(files), "files")
