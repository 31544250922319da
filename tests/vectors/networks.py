#!/usr/bin/env python3
"""Makes networks.safetensors: what torchvision's networks give for weights and images that anyone can make again.

    python tests/vectors/networks.py [NETWORK ...]     # all, or these anew; torch 2.15, torchvision 0.29, numpy, safetensors

Weights are too large to keep. They are a hash of (seed, tensor, element), the same here and in tests/nn/vectors.rs, and
so are the images; only results are kept. All arithmetic here is in float64, on weights and images that were rounded to
float32, so that the differences are the other side's rounding.

The hash: mix(z) is splitmix64's finaliser,
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;  z = (z ^ z >> 27) * 0x94d049bb133111eb;  z ^ z >> 31   (mod 2^64),
and word(seed, tensor, element) = mix(mix(seed * 2^32 + tensor) + (element + 1) * 0x9e3779b97f4a7c15). The uniform number
of a word is u = (word >> 11) / 2^52 - 1, from -1 to below 1. Tensor i of the state dict, in its order, has
    filters and matrices    u sqrt(6 / inputs), inputs being the product of all extents but the first
    batch norm's weight     0.5 + 0.1 u
    running_mean            0.1 u
    running_var             4 + 2 u
    a bias                  1.125, of u's sign, in batch norm, else 0.1 u
    num_batches_tracked     0
in C order of PyTorch's shapes. Images (n, c, h, w) are u of tensor 10000; image i's label is i modulo the classes.

A case is named NETWORK.CHANNELS.MODE. What is kept of it:
    logits, loss            the mean loss
    gradients               a row for the images' gradient and one for each parameter's, in the state dict's order:
                            the norm, and eight inner products with vectors of +-1: that of bit 63 - j, j = 0 .. 7, of
                            word(seed, 20000 + row, element), set for +1. The mean square of the eight products of a
                            difference estimates the difference's square norm.
    statistics              (mode train) the same of each running_mean and running_var after the forward pass
    steps                   (mode train) the same of each parameter less its first value, after three steps of Adam on
                            the batch, rate 1e-3 (ResNets) or 1e-4 (VGGs), weight decay 1e-4 added to the gradient,
                            eps 1e-3: with Adam's own 1e-8 a gradient of 0 but for rounding moves a weight a whole step
In mode train VGG's dropout drops by Philox 4x32-10 as sharpdim does: key (0, 0), counter (place / 4, layer, step, 0),
a value of a word below 2^31 falls; layer 0 and 1, step 0, 1, 2; places in C order of (n, values).
"""

import sys
from pathlib import Path

import numpy as np
import torch
import torchvision
from safetensors.numpy import load_file, save_file

GOLDEN = np.uint64(0x9E3779B97F4A7C15)
IMAGES, PRODUCTS = 10000, 20000

# Name, height and width, batch, and the seed: the first for which no activation lies so near to 0, and no two so near
# each other in a max pool's window, that rounding to float32 on the way decides which gradient flows. PyTorch's own
# gradients in float32 say so: they must be within SMOOTH of those in float64. (The other side's roundings are its own:
# where they alone put one activation on the other side of 0, a few tensors differ by some 1e-2, and the next seed is due.)
SMOOTH = 2e-5
CASES = [
    ("resnet18", (33, 40), 4, 1),
    ("resnet34", (33, 40), 4, 2),
    ("resnet50", (33, 40), 4, 2),
    ("vgg13", (64, 40), 1, 3),
    ("vgg16", (32, 40), 1, 1),
    ("vgg19", (32, 40), 1, 1),
]


def mix(z):
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))


def words(seed, tensor, start, count):
    key = mix(np.array([(seed << 32) + tensor], dtype=np.uint64))
    return mix(key + np.arange(start + 1, start + count + 1, dtype=np.uint64) * GOLDEN)


def pieces(count, size=1 << 22):
    for start in range(0, count, size):
        yield start, min(size, count - start)


def uniform(seed, tensor, count):
    out = np.empty(count)
    for start, size in pieces(count):
        out[start : start + size] = (words(seed, tensor, start, size) >> np.uint64(11)) / 2.0**52 - 1.0
    return out


def products(seed, row, tensor):
    values = tensor.detach().reshape(-1).numpy()
    sums = np.zeros(9)
    for start, size in pieces(len(values)):
        part, word = values[start : start + size], words(seed, PRODUCTS + row, start, size)
        sums[8] += part @ part
        total = part.sum()
        for j in range(8):
            sums[j] += 2.0 * part[(word >> np.uint64(63 - j)) & np.uint64(1) == 1].sum() - total
    return np.concatenate([[np.sqrt(sums[8])], sums[:8]])


def philox(place, layer, step):
    """The four words of each place, for the key (0, 0)."""
    mask = np.uint64(0xFFFFFFFF)
    c = [place.astype(np.uint64)] + [np.full(len(place), v, dtype=np.uint64) for v in (layer, step, 0)]
    key = [np.uint64(0), np.uint64(0)]
    for _ in range(10):
        a, b = np.uint64(0xD2511F53) * c[0], np.uint64(0xCD9E8D57) * c[2]
        c = [(b >> np.uint64(32)) ^ c[1] ^ key[0], b & mask, (a >> np.uint64(32)) ^ c[3] ^ key[1], a & mask]
        key = [(key[0] + np.uint64(0x9E3779B9)) & mask, (key[1] + np.uint64(0xBB67AE85)) & mask]
    return np.stack(c, axis=1).reshape(-1)


