"""Makes inputs for tests/data/native.rs with the writers of pydicom, GDCM, Pillow, nibabel, SciPy and openpyxl.

    python3 -m venv /tmp/venv && /tmp/venv/bin/pip install numpy pydicom pylibjpeg pylibjpeg-libjpeg \
        pylibjpeg-rle pylibjpeg-openjpeg python-gdcm pillow nibabel scipy openpyxl
    /tmp/venv/bin/python tests/vectors/native.py

The files go to tests/vectors/native; expected.npz has what pydicom's pixel_array, nibabel's get_fdata, and
SciPy's loadmat give of them.
"""

import datetime
import io
import struct
import zlib  # noqa: F401  Before gdcm, whose own zlib Python's would else be bound to, and crash.
from pathlib import Path

import gdcm
import nibabel
import numpy as np
import openpyxl
import pydicom
import scipy.io
from PIL import Image
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.pixels import convert_color_space
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGExtended12Bit,
    JPEGLossless,
    JPEGLosslessSV1,
    RLELossless,
)

HERE = Path(__file__).parent / "native"
HERE.mkdir(exist_ok=True)
expected = {}


def waves(rows, columns, top, shift=0):
    """Smooth values from 0 to top with a little noise, so that packing does something."""
    y, x = np.mgrid[:rows, :columns]
    noise = np.random.default_rng(rows + columns + shift).random((rows, columns))
    values = 0.5 + 0.3 * np.sin((x + shift) / 3) + 0.15 * np.cos(y / 4) + 0.05 * noise
    return np.clip(values * top, 0, top)


def image(pixels, syntax=ExplicitVRLittleEndian, **elements):
    """A data set whose pixels are an array: (rows, columns), (frames, rows, columns) or (rows, columns, 3)."""
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.7"
    meta.MediaStorageSOPInstanceUID = "1.2.3.4.5"
    meta.TransferSyntaxUID = syntax
    ds = Dataset()
    ds.file_meta = meta
    ds.SOPClassUID = meta.MediaStorageSOPClassUID
    ds.SOPInstanceUID = meta.MediaStorageSOPInstanceUID
    ds.PatientID = "PAT-7"
    ds.StudyInstanceUID = "1.2.3"
    ds.SeriesInstanceUID = "1.2.3.4"
    ds.SeriesDescription = "ax dyn pre "
    ds.InstanceNumber = 12
    nested = Dataset()
    nested.CodeValue = "T-04000"
    deeper = Dataset()
    deeper.ReferencedSOPInstanceUID = "9.9.9"
    nested.ReferencedSeriesSequence = [deeper]
    ds.AnatomicRegionSequence = [nested]
    color = pixels.shape[-1] == 3
    ds.SamplesPerPixel = 3 if color else 1
    ds.PhotometricInterpretation = "RGB" if color else "MONOCHROME2"
    if color:
        ds.PlanarConfiguration = 0
    ds.Rows, ds.Columns = pixels.shape[-3:-1] if color else pixels.shape[-2:]
    if not color and pixels.ndim == 3:
        ds.NumberOfFrames = len(pixels)
    ds.BitsAllocated = 8 * pixels.dtype.itemsize
    ds.BitsStored = ds.BitsAllocated
    ds.PixelRepresentation = int(pixels.dtype.kind == "i")
    ds.PixelData = pixels.tobytes()
    for name, value in elements.items():
        setattr(ds, name, value)
    ds.HighBit = elements.get("HighBit", ds.BitsStored - 1)
    ds["PixelData"].VR = "OB" if ds.BitsAllocated == 8 or syntax.is_compressed and not syntax.is_deflated else "OW"
    return ds


def write(name, ds, values=None, **how):
    how = {"enforce_file_format": True} | how
    ds.save_as(HERE / name, **how)
    if values is None:
        values = pydicom.dcmread(HERE / name, force=True).pixel_array
    expected[name] = np.ascontiguousarray(values)


def packed(name, frames, ds, values=None):
    ds.PixelData = encapsulate(frames)
    ds["PixelData"].is_undefined_length = True
    write(name, ds, values)


def by_gdcm(source, name, syntax):
    """A file that GDCM packed, of one that is not packed."""
    reader = gdcm.ImageReader()
    reader.SetFileName(str(HERE / source))
    assert reader.Read()
    change = gdcm.ImageChangeTransferSyntax()
    change.SetTransferSyntax(gdcm.TransferSyntax(syntax))
    change.SetInput(reader.GetImage())
    assert change.Change()
    writer = gdcm.ImageWriter()
    writer.SetFileName(str(HERE / name))
    writer.SetFile(reader.GetFile())
    writer.SetImage(change.GetOutput())
    assert writer.Write()
    expected[name] = pydicom.dcmread(HERE / name).pixel_array
    assert np.array_equal(expected[name], expected[source]), name


