"""Makes small JPEG files by Pillow, and by hand of what Pillow writes, and what Pillow, by libjpeg-turbo, decodes them to.

    python3 -m venv /tmp/venv && /tmp/venv/bin/pip install numpy pillow
    /tmp/venv/bin/python tests/vectors/jpeg.py

They go to tests/vectors/jpeg.npz, which tests/data/jpeg.rs reads: each file (`NAME.jpg`), and, for all names in order, their pixels'
extents and CRC-32 (`sums`); of a few the pixels as well (`NAME`). Random ones, as many as are wanted, go elsewhere, and are
read by the same test:

    /tmp/venv/bin/python tests/vectors/jpeg.py --random 2000 --seed 1 --to /tmp/more.npz
    SHARPDIM_JPEGS=/tmp/more.npz cargo test --release --test data jpeg
"""

import argparse
import io
import re
import struct
import zlib
from pathlib import Path

import numpy as np
from PIL import Image, ImageFile

# Pillow's buffer, which large images of noise do not fit into otherwise.
ImageFile.MAXBLOCK = 1 << 24


def picture(random, height, width, channels):
    """Waves, noise, an edge: all frequencies, and values at both ends."""
    y, x = np.mgrid[:height, :width]
    planes = [
        127 + 150 * np.sin(x / random.uniform(1, 20) + random.uniform(0, 6)) * np.cos(y / random.uniform(1, 20))
        + random.normal(0, random.choice([1, 4, 25]), (height, width)) + 200 * (x * random.uniform(0, 2) > y + width // 2)
        for _ in range(channels)
    ]
    return np.clip(np.stack(planes, -1), 0, 255).astype("u1").squeeze(-1 if channels == 1 else ())


def saved(pixels, **how):
    out = io.BytesIO()
    Image.fromarray(pixels, "CMYK" if pixels.ndim == 3 and pixels.shape[2] == 4 else None).save(out, "JPEG", **how)
    return out.getvalue()


def segments(data):
    """Marker and content of each segment to the scan, and what follows."""
    at, found = 2, []
    while True:
        length = struct.unpack(">H", data[at + 2 : at + 4])[0]
        found.append((data[at + 1], data[at + 4 : at + 2 + length]))
        at += 2 + length
        if found[-1][0] == 0xDA:
            return found, data[at:]


def joined(found, rest, fill=b""):
    parts = [fill + bytes([0xFF, marker]) + struct.pack(">H", len(body) + 2) + body for marker, body in found]
    return b"\xff\xd8" + b"".join(parts) + rest


def in_scans(random, height, width, sizes, ids=b"\1\2\3", before=(), **how):
    """Three components, each a gray JPEG of Pillow's, as scans of one image. `sizes`: of each its blocks in a unit."""
    across, down = (max(size[axis] for size in sizes) for axis in (0, 1))
    frame, scans, tables = b"", b"", []
    for at, (own_across, own_down) in enumerate(sizes):
        own = -(-height * own_down // down), -(-width * own_across // across)
        found, rest = segments(saved(picture(random, *own, 1), **how))
        tables = [(marker, body) for marker, body in found if marker in (0xDB, 0xC4, 0xDD)]
        frame += bytes([ids[at], own_across << 4 | own_down, 0])
        # Codes may differ from scan to scan.
        codes = [(0xC4, body) for marker, body in found if marker == 0xC4]
        scans += joined([*codes, (0xDA, bytes([1, ids[at], 0, 0, 63, 0]))], rest[:-2])[2:]
    head = struct.pack(">BHHB", 8, height, width, 3) + frame
    return joined([*before, *tables, (0xC0, head)], scans + b"\xff\xd9")


def wide_tables(data):
    """Quantisation tables of 16 bits, in an extended frame."""
    found, rest = segments(data)
    for at, (marker, body) in enumerate(found):
        if marker == 0xDB:
            wide = b"".join(
                bytes([0x10 | body[start]]) + b"".join(bytes([0, value]) for value in body[start + 1 : start + 65])
                for start in range(0, len(body), 65)
            )
            found[at] = marker, wide
        elif marker == 0xC0:
            found[at] = 0xC1, body
    return joined(found, rest)


JFIF = (0xE0, b"JFIF\0\1\1\0\0\1\0\1\0\0")


def adobe(transform):
    return 0xEE, b"Adobe\0\x64\0\0\0\0" + bytes([transform])


def fixed():
    random = np.random.default_rng(0)
    files = {}
    for height, width in [(1, 1), (7, 9), (17, 33), (50, 31), (16, 3)]:
        size = f"{height}x{width}"
        files[f"gray_{size}"] = saved(picture(random, height, width, 1), quality=92)
        for name, sampling in [("444", 0), ("422", 1), ("420", 2)]:
            files[f"{name}_{size}"] = saved(picture(random, height, width, 3), quality=85, subsampling=sampling)
        for name, sizes in [
            ("440", [(1, 2), (1, 1), (1, 1)]),
            ("411", [(4, 1), (1, 1), (1, 1)]),
            ("410", [(4, 2), (1, 1), (1, 1)]),
            ("mixed", [(2, 2), (1, 2), (2, 1)]),
            ("upside", [(1, 1), (2, 2), (1, 2)]),
        ]:
            files[f"{name}_{size}"] = in_scans(random, height, width, sizes, before=[JFIF], quality=90)
    for quality in (1, 30, 50, 75, 96, 100):
        files[f"quality_{quality}"] = saved(picture(random, 25, 34, 1), quality=quality)
        files[f"quality_rgb_{quality}"] = saved(picture(random, 25, 34, 3), quality=quality, subsampling=2)
    for name, channels, more in [("gray", 1, {}), ("420", 3, dict(subsampling=2)), ("444", 3, dict(subsampling=0))]:
        pixels = picture(random, 35, 51, channels)
        files[f"optimised_{name}"] = saved(pixels, quality=90, optimize=True, **more)
        files[f"progressive_{name}"] = saved(pixels, quality=90, progressive=True, **more)
        files[f"restarts_{name}"] = saved(pixels, quality=80, restart_marker_blocks=2, **more)
        files[f"restarts_rows_{name}"] = saved(pixels, quality=80, restart_marker_rows=1, **more)
        files[f"progressive_restarts_{name}"] = saved(pixels, quality=70, progressive=True, restart_marker_blocks=3, **more)
        files[f"wide_tables_{name}"] = wide_tables(saved(pixels, quality=60, **more))
        found, rest = segments(saved(pixels, quality=60, **more))
        files[f"filled_{name}"] = joined(found, rest[:-2] + b"\xff\xff\xff\xd9", b"\xff\xff")
    pixels = picture(random, 20, 27, 3)
    files["keep_rgb"] = saved(pixels, quality=90, keep_rgb=True)
    files["keep_rgb_progressive"] = saved(pixels, quality=90, keep_rgb=True, progressive=True)
    files["grays"] = saved(np.full((40, 40), 77, "u1"), quality=90)
    same = [(1, 1)] * 3
    for name, ids, before in [
        ("none", b"\1\2\3", []),
        ("letters", b"RGB", []),
        ("others", b"\0\1\2", []),
        ("letters_jfif", b"RGB", [JFIF]),
        ("adobe_0", b"\1\2\3", [adobe(0)]),
        ("adobe_1", b"RGB", [adobe(1)]),
        ("adobe_0_jfif", b"\1\2\3", [JFIF, adobe(0)]),
    ]:
        files[f"marks_{name}"] = in_scans(random, 9, 12, same, ids, before, quality=90)
    files["scans_restarts"] = in_scans(random, 30, 20, [(2, 2), (1, 1), (1, 1)], quality=90, restart_marker_blocks=2)
    return files


def some(random, count):
    files = {}
    for at in range(count):
        channels = 1 if random.random() < 0.3 else 3
        height, width = (int(value) for value in random.integers(1, random.choice([20, 140, 400]), 2))
        how = dict(quality=int(random.integers(1, 101)), optimize=bool(random.random() < 0.4))
        if random.random() < 0.3:
            how["restart_marker_blocks"] = int(random.integers(1, 30))
        if channels == 3 and random.random() < 0.3:
            sizes = [tuple(int(value) for value in random.choice([1, 2, 4], 2)) for _ in range(3)]
            files[f"{at}_{sizes}"] = in_scans(random, height, width, sizes, **how)
            continue
        how["progressive"] = bool(random.random() < 0.35)
        if random.random() < 0.1:
            how["qtables"] = [[int(value) for value in random.integers(1, 256, 64)] for _ in range(2 if channels == 3 else 1)]
        if channels == 3:
            how |= dict(keep_rgb=True) if random.random() < 0.1 else dict(subsampling=int(random.integers(0, 3)))
        files[f"{at}"] = saved(picture(random, height, width, channels), **how)
    return files


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--random", type=int, help="how many random files to make, in place of the fixed ones")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--to", type=Path, default=Path(__file__).with_suffix(".npz"))
    args = parser.parse_args()
    files = fixed() if args.random is None else some(np.random.default_rng(args.seed), args.random)
    files = {re.sub(r"\W+", "_", name).strip("_"): data for name, data in files.items()}
    arrays, sums = {}, []
    for name, data in sorted(files.items()):
        arrays[f"{name}.jpg"] = np.frombuffer(data, "u1")
        pixels = np.asarray(Image.open(io.BytesIO(data)))
        extents = [*pixels.shape, 1][:3]
        sums.append([*extents, zlib.crc32(pixels.tobytes())])
        if pixels.size < 200:
            arrays[name] = pixels.reshape(extents)
    arrays["sums"] = np.array(sums, "<u4")
    np.savez_compressed(args.to, **arrays)
    print(f"{len(files)} files; {args.to}: {args.to.stat().st_size} bytes")


if __name__ == "__main__":
    main()
