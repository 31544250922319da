"""Writes the folder inputs: small files by other people's writers, and expected.npz with the float32 values in them.

Run with a Python that has numpy, safetensors, ml_dtypes and Pillow: python tests/vectors/inputs.py.
tests/data/others.rs reads them.
"""

import pathlib

import ml_dtypes
import numpy
from PIL import Image
from safetensors.numpy import save_file

folder = pathlib.Path(__file__).with_name("inputs")
folder.mkdir(exist_ok=True)
random = numpy.random.default_rng(0)
expected = {}


def keep(name, array):
    """Writes down what a file's samples are, one row a sample."""
    expected[name] = numpy.asarray(array).astype(numpy.float32).reshape(len(array), -1)


# Of each type: values of it, among them the least and the greatest.
TYPES = {
    "u8": numpy.uint8,
    "u16": numpy.uint16,
    "f16": numpy.float16,
    "bf16": ml_dtypes.bfloat16,
    "f32": numpy.float32,
    "f64": numpy.float64,
}
LABELS = ["int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64"]


def values(name, shape):
    """Values that the type holds exactly; of float64 those beyond float32 are rounded by whoever reads them."""
    dtype = TYPES[name]
    if name in ("u8", "u16"):
        info = numpy.iinfo(dtype)
        array = random.integers(0, info.max + 1, shape).astype(dtype)
        array.flat[:2] = info.min, info.max
        return array
    array = random.normal(size=shape).astype(dtype)
    info = ml_dtypes.finfo(dtype) if name != "f64" else numpy.finfo(numpy.float32)
    subnormal = info.smallest_subnormal
    array.flat[:4] = -float(info.max), float(info.max), float(subnormal), -0.0
    return array


for at, name in enumerate(TYPES):
    labels = numpy.arange(4).astype(LABELS[at]) % 3
    features = values(name, (4, 7))
    images = values(name, (4, 3, 2))
    colored = values(name, (4, 3, 2, 3))
    save_file({"features": features, "labels": labels}, folder / f"features_{name}.safetensors")
    save_file({"images": images, "labels": labels}, folder / f"gray_{name}.safetensors")
    save_file({"images": colored, "labels": labels}, folder / f"rgb_{name}.safetensors")
    keep(f"features_{name}.safetensors", features)
    keep(f"gray_{name}.safetensors", images)
    keep(f"rgb_{name}.safetensors", colored)
    if name != "bf16":
        numpy.save(folder / f"matrix_{name}.npy", features)
        keep(f"matrix_{name}.npy", features)
        swapped = features.astype(features.dtype.newbyteorder(">"))
        numpy.savez_compressed(folder / f"features_{name}.npz", features=swapped, labels=labels)
        keep(f"features_{name}.npz", features)

# A tensor of any name, with others beside it, and text in the header.
embedding = values("f32", (4, 5))
save_file(
    {"embedding": embedding, "ids": numpy.arange(4), "scale": numpy.float32([2.0])},
    folder / "embedding.safetensors",
    metadata={"model": "none"},
)
keep("embedding.safetensors", embedding)

gray = random.integers(0, 256, (5, 6)).astype(numpy.uint8)
gray16 = random.integers(0, 65536, (5, 6)).astype(numpy.uint16)
rgb = random.integers(0, 256, (5, 6, 3)).astype(numpy.uint8)
rgba = numpy.concatenate([rgb, numpy.full((5, 6, 1), 255, numpy.uint8)], axis=2)
IMAGES = {
    "gray.tif": (gray, {}),
    "gray_lzw.tiff": (gray, {"compression": "tiff_lzw"}),
    "gray_deflate.tif": (gray, {"compression": "tiff_adobe_deflate"}),
    "gray16.tif": (gray16, {}),
    "rgb.tif": (rgb, {}),
    "rgb_packbits.tif": (rgb, {"compression": "packbits"}),
    "gray.bmp": (gray, {}),
    "rgb.bmp": (rgb, {}),
    "rgb.webp": (rgb, {"lossless": True}),
}
for name, (array, how) in IMAGES.items():
    Image.fromarray(array).save(folder / name, **how)
    keep(name, array[None])

# Alpha is dropped; of several images the first is taken.
Image.fromarray(rgba).save(folder / "rgba.tif")
keep("rgba.tif", rgb[None])
Image.fromarray(rgb).quantize(16).save(folder / "palette.bmp")
keep("palette.bmp", numpy.asarray(Image.open(folder / "palette.bmp").convert("RGB"))[None])
Image.fromarray(gray > 127).save(folder / "two_colors.bmp")
keep("two_colors.bmp", 255 * (gray > 127)[None])
Image.fromarray(gray).save(folder / "pages.tif", save_all=True, append_images=[Image.fromarray(gray.T.copy())])
keep("pages.tif", gray[None])
Image.fromarray(rgb).save(
    folder / "moving.webp", save_all=True, append_images=[Image.fromarray(255 - rgb)], lossless=True
)
keep("moving.webp", rgb[None])
# Lossy: what comes of it depends on the decoder.
noise = random.integers(0, 256, (40, 30, 3)).astype(numpy.uint8)
Image.fromarray(noise).save(folder / "lossy.webp", quality=50)
# Its pixels take no room.
Image.new("RGB", (2000, 1500), (1, 2, 3)).save(folder / "one_color.webp", lossless=True)
# One that is not read: floats.
Image.fromarray(gray.astype(numpy.float32)).save(folder / "float.tif")

numpy.savez_compressed(folder / "expected.npz", **expected)
print("files", len(expected))
