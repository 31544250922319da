#!/usr/bin/env python3
"""Times this library's nearest neighbours against faiss, NumKong, scikit-learn and PyTorch: same data, same number of
threads, alternately. search_peer.py describes what is timed of each. Needs its packages:

    pip install faiss-cpu numkong scikit-learn torch
    python benches/peers.py [--quick] [--simd avx2] [--tables images]

Prints a Markdown table for each kind of data, and checks the neighbours: uniform values, which are the hardest, as all
distances are nearly equal; features, the ReLU of a random linear map of 24 normal variables; and images, the first of MNIST's
and CIFAR-10's. `--n` and `--dim` make one table of other sizes. Every tool is a process of its own that reads the samples
from a file, does the work once untimed and then timed. Each case has two rows: the seconds that pass, and those that
processors work, of which a busy machine takes hardly more (threads that wait by spinning count as working).
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

import search_peer
from common import OURS, SIMD, build, describe, environment, images, memory_bytes

UNIFORM = [(1750, 784), (1750, 3072), (5000, 784), (5000, 3072)]
# Each table's data, type, and its sizes: N and D.
TABLES = {
    "uniform floats": ("uniform", "f32", UNIFORM),
    "features": ("features", "f32", [(10_000, 512), (5000, 2048), (20_000, 128)]),
    "uniform bytes": ("uniform", "u8", UNIFORM),
    "images": ("images", "u8", UNIFORM),
    "images as floats": ("images", "f32", UNIFORM),
}


def samples(data, kind, n, dim, seed):
    import numpy as np

    random = np.random.default_rng(seed)
    if data == "images":
        names = {784: "mnist", 3072: "cifar10"}
        if dim not in names:
            sys.exit(f"peers.py: there are images of 784 and 3072 values, none of {dim}")
        pixels = images(names[dim], n)
        return pixels if kind == "u8" else pixels / np.float32(255)
    if data == "features":
        weights, bias = random.standard_normal((24, dim)), random.standard_normal(dim)
        return np.maximum(random.standard_normal((n, 24)) @ weights + bias, 0).astype("<f4")
    if kind == "u8":
        return random.integers(0, 256, (n, dim), np.uint8)
    return random.random((n, dim), np.float32) * np.float32(255)


def command(tool, case, data, indices, args):
    kind, n, dim = case
    words = ["--n", n, "--dim", dim, "--k", args.k, "--type", kind, "--data", data, "--indices", indices]
    words += ["--repeats", args.repeats]
    if tool.startswith(OURS):
        device = "cuda:0" if tool.endswith("GPU") else "cpu"
        words = [args.throughput, "--op", "neighbours", "--device", device, "--json", *words]
    else:
        words = [sys.executable, search_peer.__file__, tool, *words]
    return [str(word) for word in words]


def time_once(tool, case, data, indices, args):
    words = command(tool, case, data, indices, args)
    ran = subprocess.run(words, env=environment(args.threads, args.simd), stdout=subprocess.PIPE, text=True)
    if ran.returncode:
        sys.exit(f"peers.py: {tool} failed on {case}")
    return json.loads(ran.stdout)


def disagreements(ours, theirs, samples):
    """Rows with different neighbours: all, those where ours are farther (in f64), and those where theirs are."""
    import numpy as np

    rows = np.flatnonzero((np.sort(ours, axis=1) != np.sort(theirs, axis=1)).any(axis=1))
    # Distances are guaranteed to be exact for 8-bit samples, to 1e-5 for others.
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


def compare(data, case, tools, args):
    """Every tool's results on one case, in all rounds, and notes on differing neighbours; whether ours are wrong."""
    import numpy as np

    kind, n, dim = case
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "samples"
        values = samples(data, kind, n, dim, args.seed)
        values.tofile(file)
        said = {tool: [] for tool in tools}
        indices = {tool: Path(folder) / f"{tool}.indices" for tool in tools}
        for _ in range(args.rounds):
            for tool in tools:  # in turns, so that what else the machine does meets all alike
                said[tool].append(time_once(tool, case, file, indices[tool], args))
        found = {tool: np.fromfile(path, "<u4").reshape(n, args.k) for tool, path in indices.items() if path.exists()}
    remarks, bad = [], False
    for mine in [tool for tool in found if tool.startswith(OURS)]:
        for tool in [tool for tool in found if not tool.startswith(OURS)]:
            rows, worse, better = disagreements(found[mine], found[tool], values)
            if rows:
                remarks.append(
                    f"{n} x {dim}: {tool} and {mine} differ in {rows} rows of {n}: {tool} has farther neighbours in "
                    f"{better}, {mine} in {worse}, in the rest they are equally far"
                )
            bad |= worse > 0
    return said, remarks, bad


def able(tool, kind, n, dim):
    """Why a tool does not support a case; empty if it does."""
    if "8bit" in tool and kind != "u8":
        return "takes bytes only"
    _, copies, pair = search_peer.PEERS.get(tool, (None, 1, 0))
    return "needs more than half of the memory" if copies * 4 * n * dim + pair * n * n > memory_bytes() / 2 else None


