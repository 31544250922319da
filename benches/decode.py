#!/usr/bin/env python3
"""Times decoding and preprocessing of image files against pydicom, Pillow and torchvision: the same files, scaled by their
maximum to 8 bits, then resized to 224 x 224, bilinear, without antialiasing. Needs torch, torchvision, numpy, Pillow and pydicom:

    python benches/decode.py [--images 400] [--rounds 3] [--kinds JPEG]

Prints a Markdown table: images in a second, and both means of all values, to check that both do the same work. The peers run in
as many worker processes of a torch DataLoader as ours has threads, warmed up; files are generated, and in the system's cache.
"""

import argparse
import datetime
import json
import os
import statistics
import subprocess
import tempfile
import time
from pathlib import Path

from common import OURS, build, chip, environment, memory_bytes, revision


def scene(random, height, width):
    """Smooth shapes and some noise, from 0 to 1, so that compressed files have realistic sizes."""
    import numpy as np

    y, x = np.mgrid[0:1:height * 1j, 0:1:width * 1j]
    image = np.zeros((height, width))
    for _ in range(6):
        cy, cx, size = random.uniform(0.2, 0.8), random.uniform(0.2, 0.8), random.uniform(0.05, 0.3)
        image += random.uniform(0.2, 1.0) * np.exp(-((y - cy) ** 2 + (x - cx) ** 2) / size**2)
    image = image / image.max() + 0.02 * random.standard_normal((height, width))
    return np.clip(image, 0.0, 1.0)


def write(kind, folder, count):
    import numpy as np
    from PIL import Image

    random = np.random.default_rng(0)
    for i in range(count):
        path = folder / "ab"[i % 2] / f"{i:05}"
        path.parent.mkdir(parents=True, exist_ok=True)
        if kind == "DICOM, 512 x 512, 16 bits":
            import pydicom
            from pydicom.dataset import FileMetaDataset

            meta = FileMetaDataset()
            meta.TransferSyntaxUID = pydicom.uid.ExplicitVRLittleEndian
            meta.MediaStorageSOPClassUID = pydicom.uid.MRImageStorage
            meta.MediaStorageSOPInstanceUID = pydicom.uid.generate_uid()
            ds = pydicom.Dataset()
            ds.file_meta = meta
            ds.SOPClassUID, ds.SOPInstanceUID = meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID
            ds.PatientID, ds.Rows, ds.Columns, ds.SamplesPerPixel = "P1", 512, 512, 1
            ds.PhotometricInterpretation, ds.PixelRepresentation = "MONOCHROME2", 0
            ds.BitsAllocated, ds.BitsStored, ds.HighBit = 16, 12, 11
            ds.PixelData = (4095 * scene(random, 512, 512)).astype("<u2").tobytes()
            ds.save_as(path.with_suffix(".dcm"), enforce_file_format=True)
        elif kind == "JPEG, 320 x 390, gray":
            image = Image.fromarray((255 * scene(random, 320, 390)).astype(np.uint8))
            image.save(path.with_suffix(".jpg"), quality=92)
        elif kind == "JPEG, 375 x 500, RGB":
            image = np.stack([scene(random, 375, 500) for _ in range(3)], -1)
            Image.fromarray((255 * image).astype(np.uint8)).save(path.with_suffix(".jpg"), quality=92)
        else:
            image = Image.fromarray((255 * scene(random, 512, 512)).astype(np.uint8))
            image.save(path.with_suffix(".png"))


KINDS = ["DICOM, 512 x 512, 16 bits", "JPEG, 320 x 390, gray", "JPEG, 375 x 500, RGB", "PNG, 512 x 512, gray"]


class Files:
    """The dataset of a DataLoader's workers."""

    def __init__(self, paths, reader):
        self.paths, self.reader = paths, reader

    def __len__(self):
        return len(self.paths)

    def __getitem__(self, at):
        import numpy as np
        import torch

        path = self.paths[at]
        if self.reader == "pydicom":
            import pydicom

            image = torch.from_numpy(pydicom.dcmread(path).pixel_array.astype(np.int64))[None]
        elif self.reader == "Pillow":
            from PIL import Image

            image = torch.from_numpy(np.array(Image.open(path)))
            image = image[None] if image.ndim == 2 else image.permute(2, 0, 1)
        else:
            from torchvision.io import decode_image

            image = decode_image(str(path))
        image = (image.to(torch.float64) * 255.0 / image.max()).to(torch.uint8).float()
        return torch.nn.functional.interpolate(image[None], (224, 224), mode="bilinear", align_corners=False)[0]


def peer(paths, reader, threads, rounds):
    """Seconds of each round, and the mean of all values."""
    import torch

    torch.set_num_threads(1)
    loader = torch.utils.data.DataLoader(
        Files(paths, reader), batch_size=16, num_workers=threads, persistent_workers=True
    )
    seconds, mean = [], 0.0
    for _ in range(1 + rounds):
        start, sums = time.perf_counter(), []
        for batch in loader:
            sums.append(float(batch.double().sum()) / batch[0].numel())
        seconds.append(time.perf_counter() - start)
        mean = sum(sums) / len(paths)
    return seconds[1:], mean


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=400)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--kinds", default="", help="only files whose kind begins so: DICOM, JPEG or PNG")
    parser.add_argument("--throughput", type=Path, help="this library's program; built by Cargo where not given")
    args = parser.parse_args()
    import pydicom
    import torch
    import torchvision
    from PIL import __version__ as pillow

    program = args.throughput or build("throughput")
    print(f"{datetime.date.today()}, {chip()}, {memory_bytes() >> 30} GiB; {args.threads} threads or workers")
    print(f"Load average before: {os.getloadavg()[0]:.1f}; sharpdim {revision()}, torch {torch.__version__}, ", end="")
    print(f"torchvision {torchvision.__version__}, Pillow {pillow}, pydicom {pydicom.__version__}")
    print(f"{args.images} images; medians of {args.rounds} rounds; ratio: ours over the peer's\n")
    heads = ["files", f"{OURS}, images/s", "peer", "its images/s", "ratio", f"{OURS}, mean", "its mean"]
    print("| " + " | ".join(heads) + " |")
    print("|" + "---|" * len(heads), flush=True)
    for kind in (kind for kind in KINDS if kind.startswith(args.kinds)):
        with tempfile.TemporaryDirectory() as folder:
            write(kind, Path(folder), args.images)
            paths = sorted(path for path in Path(folder).rglob("*") if path.is_file())
            words = [program, "--op", "load", "--folder", folder, "--repeats", args.rounds, "--json"]
            ran = subprocess.run(
                [str(word) for word in words], env=environment(args.threads), stdout=subprocess.PIPE, text=True, check=True
            )
            ours = json.loads(ran.stdout)
            speed = args.images / statistics.median(ours["seconds"])
            for reader in ["pydicom"] if kind.startswith("DICOM") else ["Pillow", "torchvision"]:
                seconds, mean = peer(paths, reader, args.threads, args.rounds)
                theirs = args.images / statistics.median(seconds)
                cells = [kind, f"{speed:.0f}", reader, f"{theirs:.0f}", f"{speed / theirs:.2f}"]
                cells += [f"{ours['mean']:.3f}", f"{mean:.3f}"]
                print("| " + " | ".join(cells) + " |", flush=True)


if __name__ == "__main__":
    main()
