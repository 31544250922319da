#!/usr/bin/env python3
"""FGSM's loss and accuracy penalties on networks trained here on real images, and the dimension of their representations,
against the images' label sharpness and dimension:

    python scripts/robustness.py --data ../shared/data [--sets mnist,brain_mri] [--seeds 0,1,2] [--folder runs]

Each set: gray, resized to one size; ResNet-18 trained on as many images (fewer where the set has fewer), attacked on others.
Prints a Markdown table: means over seeds, with standard deviations; Pearson's r of the loss penalty with K_F over the sets, at
each epsilon; and how often d_repr is below d_data, both by the MLE over the images trained on. Needs no package.
"""

import argparse
import json
import math
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "benches"))
from common import build, revision  # noqa: E402

# Name: (classes, or "" for both of two, training images, test images, domain)
SETS = {
    "mnist": ("3,8", 300, 200, "natural"),
    "cifar10": ("airplane,automobile", 300, 200, "natural"),
    "tiny_imagenet": ("n01443537_goldfish,n02099601_golden_retriever", 140, 60, "natural"),
    "brain_mri": ("", 300, 120, "radiology"),
    "chest_xray_adult": ("", 300, 200, "radiology"),
    "chest_xray_pediatric": ("", 300, 200, "radiology"),
    "knee_oa": ("", 300, 100, "radiology"),
    "breast_ultrasound": ("", 220, 100, "radiology"),
    "head_ct": ("", 138, 60, "radiology"),
}


def run(*words):
    ran = subprocess.run([str(word) for word in words], stdout=subprocess.PIPE, text=True)
    if ran.returncode:
        sys.exit(f"robustness.py: {' '.join(map(str, words))} failed")
    return json.loads(ran.stdout)


def spread(values, form):
    mean = form.format(statistics.mean(values))
    return f"{mean} ± {form.format(statistics.stdev(values))}" if len(values) > 1 else mean


def pearson(x, y):
    mx, my = statistics.mean(x), statistics.mean(y)
    above = sum((a - mx) * (b - my) for a, b in zip(x, y))
    return above / math.sqrt(sum((a - mx) ** 2 for a in x) * sum((b - my) ** 2 for b in y))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder of the sets")
    parser.add_argument("--sets", default=",".join(SETS))
    parser.add_argument("--seeds", default="0,1,2")
    parser.add_argument("--size", type=int, default=112)
    parser.add_argument("--epochs", type=int, default=30)
    parser.add_argument("--epsilon", default="1,2,4,8")
    parser.add_argument("--folder", type=Path, help="where runs stay, and go on from; a temporary one where not given")
    args = parser.parse_args()
    programs = {name: build(name) for name in ("measure", "train", "attack", "represent")}
    temporary = tempfile.TemporaryDirectory()
    folder = args.folder or Path(temporary.name)
    epsilons = args.epsilon.split(",")
    print(f"ResNet-18, {args.size} px, gray, {args.epochs} epochs, seeds {args.seeds}; FGSM; sharpdim {revision()}\n")
    heads = ["set", "trained on", "K_F x 1e4", "d_data", "d_repr", "accuracy, %", "loss", *(f"penalty at {e}" for e in epsilons)]
    print("| " + " | ".join(heads) + " |")
    print("|" + "---|" * len(heads), flush=True)
    sharp, penalties, below = [], [], []
    for name in args.sets.split(","):
        classes, train, test, domain = SETS[name]
        chosen = ["--classes", classes] if classes else []
        path = args.data / name
        per_class = ["--per-class", train // 2, "--size", args.size, "--grayscale", "--json"]
        found = run(programs["measure"], path, *chosen, *per_class)
        loss, accuracy, penalty, data, repr_ = [], [], [], [], []
        for seed in args.seeds.split(","):
            out = folder / f"{name}-{seed}"
            how = ["--train", train, "--test", test, "--size", args.size, "--epochs", args.epochs, "--grayscale"]
            run(programs["train"], path, *chosen, *how, "--seed", seed, "--out", out, "--resume", "--quiet", "--json")
            checkpoint = out / "checkpoint.safetensors"
            attacked = run(programs["attack"], checkpoint, "--epsilon", args.epsilon, "--quiet", "--json")
            layers = ["--layers", "input,last_hidden", "--quiet", "--json"]
            represented = run(programs["represent"], checkpoint, *layers)
            data.append(represented["d_data"])
            repr_.append(represented["d_repr"])
            below.append(repr_[-1] < data[-1])
            loss.append(attacked["loss"]["value"])
            accuracy.append(100 * attacked["accuracy"]["value"])
            penalty.append([level["loss_penalty"]["value"] for level in attacked["attacks"][0]["levels"]])
        sharp.append(found["label_sharpness"]["max"])
        penalties.append([statistics.mean(values) for values in zip(*penalty)])
        cells = [f"{name} ({domain})", train, f"{1e4 * sharp[-1]:.2f}", spread(data, "{:.1f}"), spread(repr_, "{:.1f}")]
        cells += [spread(accuracy, "{:.1f}"), spread(loss, "{:.3f}")]
        cells += [spread(values, "{:.2f}") for values in zip(*penalty)]
        print("| " + " | ".join(map(str, cells)) + " |", flush=True)
    if len(sharp) > 2:
        found = [pearson(sharp, [penalty[at] for penalty in penalties]) for at in range(len(epsilons))]
        told = ", ".join(f"{r:.2f} at {epsilon}" for r, epsilon in zip(found, epsilons))
        print(f"\nPearson's r of the loss penalty with K_F over the {len(sharp)} sets: {told}")
    print(f"\nd_repr is below d_data in {sum(below)} of {len(below)} networks")


if __name__ == "__main__":
    main()