def lossless_jpeg(values, precision, predictor, dropped=0, restart_rows=0):
    """Lossless JPEG by any predictor, with what no writer at hand writes. libjpeg reads it back, below."""
    values = values.reshape(*values.shape[:2], -1).astype(int) >> dropped
    rows, columns, colors = values.shape
    codes = {count: (f"{at:05b}" if at < 31 else None) for at, count in enumerate(range(17))}
    bits, scans = "", []

    def flush():
        nonlocal bits
        bits += "1" * (-len(bits) % 8)
        data = bytes(int(bits[at : at + 8], 2) for at in range(0, len(bits), 8))
        scans.append(data.replace(b"\xff", b"\xff\x00"))
        bits = ""

    for y in range(rows):
        since = y % restart_rows if restart_rows else y
        if since == 0 and y:
            flush()
        for x in range(columns):
            for c in range(colors):
                a = values[y, x - 1, c] if x else 0
                b = values[y - 1, x, c] if since else 0
                d = values[y - 1, x - 1, c] if x and since else 0
                if not since:
                    predicted = a if x else 1 << (precision - dropped - 1)
                elif not x:
                    predicted = b
                else:
                    predicted = [a, b, d, a + b - d, a + ((b - d) >> 1), b + ((a - d) >> 1), (a + b) >> 1][predictor - 1]
                difference = int(values[y, x, c] - predicted + 32768) % 65536 - 32768
                count = abs(difference).bit_length()
                bits += codes[count]
                if 0 < count < 16:
                    bits += f"{difference if difference > 0 else difference + (1 << count) - 1:0{count}b}"
    flush()

    def segment(marker, body):
        return bytes([0xFF, marker]) + struct.pack(">H", len(body) + 2) + body

    out = b"\xff\xd8"
    frame = struct.pack(">BHHB", precision, rows, columns, colors)
    out += segment(0xC3, frame + b"".join(bytes([c + 1, 0x11, 0]) for c in range(colors)))
    out += segment(0xC4, bytes([0] + [0] * 4 + [17] + [0] * 11) + bytes(range(17)))
    if restart_rows:
        out += segment(0xDD, struct.pack(">H", restart_rows * columns))
    scan = bytes([colors]) + b"".join(bytes([c + 1, 0]) for c in range(colors))
    out += segment(0xDA, scan + bytes([predictor, 0, dropped]))
    for at, data in enumerate(scans):
        out += data + (bytes([0xFF, 0xD0 + at % 8]) if at + 1 < len(scans) else b"")
    return out + b"\xff\xd9"


def jpeg(pixels, **how):
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, "JPEG", quality=90, **how)
    return out.getvalue()


