"""Writes training.safetensors: PyTorch's cross-entropy, optimisers, gradient norm and boxes of images, on fixed numbers.

Run with a Python that has torch and safetensors: python tests/vectors/training.py. tests/ops/{cross_entropy,adam,sgd,
guard,norm,take_images}.rs read it. PyTorch computes in float64, from inputs and settings that are float32 numbers: what remains between
its results and those of a float32 computation is that computation's own rounding.
"""

import pathlib

import torch
from safetensors.torch import save_file

STEPS, WEIGHTS = 5, 203
# The greatest norm of gradients that clip_grad_norm_ leaves as they are.
MOST = 3.5

# Settings as the tests have them, by the name of their case.
OPTIMISERS = {
    "adam": (torch.optim.Adam, {"lr": 0.01}),
    "adam_decay": (torch.optim.Adam, {"lr": 0.01, "weight_decay": 0.1}),
    "adamw": (torch.optim.AdamW, {"lr": 0.01, "weight_decay": 0.1}),
    "sgd": (torch.optim.SGD, {"lr": 0.1}),
    "sgd_momentum": (torch.optim.SGD, {"lr": 0.1, "momentum": 0.9}),
    "sgd_decay": (torch.optim.SGD, {"lr": 0.1, "momentum": 0.9, "weight_decay": 0.05}),
    "sgd_nesterov": (torch.optim.SGD, {"lr": 0.1, "momentum": 0.9, "weight_decay": 0.05, "nesterov": True}),
}


def as_float32(value):
    """The float32 number next to a setting."""
    return torch.tensor(value, dtype=torch.float32).double().item()


torch.manual_seed(0)
tensors = {}

# Weights away from 0, so that errors may be relative; gradients of sizes from 1e-4 to 1.
signs = torch.where(torch.rand(WEIGHTS) < 0.5, -1.0, 1.0)
tensors["weights"] = signs * (0.5 + torch.rand(WEIGHTS))
tensors["gradients"] = torch.randn(STEPS, WEIGHTS) * 10.0 ** (-4.0 * torch.rand(WEIGHTS))
for name, (kind, settings) in OPTIMISERS.items():
    weights = torch.nn.Parameter(tensors["weights"].double())
    settings = {key: value if value is True else as_float32(value) for key, value in settings.items()}
    if kind is not torch.optim.SGD:
        settings |= {"betas": (as_float32(0.9), as_float32(0.999)), "eps": as_float32(1e-8)}
    optimiser = kind([weights], **settings)
    after = []
    for gradient in tensors["gradients"]:
        weights.grad = gradient.double()
        optimiser.step()
        after.append(weights.detach().clone())
    tensors[f"{name}.weights"] = torch.stack(after)
    for key, value in optimiser.state[weights].items():
        if key in ("exp_avg", "exp_avg_sq", "momentum_buffer") and value is not None:
            tensors[f"{name}.{key}"] = value.detach().clone()

# Steps with gradients that clip_grad_norm_ shortened: of the five norms, some are above the bound and some below.
for name in ("adam", "sgd_momentum"):
    kind, settings = OPTIMISERS[name]
    settings = {key: as_float32(value) for key, value in settings.items()}
    if kind is not torch.optim.SGD:
        settings |= {"betas": (as_float32(0.9), as_float32(0.999)), "eps": as_float32(1e-8)}
    weights = torch.nn.Parameter(tensors["weights"].double())
    optimiser = kind([weights], **settings)
    after, norms = [], []
    for gradient in tensors["gradients"]:
        weights.grad = gradient.double()
        norms.append(torch.nn.utils.clip_grad_norm_([weights], MOST))
        optimiser.step()
        after.append(weights.detach().clone())
    assert min(norms) < MOST < max(norms), norms
    tensors[f"{name}.clipped"] = torch.stack(after)

# clip_grad_norm_ returns the norm of all gradients.
parameter = torch.nn.Parameter(torch.zeros(STEPS, WEIGHTS, dtype=torch.float64))
parameter.grad = tensors["gradients"].double()
tensors["norm"] = torch.nn.utils.clip_grad_norm_([parameter], 1.0).reshape(1)

for classes in (1, 2, 10, 257):
    logits = torch.randn(6, classes) * torch.tensor([[0.1], [1.0], [10.0], [1e2], [1e4], [3.0]])
    labels = torch.randint(0, classes, (6,))
    inputs = logits.double().requires_grad_()
    losses = torch.nn.functional.cross_entropy(inputs, labels, reduction="none")
    losses.mean().backward()
    tensors[f"cross_entropy{classes}.logits"] = logits
    tensors[f"cross_entropy{classes}.labels"] = labels.float()
    tensors[f"cross_entropy{classes}.losses"] = losses.detach()
    tensors[f"cross_entropy{classes}.gradient"] = inputs.grad

# Boxes of images, by row, top, left, height, width and whether flipped, resized to the images' own size.
images = torch.randint(0, 256, (3, 9, 11, 3))
boxes = [(0, 0, 0, 9, 11, 0), (1, 0, 0, 9, 11, 1), (2, 2, 3, 5, 4, 0), (2, 8, 10, 1, 1, 1), (0, 1, 0, 8, 1, 0), (1, 0, 4, 3, 7, 1)]
taken = []
for row, top, left, height, width, flip in boxes:
    box = images[row, top : top + height, left : left + width].permute(2, 0, 1).double()
    image = torch.nn.functional.interpolate(box[None], (9, 11), mode="bilinear", align_corners=False)[0]
    taken.append((image.flip(2) if flip else image).permute(1, 2, 0))
tensors["take_images.set"] = images.float()
tensors["take_images.boxes"] = torch.tensor(boxes).float()
tensors["take_images.taken"] = torch.stack(taken)

save_file(
    {name: tensor.contiguous() for name, tensor in tensors.items()},
    pathlib.Path(__file__).with_name("training.safetensors"),
)
print("torch", torch.__version__)
