#!/usr/bin/env python3
"""Trains ResNet-18 here and in PyTorch on the same images, split, settings and seeds, and compares test accuracy and loss.
Needs torch, torchvision, numpy, pillow and safetensors, and real images:

    python scripts/learning.py --data ../shared/data [--sets mnist,cifar10,brain_mri] [--seeds 0,1,2]

Prints a Markdown table of test accuracies and losses after the last epoch: each seed's, the mean and the standard
deviation. Frameworks draw other random numbers from a seed, so single runs differ; means should within their spread.
"""

import argparse
import gzip
import json
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "benches"))
from common import OURS, build, environment  # noqa: E402

# Name: (training images, test images, size, epochs)
SETS = {"mnist": (500, 750, 32, 20), "cifar10": (500, 750, 32, 30), "brain_mri": (300, 120, 112, 20)}


# ---- images ----------------------------------------------------------------------------------------------------------


def resized(images, size):
    """Bilinear, by Pillow, as 8 bits."""
    from PIL import Image

    images = [image if isinstance(image, Image.Image) else Image.fromarray(image) for image in images]
    return np.stack([np.asarray(image.resize((size, size), Image.Resampling.BILINEAR)) for image in images])


def mnist(data, size):
    def part(name):
        images = np.frombuffer(gzip.open(data / f"mnist/{name}-images-idx3-ubyte.gz").read(), np.uint8, offset=16)
        labels = np.frombuffer(gzip.open(data / f"mnist/{name}-labels-idx1-ubyte.gz").read(), np.uint8, offset=8)
        images, kept = images.reshape(-1, 28, 28), np.isin(labels, [3, 8])
        return resized(images[kept][:4000], size)[..., None], (labels[kept][:4000] == 8).astype(np.int64)

    return part("train"), part("t10k")


def cifar10(data, size):
    """Planes and automobiles."""

    def part(name):
        found = sorted((data / "cifar10").rglob(f"{name}.bin*"))[0]
        records = np.frombuffer(gzip.open(found).read(), np.uint8).reshape(-1, 3073)
        records = records[records[:, 0] < 2]
        images = records[:, 1:].reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1)
        return resized(list(images), size), records[:, 0].astype(np.int64)

    return part("data_batch_1"), part("test_batch")


def brain_mri(data, size):
    from PIL import Image

    files = [(file, label) for label, name in enumerate(["glioma_tumor", "no_tumor"])
             for file in sorted((data / "brain_mri" / name).iterdir())]
    images = resized([Image.open(file).convert("L") for file, _ in files], size)[..., None]
    return (images, np.array([label for _, label in files])), None


def split(name, data, seed):
    """Disjoint training and test images and their labels, balanced between classes."""
    train, test, size, _ = SETS[name]
    pool, own = globals()[name](data, size)
    random = np.random.default_rng(seed)

    def draw(images, labels, counts):
        parts = [[] for _ in counts]
        for label in (0, 1):
            rows = random.permutation(np.flatnonzero(labels == label))
            for part, count in zip(parts, counts):
                part.append(rows[: count // 2])
                rows = rows[count // 2 :]
        rows = [np.sort(np.concatenate(part)) for part in parts]
        return [(images[part], labels[part]) for part in rows]

    if own is None:
        return draw(*pool, [train, test])
    return draw(*pool, [train]) + draw(*own, [test])


# ---- training --------------------------------------------------------------------------------------------------------


def ours(program, file, name, seed, threads):
    train, test, size, epochs = SETS[name]
    with tempfile.TemporaryDirectory() as out:
        words = [program, file, "--test-part", "--scale", "none", "--size", size, "--train", train, "--test", test]
        words += ["--epochs", epochs, "--seed", seed, "--out", out, "--quiet", "--json", "--device", "cpu"]
        words = [str(word) for word in words]
        ran = subprocess.run(words, env=environment(threads), stdout=subprocess.PIPE, check=True)
    found = json.loads(ran.stdout)
    return found["test_accuracy"], found["test_loss"]


def theirs(parts, name, seed, threads):
    import torch
    import torchvision

    torch.manual_seed(seed)
    torch.set_num_threads(threads)
    (train, train_labels), (test, test_labels) = parts

    def tensor(images):
        images = torch.from_numpy(images).permute(0, 3, 1, 2).float() / 255
        return images.contiguous(memory_format=torch.channels_last)

    train, test = tensor(train), tensor(test)
    train_labels, test_labels = torch.from_numpy(train_labels), torch.from_numpy(test_labels)
    model = torchvision.models.resnet18(num_classes=2)
    channels = train.shape[1]
    if channels != 3:
        model.conv1 = torch.nn.Conv2d(channels, 64, 7, 2, 3, bias=False)
        torch.nn.init.kaiming_normal_(model.conv1.weight, mode="fan_out", nonlinearity="relu")
    model = model.to(memory_format=torch.channels_last)
    optimiser = torch.optim.Adam(model.parameters(), lr=1e-3, weight_decay=1e-4)
    for _ in range(SETS[name][3]):
        model.train()
        for rows in torch.randperm(len(train)).split(40):
            optimiser.zero_grad()
            torch.nn.functional.cross_entropy(model(train[rows]), train_labels[rows]).backward()
            optimiser.step()
    model.eval()
    with torch.no_grad():
        logits = torch.cat([model(images) for images in test.split(40)])
        loss = torch.nn.functional.cross_entropy(logits, test_labels).item()
        return (logits.argmax(1) == test_labels).float().mean().item(), loss


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="the folder with mnist, cifar10 and brain_mri")
    parser.add_argument("--sets", default=",".join(SETS))
    parser.add_argument("--seeds", default="0,1,2")
    parser.add_argument("--threads", type=int, default=2)
    args = parser.parse_args()
    import torch
    from safetensors.numpy import save_file

    program = build("train")
    print(f"ResNet-18 after the last epoch, the paper's settings; torch {torch.__version__}, {args.threads} threads")
    print()
    print("| images | epochs | tool | test accuracy, % | mean ± sd | test loss | mean |")
    print("|" + "---|" * 7, flush=True)
    for name in args.sets.split(","):
        train, test, size, epochs = SETS[name]
        found = {OURS: [], "PyTorch": []}
        for seed in map(int, args.seeds.split(",")):
            parts = split(name, args.data, seed)
            with tempfile.TemporaryDirectory() as folder:
                file = Path(folder) / f"{name}.safetensors"
                (a, b), (c, d) = parts
                tensors = {"train_images": a, "train_labels": b, "test_images": c, "test_labels": d}
                save_file({key: np.ascontiguousarray(value) for key, value in tensors.items()}, file)
                found[OURS].append(ours(program, file, name, seed, args.threads))
            found["PyTorch"].append(theirs(parts, name, seed, args.threads))
        for tool, results in found.items():
            accuracies, losses = [100 * a for a, _ in results], [loss for _, loss in results]
            spread = f"{statistics.mean(accuracies):.1f} ± {statistics.stdev(accuracies):.1f}" if len(results) > 1 else ""
            cells = [f"{name}, {train} + {test}, {size} px", epochs, tool, " ".join(f"{a:.1f}" for a in accuracies)]
            cells += [spread, " ".join(f"{loss:.3f}" for loss in losses), f"{statistics.mean(losses):.3f}"]
            print("| " + " | ".join(str(cell) for cell in cells) + " |", flush=True)


if __name__ == "__main__":
    main()
