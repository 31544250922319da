"""Writes batch_norm.safetensors: what torch.nn.BatchNorm2d makes of a few images, its gradients and running statistics.

Run with a Python that has torch and safetensors: python tests/vectors/batch_norm.py. tests/ops/batch_norm.rs reads it.
Images here are (n, h, w, c). All is computed in float64, of inputs that float32 holds, and rounded to float32 at the end.
"""

import pathlib

import torch
from safetensors.torch import save_file

# batch, height, width, channels, offset of the images; whether a shortcut is added, and ReLU follows; training or not.
CASES = [
    (2, 3, 5, 1, 0.0, False, False, True),
    (3, 4, 4, 3, 0.0, False, True, True),
    (2, 5, 3, 8, 0.0, True, True, True),
    (4, 7, 7, 16, 100.0, True, True, True),
    (1, 1, 2, 5, 0.0, False, False, True),
    (2, 4, 5, 8, 1.0, True, True, False),
    (3, 3, 3, 3, 0.0, False, False, False),
]

torch.manual_seed(0)
arrays = {}
for at, (n, h, w, c, offset, add, relu, training) in enumerate(CASES):

    def draw(*shape):
        return torch.randn(*shape, dtype=torch.float32)

    x = draw(n, h, w, c) + offset
    inputs = {"x": x, "gamma": draw(c), "beta": draw(c), "mean": draw(c), "variance": torch.rand(c) + 0.5}
    inputs["dy"] = draw(n, h, w, c)
    if add:
        inputs["shortcut"] = draw(n, h, w, c)
    arrays |= {f"{at}.{name}": value.clone() for name, value in inputs.items()}
    arrays[f"{at}.case"] = torch.tensor([n * h * w, c, relu, training], dtype=torch.int64)

    norm = torch.nn.BatchNorm2d(c, dtype=torch.float64).train(training)
    with torch.no_grad():
        norm.weight.copy_(inputs["gamma"])
        norm.bias.copy_(inputs["beta"])
        norm.running_mean.copy_(inputs["mean"])
        norm.running_var.copy_(inputs["variance"])
    leaf = x.double().requires_grad_()
    y = norm(leaf.permute(0, 3, 1, 2)).permute(0, 2, 3, 1)
    shortcut = None
    if add:
        shortcut = inputs["shortcut"].double().requires_grad_()
        y = y + shortcut
    if relu:
        y = torch.relu(y)
    y.backward(inputs["dy"].double())
    outputs = {"y": y, "dx": leaf.grad, "dgamma": norm.weight.grad, "dbeta": norm.bias.grad}
    outputs |= {"moved_mean": norm.running_mean, "moved_variance": norm.running_var}
    if add:
        outputs["dshortcut"] = shortcut.grad
    arrays |= {f"{at}.{name}": value.detach().float().contiguous() for name, value in outputs.items()}

save_file(arrays, pathlib.Path(__file__).with_name("batch_norm.safetensors"))
print("torch", torch.__version__)
