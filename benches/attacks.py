#!/usr/bin/env python3
"""Times attacks against torchattacks on PyTorch: torchvision's networks, the same weights, images, labels, epsilon, batch
and number of threads; both run attacks alternately. Needs torch, torchvision, torchattacks and safetensors:

    python benches/attacks.py [--models resnet18,resnet50,vgg16] [--size 32] [--batch 64] [--rounds 5]

Prints a Markdown table: seconds of FGSM and of PGD (10 steps from a random start) on a batch, the peer's time as a multiple
of ours, images attacked in a second, and the mean losses under attack, to check that both do the same work: FGSM's
agree, PGD's random starts differ.

On a CPU PyTorch runs oneDNN in f32 with channels-last tensors; on a GPU automatic mixed precision (bf16), channels-last and
cudnn.benchmark, against our bf16. Ours also returns each image's loss and class, by one more pass; that pass is
timed for the peer too, as every user needs it.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time

from common import OURS, add_step_arguments, build, describe, take_turns

ATTACKS = {"fgsm": "FGSM", "pgd": "PGD-10"}


def work(args):
    """Answers each line of standard input with an attack's seconds and loss, like the example `steps`."""
    import numpy as np
    import torch
    import torchattacks
    import torchvision
    from safetensors.torch import load_file

    gpu = args.work == "gpu"
    device = torch.device("cuda" if gpu else "cpu")
    torch.set_num_threads(int(os.environ["OMP_NUM_THREADS"]))
    torch.backends.cudnn.benchmark = True
    inner = getattr(torchvision.models, args.model)(num_classes=2)
    inner.load_state_dict(load_file(args.weights), strict=True)

    class Model(torch.nn.Module):
        """For images from 0 to 1, as in torchattacks; the network's input is from -1 to 1."""

        def __init__(self):
            super().__init__()
            self.inner = inner

        def forward(self, x):
            with torch.autocast("cuda", torch.bfloat16, enabled=gpu):
                return self.inner(2.0 * x - 1.0).float()

    model = Model().to(device, memory_format=torch.channels_last).eval()
    for weights in model.parameters():
        weights.requires_grad_(False)
    shape = (args.batch, args.size, args.size, 3)
    images = torch.from_numpy(np.fromfile(args.images, "<f4").reshape(shape)).permute(0, 3, 1, 2)
    images = ((images + 1.0) / 2.0).clamp(0.0, 1.0).to(device).contiguous(memory_format=torch.channels_last)
    labels = (torch.arange(args.batch) % 2).to(device)
    if args.attack == "fgsm":
        attack = torchattacks.FGSM(model, eps=2 / 255)
    else:
        attack = torchattacks.PGD(model, eps=2 / 255, alpha=0.5 / 255, steps=10, random_start=True)
    print("ready", flush=True)
    for _ in sys.stdin:
        start = time.perf_counter()
        found = attack(images, labels)
        with torch.no_grad():
            loss = torch.nn.functional.cross_entropy(model(found), labels).item()
        print(json.dumps({"seconds": time.perf_counter() - start, "loss": loss}), flush=True)


def compare(model, attack, gpu, args):
    shape = ["--model", model, "--batch", args.batch, "--size", args.size]
    with tempfile.TemporaryDirectory() as folder:
        files = ["--weights", f"{folder}/weights.safetensors", "--images", f"{folder}/images"]
        device = ["--device", "cuda:0", "--precision", "bf16"] if gpu else ["--device", "cpu"]
        mine = [args.steps, *shape, *device]
        # In a separate process, so that the memory for writing does not count as an attack's.
        words = [str(word) for word in mine + files]
        subprocess.run(words, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, check=True)
        peer = [sys.executable, __file__, "--work", "gpu" if gpu else "cpu", "--attack", attack, *shape, *files]
        tools, seconds, cpu, memory = take_turns([*mine, "--attack", attack], peer, args)
    cells = [model, ATTACKS[attack], f"{seconds[0]:.3f}", f"{seconds[1]:.3f}", f"{seconds[1] / seconds[0]:.2f}"]
    cells += [*(f"{s:.2f}" for s in cpu), f"{cpu[1] / cpu[0]:.2f}"]
    cells += [f"{args.batch / seconds[0]:.1f}", f"{args.batch / seconds[1]:.1f}", *(f"{m / 1e9:.2f}" for m in memory)]
    cells += [f"{tool.losses[-1]:.4f}" for tool in tools]
    print("| " + " | ".join(str(cell) for cell in cells) + " |", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--size", type=int, default=32)
    add_step_arguments(parser, "--attack")
    args = parser.parse_args()
    if args.work:
        return work(args)
    import torch

    gpu = args.device == "cuda"
    args.steps = args.steps or build("steps", *(["--features", "cuda"] if gpu else []))
    describe(args.threads, args.simd, ["torch", "torchvision", "torchattacks"])
    if gpu:
        print(f"GPU: {torch.cuda.get_device_name()}")
    print(f"Medians of {args.rounds} attacks on {args.batch} images of {args.size} px, epsilon 2 of 255; ratio: the ", end="")
    print("peer's time over ours\n")
    heads = ["network", "attack", f"{OURS}, s", "torchattacks, s", "ratio"]
    heads += [f"{OURS}, CPU s", "torchattacks, CPU s", "ratio", f"{OURS}, images/s", "torchattacks, images/s"]
    heads += [f"{OURS}, peak GB", "torchattacks, peak GB", f"{OURS}, loss", "torchattacks, loss"]
    print("| " + " | ".join(heads) + " |")
    print("|" + "---|" * len(heads), flush=True)
    for model in args.models.split(","):
        for attack in ATTACKS:
            compare(model, attack, gpu, args)


if __name__ == "__main__":
    main()
