"""Writes resize.npz: images, and what torch.nn.functional.interpolate makes of them.

Run with a Python that has torch and numpy: python tests/vectors/resize.py. tests/data/resize.rs reads it.
"""

import pathlib

import numpy
import torch
from torch.nn.functional import interpolate

# height, width, channels, and the height and width to resize to. Tall thin ones reach large positions.
CASES = [
    (28, 28, 1, 56, 64),
    (7, 5, 3, 11, 13),
    (200, 3, 1, 224, 5),
    (3, 187, 1, 4, 224),
    (32, 32, 3, 30, 47),
    (50, 60, 3, 20, 17),
    (300, 2, 1, 100, 3),
    (641, 2, 1, 224, 2),
    (1, 1, 1, 3, 4),
    (9, 8, 2, 9, 3),
    (5, 6, 4, 1, 1),
]

random = numpy.random.default_rng(0)
arrays = {}
for at, (height, width, channels, out_height, out_width) in enumerate(CASES):
    image = random.integers(0, 256, (height, width, channels)).astype(numpy.float32)
    planes = torch.from_numpy(image).permute(2, 0, 1)[None].contiguous()
    arrays[f"src{at}"] = image
    for antialias in (False, True):
        resized = interpolate(
            planes, (out_height, out_width), mode="bilinear", align_corners=False, antialias=antialias
        )
        name = f"antialias{at}" if antialias else f"plain{at}"
        arrays[name] = numpy.ascontiguousarray(resized[0].permute(1, 2, 0).numpy())

# Of the colour conversion too: Pillow's L, where Pillow is there.
try:
    from PIL import Image

    rgb = random.integers(0, 256, (16, 16, 3)).astype(numpy.uint8)
    arrays["rgb"] = rgb
    arrays["gray"] = numpy.asarray(Image.fromarray(rgb).convert("L"))
except ImportError:
    raise SystemExit("Pillow is needed for the vectors of the colour conversion")

numpy.savez_compressed(pathlib.Path(__file__).with_name("resize.npz"), **arrays)
print("torch", torch.__version__)
