#!/usr/bin/env python3
"""Times this library's nearest neighbours beside faiss and PyTorch: same data, same number of threads, in turns.
Needs numpy, faiss-cpu and torch:  python benches/peers.py [--quick]   Prints a Markdown table, checks the neighbours.

Every tool is a process of its own that reads the samples from a file, does the work once untimed and once timed, and
writes the neighbours it found. What is timed is the call that a user makes: faiss's add and search, PyTorch's cdist
and topk, this library's `ops::neighbours`, each from samples in host memory to indices in host memory. On a CPU the
peers get 8-bit samples already as f32, which they need: the conversion is a gift to them.
"""

import argparse
import datetime
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from common import OURS, build, chip, environment, memory_bytes, revision

# Subtracts and squares pair by pair: accurate, but slow enough to be left out above this many N * N * D.
DIRECT_LIMIT = 5e11


# ---- the tools, each in its own process ------------------------------------------------------------------------------


def search_faiss(samples, k):
    import faiss

    index = faiss.IndexFlatL2(samples.shape[1])
    index.add(samples)
    return index.search(samples, k + 1)[1]


def search_torch(samples, k, mode, device):
    import torch

    # To the GPU as they are, converted there: fewer bytes over the bus.
    x = torch.from_numpy(samples).to(device).float()
    rows = max(1, (1 << 30) // (4 * len(x)))  # 1 GiB of distances at a time
    found = []
    for start in range(0, len(x), rows):
        distances = torch.cdist(x[start : start + rows], x, compute_mode=mode)
        found.append(distances.topk(k + 1, largest=False).indices.cpu())
    return torch.cat(found).numpy()


MM = "use_mm_for_euclid_dist_if_necessary"  # PyTorch's default
DIRECT = "donot_use_mm_for_euclid_dist"
PEERS = {
    # name: (the search, copies of the samples in f32 that it holds at its peak)
    "faiss IndexFlatL2": (search_faiss, 2),
    "torch cdist": (lambda samples, k: search_torch(samples, k, MM, "cpu"), 3),
    "torch cdist, direct": (lambda samples, k: search_torch(samples, k, DIRECT, "cpu"), 2),
    "torch cdist, GPU": (lambda samples, k: search_torch(samples, k, MM, "cuda"), 2),
}


def without_self(found, k):
    """The k nearest others: the sample itself goes, or, where something at distance 0 took its place, the last."""
    import numpy as np

    keep = found != np.arange(len(found))[:, None]
    keep[keep.all(axis=1), -1] = False
    return found[keep].reshape(len(found), k)


def work(args):
    """One peer's process: prints what `throughput --json` prints."""
    import numpy as np

    threads = int(os.environ["OMP_NUM_THREADS"])
    if args.work.startswith("faiss"):
        import faiss

        faiss.omp_set_num_threads(threads)
    else:
        import torch

        torch.set_num_threads(threads)
    samples = np.fromfile(args.data, np.dtype(args.type)).reshape(args.n, args.dim)
    if not args.work.endswith("GPU"):
        samples = samples.astype(np.float32)
    search = PEERS[args.work][0]
    found = search(samples, args.k)  # untimed
    start = time.perf_counter()
    search(samples, args.k)
    seconds = time.perf_counter() - start
    without_self(found, args.k).astype("<u4").tofile(args.indices)
    print(json.dumps({"seconds": [seconds]}))


# ---- the comparison --------------------------------------------------------------------------------------------------


def command(tool, case, data, indices, args):
    n, dim, kind = case
    shape = ["--n", n, "--dim", dim, "--k", args.k, "--data", data, "--indices", indices]
    if tool.startswith(OURS):
        device = "cuda:0" if tool.endswith("GPU") else "cpu"
        words = [args.throughput, "--op", "neighbours", "--type", kind, "--repeats", 1, "--device", device, "--json"]
    else:
        words = [sys.executable, __file__, "--work", tool, "--type", {"u8": "u1", "f32": "<f4"}[kind]]
    return [str(word) for word in words + shape]


def time_once(tool, case, data, indices, args):
    words = command(tool, case, data, indices, args)
    ran = subprocess.run(words, env=environment(args.threads), stdout=subprocess.PIPE, text=True)
    if ran.returncode:
        sys.exit(f"peers.py: {tool} failed on {case}")
    return json.loads(ran.stdout)["seconds"][0]


def disagreements(ours, theirs, samples):
    """Rows with other neighbours: in all, those where ours are farther (in f64), and those where theirs are."""
    import numpy as np

    rows = np.flatnonzero((np.sort(ours, axis=1) != np.sort(theirs, axis=1)).any(axis=1))
    # Distances of 8-bit samples are promised exactly, of others to 1e-5.
    allowed = 1 if samples.dtype == np.uint8 else 1 + 1e-5
    ours_farther = theirs_farther = 0
    for row in rows:

        def distances(columns):
            differences = samples[columns].astype(np.float64) - samples[row].astype(np.float64)
            return np.sort(np.sqrt((differences**2).sum(axis=1)))

        a, b = distances(ours[row]), distances(theirs[row])
        ours_farther += bool((a > b * allowed).any())
        theirs_farther += bool((b > a).any())
    return len(rows), ours_farther, theirs_farther


def compare(case, tools, folder, args):
    """Medians of every tool on one case, and whether all found the same neighbours."""
    import numpy as np

    n, dim, kind = case
    random = np.random.default_rng(args.seed)
    if kind == "u8":
        samples = random.integers(0, 256, (n, dim), np.uint8)
    else:
        samples = random.random((n, dim), np.float32) * np.float32(255)
    data = folder / "samples"
    samples.tofile(data)

    times = {tool: [] for tool in tools}
    indices = {tool: folder / f"{tool}.indices" for tool in tools}
    for _ in range(args.rounds):
        for tool in tools:  # in turns, so that what else the machine does meets all alike
            times[tool].append(time_once(tool, case, data, indices[tool], args))
    found = {tool: np.fromfile(indices[tool], "<u4").reshape(n, args.k) for tool in tools}
    remarks, bad = [], False
    for mine in [tool for tool in tools if tool.startswith(OURS)]:
        for tool in [tool for tool in tools if not tool.startswith(OURS)]:
            rows, worse, better = disagreements(found[mine], found[tool], samples)
            if rows:
                remarks.append(
                    f"{tool} and {mine} differ in {rows} rows of {n}: {tool} has farther neighbours in {better}, "
                    f"{mine} in {worse}, in the rest they are equally far"
                )
            bad |= worse > 0
    return {tool: statistics.median(seconds) for tool, seconds in times.items()}, remarks, bad


def numbers(text):
    return [int(word) for word in text.split(",")]


def parse():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--n", type=numbers, help="numbers of samples, with commas: 1000,1750,10000")
    parser.add_argument("--dim", type=numbers, help="values in a sample: 784,3072,50176,150528")
    parser.add_argument("--type", default="u8", help="u8, f32 or u8,f32 (f32: not integers, no exact path applies)")
    parser.add_argument("--k", type=int, default=20)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, help="each runs every tool once, medians are shown: 3")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--direct", action="store_true", help="also cdist without the matrix product: accurate, slow")
    parser.add_argument("--quick", action="store_true", help="1000 and 1750 samples of 784 and 3072 values, one round")
    parser.add_argument("--peers-only", action="store_true", help="without this library")
    parser.add_argument("--throughput", type=Path, help="this library's program; built by Cargo where not given")
    parser.add_argument("--work", choices=PEERS, help=argparse.SUPPRESS)
    parser.add_argument("--data", help=argparse.SUPPRESS)
    parser.add_argument("--indices", help=argparse.SUPPRESS)
    args = parser.parse_args()
    args.n = args.n or [1000, 1750] + ([] if args.quick else [10_000])
    args.dim = args.dim or [784, 3072] + ([] if args.quick else [50_176, 150_528])
    args.rounds = args.rounds or (1 if args.quick else 3)
    if args.work:
        args.n, args.dim = args.n[0], args.dim[0]
    return args


