"""Writes conv2d.safetensors: convolutions of small images, and what PyTorch makes of them and of their gradients.

Computed in float64 and rounded to float32 once; images as (n, h, w, c), filters as (k, r, s, c).
Run with a Python that has torch, numpy and safetensors: python tests/vectors/conv2d.py. tests/ops/conv2d.rs reads it.
"""

import pathlib

import numpy
import torch
from safetensors.numpy import save_file
from torch.nn.functional import conv2d, linear

# images n, h, w, c; filters, their size, stride, padding.
CASES = [
    (2, 9, 7, 8, 16, 3, 1, 1),
    (1, 10, 11, 8, 8, 3, 2, 1),
    (2, 15, 13, 1, 8, 7, 2, 3),
    (1, 14, 17, 3, 20, 7, 2, 3),
    (3, 7, 6, 20, 9, 1, 2, 0),
    (1, 6, 6, 16, 8, 5, 1, 2),
]

random = numpy.random.default_rng(0)
arrays = {}


def draw(*shape):
    return random.normal(size=shape).astype(numpy.float32)


def double(array):
    return torch.from_numpy(array).double().requires_grad_()


def keep(at, **tensors):
    for name, array in tensors.items():
        if isinstance(array, torch.Tensor):
            array = array.detach().numpy()
        arrays[f"{name}_{at}"] = numpy.ascontiguousarray(array.astype(numpy.float32))


for at, (n, h, w, c, filters, size, stride, padding) in enumerate(CASES):
    images, weights, bias = draw(n, h, w, c), draw(filters, size, size, c), draw(filters)
    x, k, b = double(images), double(weights), double(bias)
    # As channels first, which is what PyTorch takes.
    y = conv2d(x.permute(0, 3, 1, 2), k.permute(0, 3, 1, 2), b, stride, padding).permute(0, 2, 3, 1)
    gradient = draw(*y.shape)
    y.backward(torch.from_numpy(gradient).double())
    keep(at, x=images, w=weights, b=bias, y=y, dy=gradient, dx=x.grad, dw=k.grad, db=b.grad)
    keep(at, how=numpy.array([stride, padding]))

# A linear layer is the convolution of images of 1 x 1.
at = len(CASES)
images, weights, bias = draw(5, 72), draw(40, 72), draw(40)
x, k, b = double(images), double(weights), double(bias)
y = linear(x, k, b)
gradient = draw(*y.shape)
y.backward(torch.from_numpy(gradient).double())
keep(at, b=bias, db=b.grad, how=numpy.array([1, 0]))
for name, array in {"x": images, "dx": x.grad, "w": weights, "dw": k.grad, "y": y, "dy": gradient}.items():
    rows, columns = array.shape
    keep(at, **{name: array.reshape(rows, 1, 1, columns)})

path = pathlib.Path(__file__).with_name("conv2d.safetensors")
save_file(arrays, path)
print("torch", torch.__version__, "bytes", path.stat().st_size)
