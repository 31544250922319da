#!/usr/bin/env python3
"""Makes representations.json: the dimension of torchvision's activations, by scikit-dimension.

    python tests/vectors/representations.py    # torch 2.15, torchvision 0.29, safetensors, numpy, scikit-dimension 0.5.0

ResNet-18 of one channel and two classes has networks.py's weights of seed SEED, in evaluation mode and float64. The COUNT
images vary in four ways, so that their distances spread: with u the uniform numbers of networks.py's tensor 10000, pattern
p is those from 1600 p on, and image i has coefficients c_p = u[6400 + 4 i + p]:
    pixel = clip(floor(128.5 + 80 (c_0 p_0 + c_1 p_1 + c_2 p_2 + c_3 p_3)), 0, 255),  each u rounded to float32,
and the network gets pixel / 64 - 2. Distances are between activations as they are, in float64.
"""

import json
from importlib.metadata import version
from pathlib import Path

import numpy as np
import torch
from networks import IMAGES, network, uniform
from skdim.id import MLE, TwoNN

SEED, COUNT, SIZE, K, DISCARD = 7, 60, 40, 10, 0.1
LAYERS = ["maxpool", "layer1", "layer2", "layer3", "layer4", "avgpool"]


def images():
    u = uniform(SEED, IMAGES, 5 * SIZE * SIZE).astype(np.float32).astype(np.float64)
    patterns = u[: 4 * SIZE * SIZE].reshape(4, SIZE * SIZE)
    c = u[4 * SIZE * SIZE :][: 4 * COUNT].reshape(COUNT, 4)
    mixed = sum(c[:, p : p + 1] * patterns[p] for p in range(4))
    return np.clip(np.floor(128.5 + 80 * mixed), 0, 255)


def main():
    pixels = images()
    model = network("resnet18", 1, 2, SEED).eval()
    found = {}
    for layer in LAYERS:
        keep = lambda _module, _given, out, layer=layer: found.update({layer: out.flatten(1).numpy()})
        getattr(model, layer).register_forward_hook(keep)
    with torch.no_grad():
        model(torch.from_numpy(pixels / 64 - 2).reshape(COUNT, 1, SIZE, SIZE))
    found["input"] = pixels / 64 - 2
    layers = {}
    for layer in ["input", *LAYERS]:
        points = found[layer]
        numbers = {"values": points.shape[1]}
        for name, comb in [("mle_harmonic", "mle"), ("mle_mean", "mean")]:
            numbers[name] = MLE().fit(points, n_neighbors=K, comb=comb).dimension_
        numbers["twonn_fit"] = TwoNN(discard_fraction=DISCARD).fit(points).dimension_
        layers[layer] = numbers
        print(layer, numbers)
    result = {
        "made_by": f"representations.py: torch {torch.__version__}, scikit-dimension {version('scikit-dimension')}",
        "seed": SEED,
        "count": COUNT,
        "size": SIZE,
        "k": K,
        "discard_fraction": DISCARD,
        "pixels_sum": int(pixels.sum()),
        "layers": layers,
    }
    path = Path(__file__).parent / "representations.json"
    path.write_text(json.dumps(result, indent=1, default=float) + "\n")


if __name__ == "__main__":
    main()