class Dropout(torch.nn.Module):
    def __init__(self, layer):
        super().__init__()
        self.layer, self.step = layer, 0

    def forward(self, x):
        if not self.training:
            return x
        word = philox(np.arange((x.numel() + 3) // 4), self.layer, self.step)[: x.numel()]
        return x * torch.from_numpy(np.where(word < 2**31, 0.0, 2.0)).reshape(x.shape).to(x.dtype)


def network(name, channels, classes, seed):
    with torch.device("meta"):
        model = getattr(torchvision.models, name)(num_classes=classes)
        first = model.conv1 if name.startswith("resnet") else model.features[0]
        bias = first.bias is not None
        made = torch.nn.Conv2d(channels, 64, first.kernel_size, first.stride, first.padding, bias=bias)
        if name.startswith("resnet"):
            model.conv1 = made
        else:
            model.features[0] = made
            model.classifier[2], model.classifier[5] = Dropout(0), Dropout(1)
    model.double().to_empty(device="cpu")
    state = model.state_dict()
    norms = {key[: -len(".running_mean")] for key in state if key.endswith(".running_mean")}
    for at, (key, value) in enumerate(state.items()):
        layer, kind = key.rsplit(".", 1)
        if kind == "num_batches_tracked":
            value.zero_()
            continue
        u = uniform(seed, at, value.numel())
        if value.dim() > 1:
            u *= np.sqrt(6.0 / np.prod(value.shape[1:]))
        elif kind == "weight":
            u = 0.5 + 0.1 * u
        elif kind == "running_mean":
            u *= 0.1
        elif kind == "running_var":
            u = 4.0 + 2.0 * u
        elif layer in norms:
            # Some two deviations from 0, so that few values lie so near it that rounding decides whether ReLU lets them by.
            u = np.where(u < 0, -1.125, 1.125)
        else:
            u *= 0.1
        with torch.no_grad():
            value.copy_(torch.from_numpy(u.astype(np.float32).astype(np.float64)).reshape(value.shape))
    return model


def passes(model, images, labels):
    """Logits, loss and gradients."""
    images = images.clone().requires_grad_()
    model.zero_grad()
    logits = model(images)
    loss = torch.nn.functional.cross_entropy(logits, labels)
    loss.backward()
    return logits, loss, [images.grad] + [p.grad for p in model.parameters()]


def rounding(name, size, batch, seed, channels, mode):
    """How far PyTorch's own gradients in float32 are from those in float64, of a tensor's norm, at worst."""
    classes = 3 if channels == 3 else 2
    found = []
    for dtype in (torch.float64, torch.float32):
        model = network(name, channels, classes, seed).to(dtype)
        model.train(mode == "train")
        shape = (batch, channels, *size)
        images = torch.from_numpy(uniform(seed, IMAGES, int(np.prod(shape))).astype(np.float32)).reshape(shape)
        found.append(passes(model, images.to(dtype), torch.arange(batch) % classes)[2])
    return max(float((b.double() - a).norm() / a.norm()) for a, b in zip(*found))


def case(name, size, batch, seed, channels, mode):
    classes = 3 if channels == 3 else 2
    model = network(name, channels, classes, seed)
    model.train(mode == "train")
    shape = (batch, channels, *size)
    images = uniform(seed, IMAGES, int(np.prod(shape))).astype(np.float32).astype(np.float64)
    images = torch.from_numpy(images).reshape(shape)
    labels = torch.arange(batch) % classes
    rate = 1e-3 if name.startswith("resnet") else 1e-4
    adam = torch.optim.Adam(model.parameters(), lr=rate, eps=1e-3, weight_decay=1e-4)

    logits, loss, gradients = passes(model, images, labels)
    rows = lambda tensors: np.stack([products(seed, row, tensor) for row, tensor in enumerate(tensors)])
    out = {"logits": logits.detach().numpy(), "loss": loss.detach().numpy().reshape(1), "gradients": rows(gradients)}
    del gradients
    if mode == "train":
        running = [v for k, v in model.state_dict().items() if "running" in k]
        if running:
            out["statistics"] = rows(running)
        first = [p.detach().to(torch.float32) for p in model.parameters()]
        adam.step()
        for step in (1, 2):
            for module in model.modules():
                if isinstance(module, Dropout):
                    module.step = step
            passes(model, images, labels)
            adam.step()
        out["steps"] = rows([p.detach() - q.double() for p, q in zip(model.parameters(), first)])
    return {f"{name}.{channels}.{mode}.{key}": np.ascontiguousarray(value) for key, value in out.items()}


def main():
    torch.set_num_threads(2)
    path = Path(__file__).parent / "networks.safetensors"
    out = load_file(path) if sys.argv[1:] else {}
    for name, size, batch, seed in CASES:
        if sys.argv[1:] and name not in sys.argv[1:]:
            continue
        for channels, mode in [(3, "train"), (3, "eval"), (1, "train"), (1, "eval")]:
            off = rounding(name, size, batch, seed, channels, mode)
            if off > SMOOTH:
                sys.exit(f"{name}, {channels} channels, {mode}: float32 is off by {off:.1e}: try another seed")
            out |= case(name, size, batch, seed, channels, mode)
            print(name, channels, mode, out[f"{name}.{channels}.{mode}.loss"], file=sys.stderr)
    out["shapes"] = np.array([[*size, batch, seed] for _, size, batch, seed in CASES], dtype=np.int64)
    save_file(out, path)


if __name__ == "__main__":
    main()