def dicom():
    wide = waves(20, 17, 4000).astype("u2")
    narrow = waves(20, 17, 255).astype("u1")
    colors = np.stack([waves(16, 18, 255, shift) for shift in (0, 5, 9)], -1).astype("u1")
    frames = np.stack([waves(9, 11, 255, shift) for shift in range(5)]).astype("u1")
    signed = (waves(20, 17, 3000) - 1000).astype("i2")

    # Uncompressed.
    write("u16.dcm", image(wide, BitsStored=12))
    write("u8.dcm", image(narrow))
    write("implicit.dcm", image(wide, ImplicitVRLittleEndian, BitsStored=12))
    write("deflated.dcm", image(wide, DeflatedExplicitVRLittleEndian, BitsStored=12))
    big = image(wide.astype(">u2"), ExplicitVRBigEndian, BitsStored=12)
    write("big.dcm", big)
    write("i16.dcm", image(signed))
    write("i12.dcm", image((signed // 2).astype("i2"), BitsStored=12))
    write("ct.dcm", image(wide, RescaleSlope="1", RescaleIntercept="-1024"))
    write("half.dcm", image(signed, RescaleSlope="0.5", RescaleIntercept="3.25"))
    write("mono1_u8.dcm", image(narrow, PhotometricInterpretation="MONOCHROME1"))
    write("mono1_u12.dcm", image(wide, PhotometricInterpretation="MONOCHROME1", BitsStored=12))
    write("frames.dcm", image(frames))
    write("rgb.dcm", image(colors))
    planes = image(colors, PlanarConfiguration=1, PixelData=colors.transpose(2, 0, 1).tobytes())
    write("planes.dcm", planes)
    # A data set alone, as from before there was a preamble, and with the elements that follow it alone.
    bare = image(wide, ImplicitVRLittleEndian, BitsStored=12)
    del bare.file_meta
    write("bare.dcm", bare, wide, enforce_file_format=False, implicit_vr=True, little_endian=True)
    whole = (HERE / "u16.dcm").read_bytes()
    (HERE / "no_preamble.dcm").write_bytes(whole[132:])
    expected["no_preamble.dcm"] = wide

    # Colours that are not red, green and blue.
    ybr = convert_color_space(colors, "RGB", "YBR_FULL")
    full = image(ybr, PhotometricInterpretation="YBR_FULL")
    write("ybr.dcm", full)
    shared = image(ybr, PhotometricInterpretation="YBR_FULL_422")
    pairs = ybr.reshape(16, 9, 2, 3)
    halves = np.stack([pairs[:, :, 0, 0], pairs[:, :, 1, 0], pairs[:, :, 0, 1], pairs[:, :, 0, 2]], -1)
    shared.PixelData = halves.tobytes()
    write("ybr_422.dcm", shared)
    table = np.random.default_rng(3).integers(0, 65536, (3, 100)).astype("u2")
    for name, bits, data in [("palette_16.dcm", 16, table), ("palette_8.dcm", 8, (table >> 8).astype("u1"))]:
        ds = image(narrow % 128, PhotometricInterpretation="PALETTE COLOR")
        for color, row in zip(["Red", "Green", "Blue"], data):
            setattr(ds, f"{color}PaletteColorLookupTableDescriptor", [100, 7, bits])
            setattr(ds, f"{color}PaletteColorLookupTableData", row.tobytes())
        write(name, ds, pydicom.pixels.apply_color_lut(narrow % 128, ds))

    # Packed.
    for name in ["u16", "u8", "rgb", "frames", "i16"]:
        ds = pydicom.dcmread(HERE / f"{name}.dcm")
        ds.compress(RLELossless, encoding_plugin="pydicom", generate_instance_uid=False)
        write(f"rle_{name}.dcm", ds)
        by_gdcm(f"{name}.dcm", f"lossless_{name}.dcm", gdcm.TransferSyntax.JPEGLosslessProcess14_1)
    by_gdcm("u16.dcm", "gdcm_rle.dcm", gdcm.TransferSyntax.RLELossless)
    full16 = waves(20, 17, 65535).astype("u2")
    full16[3, 4:9] = [0, 65535, 0, 32768, 65535]
    for predictor in range(1, 8):
        data = lossless_jpeg(full16, 16, predictor)
        packed(f"process14_{predictor}.dcm", [data], image(full16, JPEGLossless))
        assert np.array_equal(expected[f"process14_{predictor}.dcm"], full16), predictor
    data = lossless_jpeg(colors, 8, 4)
    packed("process14_rgb.dcm", [data], image(colors, JPEGLossless))
    assert np.array_equal(expected["process14_rgb.dcm"], colors)
    data = lossless_jpeg(wide, 12, 1, restart_rows=3)
    packed("restarts.dcm", [data], image(wide, JPEGLosslessSV1, BitsStored=12))
    assert np.array_equal(expected["restarts.dcm"], wide)
    data = lossless_jpeg(wide, 12, 6, dropped=2)
    packed("dropped.dcm", [data], image(wide, JPEGLossless, BitsStored=12))
    assert np.array_equal(expected["dropped.dcm"], wide >> 2 << 2)

    packed("jpeg_gray.dcm", [jpeg(narrow)], image(narrow, JPEGBaseline8Bit))
    packed("jpeg_extended.dcm", [jpeg(narrow)], image(narrow, JPEGExtended12Bit))
    packed("jpeg_frames.dcm", [jpeg(frame) for frame in frames], image(frames, JPEGBaseline8Bit))
    for name, sampling in [("jpeg_444.dcm", "4:4:4"), ("jpeg_422.dcm", "4:2:2")]:
        ds = image(colors, JPEGBaseline8Bit, PhotometricInterpretation="YBR_FULL_422")
        packed(name, [jpeg(colors, subsampling=sampling)], ds)
    # Each frame in several fragments, which a table of offsets keeps apart.
    ds = image(frames, JPEGBaseline8Bit)
    ds.PixelData = encapsulate([jpeg(frame) for frame in frames], fragments_per_frame=3)
    write("jpeg_fragments.dcm", ds)
    jpeg2000 = {
        "jpeg2000.dcm": image(waves(64, 64, 255).astype("u1")),
        "jpeg2000_u12.dcm": image(waves(40, 33, 4095).astype("u2"), BitsStored=12),
        "jpeg2000_u16.dcm": image(waves(40, 33, 65535).astype("u2")),
        "jpeg2000_i16.dcm": image((waves(40, 33, 4000) - 1024).astype("i2")),
        "jpeg2000_rgb.dcm": image(np.stack([waves(40, 33, 255, shift) for shift in range(3)], -1).astype("u1")),
        "jpeg2000_rct.dcm": image(
            np.stack([waves(40, 33, 255, shift) for shift in range(3)], -1).astype("u1"), PhotometricInterpretation="YBR_RCT"
        ),
        "jpeg2000_frames.dcm": image(np.stack([waves(34, 33, 255, shift) for shift in range(3)]).astype("u1")),
    }
    for name, ds in jpeg2000.items():
        before = ds.PixelData
        ds.compress(JPEG2000Lossless)
        write(name, ds)
        assert expected[name].tobytes() == before, name


def nifti():
    values = np.random.default_rng(5).integers(-300, 300, (5, 4, 3))
    for kind in ["u1", "i1", "i2", "u2", "i4", "u4", "f4", "f8"]:
        data = np.abs(values) % 256 if kind == "u1" else values % 128 if kind == "i1" else values
        data = (np.abs(data) if kind in ("u2", "u4") else data).astype(kind)
        name = f"{kind}.nii"
        nibabel.Nifti1Image(data, np.eye(4)).to_filename(HERE / name)
        expected[name] = nibabel.load(HERE / name).get_fdata()
    scaled = nibabel.Nifti1Image(values.astype("i2"), np.eye(4))
    scaled.header.set_slope_inter(0.25, -7)
    scaled.to_filename(HERE / "scaled.nii.gz")
    # nibabel scales what it is given back to what is stored; the stored values are what is wanted here.
    big = nibabel.Nifti1Image(values.astype(">i2"), np.eye(4), nibabel.Nifti1Header(endianness=">"))
    big.to_filename(HERE / "big.nii")
    nibabel.Nifti2Image(values.astype("i2"), np.eye(4)).to_filename(HERE / "two.nii.gz")
    nibabel.Nifti1Image(values[..., None].astype("i2"), np.eye(4)).to_filename(HERE / "one_time.nii")
    for name in ["scaled.nii.gz", "big.nii", "two.nii.gz", "one_time.nii"]:
        expected[name] = nibabel.load(HERE / name).get_fdata().reshape(5, 4, 3)
    times = nibabel.Nifti1Image(np.zeros((5, 4, 3, 2), "i2"), np.eye(4))
    times.to_filename(HERE / "times.nii.gz")


def svhn():
    rng = np.random.default_rng(6)
    for part, count, kind in [("train", 4, "u1"), ("test", 2, "f8")]:
        # Few values, so that it packs to little.
        pixels = (rng.integers(0, 4, (32, 32, 3, count)) * (np.arange(3)[:, None] + 17)).astype("u1")
        labels = np.array([[1], [10], [9], [1]][:count]).astype(kind)
        for name, pack in [(f"{part}_32x32.mat", True), (f"{part}_plain.mat", False)][: 2 if part == "test" else 1]:
            scipy.io.savemat(HERE / name, {"X": pixels, "y": labels}, do_compression=pack)
            back = scipy.io.loadmat(HERE / name)
            expected[name] = back["X"].transpose(3, 0, 1, 2)


def tables():
    book = openpyxl.Workbook()
    sheet = book.active
    sheet.title = "Boxes"
    sheet.append(["Patient ID ", "Start\nSlice", "End Slice", "Score", "When", "Flag"])
    sheet.append(["Breast_MRI_001", 5, 12.0, 2.5, None, True])
    sheet.append([])
    sheet.append(["Breast_MRI_002", "7", 1234567890123, "#DIV/0!", datetime.datetime(2020, 1, 31, 12, 30), False])
    other = book.create_sheet("Other")
    other.append(["A"])
    other.append(["only"])
    book.save(HERE / "boxes.xlsx")


dicom()
nifti()
svhn()
tables()
# Row-major and little endian all.
expected = {name: np.ascontiguousarray(array, array.dtype.newbyteorder("<")) for name, array in expected.items()}
np.savez_compressed(HERE / "expected.npz", **expected)
print(sum(path.stat().st_size for path in HERE.iterdir()), "bytes in", len(list(HERE.iterdir())), "files")