def table(title, data, kind, sizes, tools, args):
    """Prints one table; whether ours found neighbours that are too far."""
    tools = [tool for tool in tools if able(tool, kind, 1, 1) is None]
    print(f"\n**{title}** ({kind})\n")
    print("| N | D | seconds | " + " | ".join(tools) + " |")
    print("|---:|---:|---|" + "---|" * len(tools), flush=True)
    remarks, used, bad = [], {}, False
    worst = {"wall": (float("inf"), ""), "CPU": (float("inf"), "")}
    for n, dim in sizes:
        can = [tool for tool in tools if able(tool, kind, n, dim) is None]
        said, differences, wrong = compare(data, (kind, n, dim), can, args)
        remarks += differences + [f"{n} x {dim}: {tool} {able(tool, kind, n, dim)}" for tool in tools if tool not in can]
        bad |= wrong
        used |= {tool: rounds[0]["device"] for tool, rounds in said.items()}
        for clock, key in [("wall", "seconds"), ("CPU", "cpu_seconds")]:
            medians = {t: statistics.median(s for round in said[t] for s in round[key]) for t in can}
            cells = []
            for tool in tools:
                mine = f"{OURS}, GPU" if tool.endswith("GPU") else OURS
                cell = f"{medians[tool]:.3g}" if tool in medians else ""
                if cell and tool != mine and mine in medians:
                    ratio = medians[tool] / medians[mine]
                    cell += f" ({ratio:.2f})"
                    if tool != search_peer.ALONE:
                        worst[clock] = min(worst[clock], (ratio, f"{tool}, {n} x {dim}"))
                cells.append(cell)
            print(f"| {n} | {dim} | {clock} | " + " | ".join(cells) + " |", flush=True)
    print()
    if worst["wall"][1]:
        print("- Worst ratios: " + "; ".join(f"{clock} {r:.2f} ({where})" for clock, (r, where) in worst.items()) + ".")
    print("- Instructions: " + "; ".join(f"{tool}: {said}" for tool, said in used.items()) + ".")
    remarks = remarks or ([] if args.peers_only else ["All found the same neighbours"])
    print("\n".join(f"- {remark}." for remark in remarks), flush=True)
    return bad


def numbers(text):
    return [int(word) for word in text.split(",")]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tables", default=",".join(TABLES), help="with commas; all where not given: %(default)s")
    parser.add_argument("--n", type=numbers, help="numbers of samples, with commas: a table of these sizes instead")
    parser.add_argument("--dim", type=numbers, default=[784, 3072], help="values in a sample: 784,3072,50176,150528")
    parser.add_argument("--type", choices=["u8", "f32"], default="u8", help="of the table that --n asks for")
    parser.add_argument("--data", choices=["uniform", "features", "images"], default="uniform", help="likewise")
    parser.add_argument("--peers", help="only those peers whose names have one of these words, with commas: faiss,torch")
    parser.add_argument("--k", type=int, default=20)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--simd", choices=SIMD, help="limit this library, and for avx2 the peers as far as they allow")
    parser.add_argument("--rounds", type=int, default=3, help="each runs every tool once; medians are shown")
    parser.add_argument("--repeats", type=int, default=3, help="timed calls of a tool's process")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--quick", action="store_true", help="the smallest size of each table, one round, one call")
    parser.add_argument("--peers-only", action="store_true", help="without this library")
    parser.add_argument("--throughput", type=Path, help="this library's program; built by Cargo where not given")
    args = parser.parse_args()
    if args.quick:
        args.rounds = args.repeats = 1
    import torch  # not before --help and wrong options

    gpu = torch.cuda.is_available()
    words = args.peers.split(",") if args.peers else [""]
    tools = [tool for tool in search_peer.PEERS if any(word in tool for word in words)]
    tools = [tool for tool in tools if gpu or not tool.endswith("GPU")]
    if not args.peers_only:
        tools = [OURS, *([f"{OURS}, GPU"] if gpu else []), *tools]
        args.throughput = args.throughput or build("throughput", *(["--features", "cuda"] if gpu else []))
    chosen = {}
    for name in args.tables.split(","):
        if name not in TABLES:
            parser.error(f"there is no table '{name}': {', '.join(TABLES)}")
        data, kind, sizes = TABLES[name]
        chosen[name] = data, kind, sizes[:1] if args.quick else sizes
    if args.n:
        chosen = {args.data: (args.data, args.type, [(n, dim) for n in args.n for dim in args.dim])}

    for data, kind, sizes in chosen.values():
        if data == "images":
            samples(data, kind, *max(sizes), args.seed)  # says what is missing before hours have passed

    describe(args.threads, args.simd, search_peer.PACKAGES)
    print(f"k = {args.k}. Medians of {args.rounds} rounds of {args.repeats} calls; in brackets how many times this")
    print("library's seconds, above 1 where slower.")
    return max(table(name, *rest, tools, args) for name, rest in chosen.items())


if __name__ == "__main__":
    sys.exit(main())
