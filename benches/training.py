#!/usr/bin/env python3
"""Times training steps against PyTorch: torchvision's networks, the same first weights, images, batch and number of
threads; both take steps alternately. Needs torch, torchvision and safetensors:

    python benches/training.py [--models resnet18,resnet50,vgg16] [--rounds 5]

Prints a Markdown table: seconds of a step (forward, loss, backward, Adam with weight decay), the peer's time as a
multiple of ours, both processes' peak memory, and both losses of the first steps, to check that both do the same work.

On a CPU PyTorch runs oneDNN in f32 with channels-last tensors; on a GPU automatic mixed precision (bf16),
channels-last, cudnn.benchmark and fused Adam, against our bf16.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time

from common import OURS, add_step_arguments, build, describe, take_turns

# The paper's batches.
BATCHES = {"resnet18": 40, "resnet34": 25, "resnet50": 12, "vgg13": 6, "vgg16": 6, "vgg19": 6}

# ---- the peer, in its own process ------------------------------------------------------------------------------------


def work(args):
    """Answers each line of standard input with a step's seconds and loss, like the example `steps`."""
    import numpy as np
    import torch
    import torchvision
    from safetensors.torch import load_file

    gpu = args.work == "gpu"
    device = torch.device("cuda" if gpu else "cpu")
    torch.set_num_threads(int(os.environ["OMP_NUM_THREADS"]))
    torch.backends.cudnn.benchmark = True
    options = {"dropout": 0.0} if args.model.startswith("vgg") else {}
    model = getattr(torchvision.models, args.model)(num_classes=2, **options)
    model.load_state_dict(load_file(args.weights), strict=True)
    model = model.to(device, memory_format=torch.channels_last).train()
    shape = (args.batch, args.size, args.size, 3)
    images = torch.from_numpy(np.fromfile(args.images, "<f4").reshape(shape)).permute(0, 3, 1, 2)
    images = images.to(device).contiguous(memory_format=torch.channels_last)
    labels = (torch.arange(args.batch) % 2).to(device)
    optimiser = torch.optim.Adam(model.parameters(), lr=1e-4, weight_decay=1e-4, fused=True)
    print("ready", flush=True)
    for _ in sys.stdin:
        start = time.perf_counter()
        optimiser.zero_grad()
        with torch.autocast("cuda", torch.bfloat16, enabled=gpu):
            loss = torch.nn.functional.cross_entropy(model(images), labels)
        loss.backward()
        optimiser.step()
        loss = loss.item()
        print(json.dumps({"seconds": time.perf_counter() - start, "loss": loss}), flush=True)


# ---- the comparison --------------------------------------------------------------------------------------------------


def compare(model, gpu, args):
    batch = args.batch or BATCHES[model]
    shape = ["--model", model, "--batch", batch, "--size", args.size]
    with tempfile.TemporaryDirectory() as folder:
        files = ["--weights", f"{folder}/weights.safetensors", "--images", f"{folder}/images"]
        device = ["--device", "cuda:0", "--precision", "bf16"] if gpu else ["--device", "cpu"]
        mine = [args.steps, *shape, *device, "--dropout", 0]
        # In a separate process, so that the memory for writing does not count as a step's.
        subprocess.run([str(word) for word in mine + files], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, check=True)
        peer = [sys.executable, __file__, "--work", "gpu" if gpu else "cpu", *shape, *files]
        tools, seconds, cpu, memory = take_turns(mine, peer, args)
    losses = [" ".join(f"{loss:.4f}" for loss in tool.losses[:2]) for tool in tools]
    cells = [model, batch, f"{seconds[0]:.3f}", f"{seconds[1]:.3f}", f"{seconds[1] / seconds[0]:.2f}"]
    cells += [*(f"{s:.2f}" for s in cpu), f"{cpu[1] / cpu[0]:.2f}"]
    cells += [f"{batch / seconds[0]:.1f}", f"{batch / seconds[1]:.1f}", *(f"{m / 1e9:.2f}" for m in memory), *losses]
    print("| " + " | ".join(str(cell) for cell in cells) + " |", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--batch", type=int, help="the paper's where not given: 40, 25, 12 and 6")
    parser.add_argument("--size", type=int, default=224)
    add_step_arguments(parser)
    args = parser.parse_args()
    if args.work:
        return work(args)
    import torch

    gpu = args.device == "cuda"
    args.steps = args.steps or build("steps", *(["--features", "cuda"] if gpu else []))
    describe(args.threads, args.simd, ["torch", "torchvision"])
    if gpu:
        print(f"GPU: {torch.cuda.get_device_name()}")
    print(f"Medians of {args.rounds} steps, {args.size} px; ratio: the peer's time over ours")
    print()
    heads = ["network", "batch", f"{OURS}, s", "torch, s", "ratio"]
    heads += [f"{OURS}, CPU s", "torch, CPU s", "ratio", f"{OURS}, images/s", "torch, images/s"]
    heads += [f"{OURS}, peak GB", "torch, peak GB", f"{OURS}, losses", "torch, losses"]
    print("| " + " | ".join(heads) + " |")
    print("|" + "---|" * len(heads), flush=True)
    for model in args.models.split(","):
        compare(model, gpu, args)


if __name__ == "__main__":
    main()