def main():
    args = parse()
    if args.work:
        return work(args)
    import faiss
    import numpy
    import torch

    gpu = torch.cuda.is_available()
    tools = [] if args.peers_only else [OURS]
    tools += ["faiss IndexFlatL2", "torch cdist"] + (["torch cdist, direct"] if args.direct else [])
    if gpu:
        tools += ([] if args.peers_only else [f"{OURS}, GPU"]) + ["torch cdist, GPU"]
    if not args.peers_only:
        args.throughput = args.throughput or build("throughput", *(["--features", "cuda"] if gpu else []))

    print(f"{datetime.date.today()}, {chip()}, {memory_bytes() >> 30} GiB; {args.threads} threads; k = {args.k}")
    print(f"Load average before: {os.getloadavg()[0]:.1f} (others' work slows all tools, and not always alike)")
    if gpu:
        print(f"GPU: {torch.cuda.get_device_name()}")
    print(f"sharpdim {revision()}, faiss-cpu {faiss.__version__}, torch {torch.__version__}, numpy {numpy.__version__}")
    print(f"Seconds, medians of {args.rounds}; in brackets how many times this library's time, above 1 where slower")
    print()
    print("| N | D | type | " + " | ".join(tools) + " |")
    print("|" + "---|" * (3 + len(tools)), flush=True)
    remarks, bad = [], False
    for kind in args.type.split(","):
        for n in args.n:
            for dim in args.dim:
                row, wrong, row_remarks = line((n, dim, kind), tools, args)
                print(row, flush=True)
                remarks += [f"- {n} x {dim} {kind}: {remark}" for remark in row_remarks]
                bad |= wrong
    print()
    print("\n".join(remarks) or ("" if args.peers_only else "All found the same neighbours."))
    return 1 if bad else 0


def line(case, tools, args):
    """One row of the table."""
    n, dim, kind = case
    able, remarks = [], []
    for tool in tools:
        copies = 1 if tool.startswith(OURS) else PEERS[tool][1]
        if copies * 4 * n * dim > memory_bytes() / 2:
            remarks.append(f"{tool} left out: it needs more than half of the memory")
        elif tool.endswith("direct") and n * n * dim > DIRECT_LIMIT:
            remarks.append(f"{tool} left out: it would take minutes")
        else:
            able.append(tool)
    if all(tool.startswith(OURS) for tool in able):
        return f"| {n} | {dim} | {kind} |" + " |" * len(tools), False, remarks
    with tempfile.TemporaryDirectory() as folder:
        medians, differences, bad = compare(case, able, Path(folder), args)
    cells = []
    for tool in tools:
        cell = f"{medians[tool]:.3f}" if tool in medians else ""
        mine = f"{OURS}, GPU" if tool.endswith("GPU") else OURS
        if cell and tool != mine and mine in medians:
            cell += f" ({medians[tool] / medians[mine]:.2f})"
        cells.append(cell)
    return f"| {n} | {dim} | {kind} | " + " | ".join(cells) + " |", bad, remarks + differences


if __name__ == "__main__":
    sys.exit(main())
