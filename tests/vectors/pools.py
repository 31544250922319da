"""Writes pools.safetensors: what torch's max_pool2d and adaptive_avg_pool2d make of a few images, and their gradients.

Run with a Python that has torch and safetensors: python tests/vectors/pools.py. tests/ops/{max,avg}_pool.rs read it.
Images here are (n, h, w, c). All is computed in float64, of inputs that float32 holds, and rounded to float32 at the end.
"""

import pathlib

import torch
from safetensors.torch import save_file
from torch.nn.functional import adaptive_avg_pool2d, max_pool2d

# batch, height, width, channels, kernel, stride, padding, and what the values are.
MAX_CASES = [
    (2, 11, 9, 3, 3, 2, 1, "normal"),
    (1, 8, 10, 8, 2, 2, 0, "normal"),
    (1, 7, 7, 5, 3, 1, 1, "ties"),
    (2, 9, 8, 4, 3, 2, 1, "ties"),
    (1, 9, 9, 8, 3, 2, 1, "nan"),
    (1, 6, 7, 1, 2, 3, 1, "nan"),
]
# batch, height, width, channels, and the height and width of the output.
AVG_CASES = [
    (2, 7, 7, 5, 1, 1),
    (2, 1, 1, 3, 7, 7),
    (1, 2, 2, 8, 7, 7),
    (1, 5, 9, 4, 7, 7),
    (1, 14, 14, 8, 7, 7),
    (1, 6, 4, 3, 4, 3),
]

torch.manual_seed(0)
arrays = {}


def keep(name, operation, x):
    """Writes down images, their output, a gradient of it and theirs."""
    leaf = x.double().requires_grad_()
    y = operation(leaf.permute(0, 3, 1, 2)).permute(0, 2, 3, 1)
    dy = torch.randn(y.shape, dtype=torch.float32)
    y.backward(dy.double())
    for what, value in {"x": x, "y": y, "dy": dy, "dx": leaf.grad}.items():
        arrays[f"{name}.{what}"] = value.detach().float().contiguous()


for at, (n, h, w, c, kernel, stride, padding, values) in enumerate(MAX_CASES):
    x = torch.randn(n, h, w, c, dtype=torch.float32)
    if values == "ties":
        x = x.clamp(-0.5, 0.5).round()
    if values == "nan":
        x[torch.rand(x.shape) < 0.15] = float("nan")
    arrays[f"max{at}.case"] = torch.tensor([n, h, w, c, kernel, stride, padding])
    keep(f"max{at}", lambda planes: max_pool2d(planes, kernel, stride, padding), x)

for at, (n, h, w, c, out_h, out_w) in enumerate(AVG_CASES):
    arrays[f"avg{at}.case"] = torch.tensor([n, h, w, c, out_h, out_w])
    keep(f"avg{at}", lambda planes: adaptive_avg_pool2d(planes, (out_h, out_w)), torch.randn(n, h, w, c))

save_file(arrays, pathlib.Path(__file__).with_name("pools.safetensors"))
print("torch", torch.__version__)
