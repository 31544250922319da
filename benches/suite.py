#!/usr/bin/env python3
"""Times the estimators of intrinsic dimension that both this library and scikit-dimension have, on the same data with
the same number of threads. Needs numpy and scikit-dimension:  python benches/suite.py [--quick]

Prints a Markdown table, and checks that both agree. The data are generated images of a few blurred spots of varying
places, sizes and strengths: 8-bit as image files have them, and the same without rounding.

Each side is a process of its own, warmed up untimed. For each estimator scikit-dimension's best time counts: with
float64 in one process and thread; in as many processes as threads or, where it cannot do that, with its BLAS in so many
threads; with float32 in the better of these ways. It searches neighbours for each
estimator, as its user's calls do; with precomputed neighbours, where it takes them, it is timed too. CPU is processor
time, which other load hardly changes: scikit-dimension's with one process and thread.
"""

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from common import OURS, SIMD, build, describe, environment

SPOTS = 3


def spots(n, side, seed):
    """n images of side * side values in 0..255: sums of Gaussian spots, each with a position, a size and a strength."""
    import numpy as np

    random = np.random.default_rng(seed)
    at = np.arange(side)
    images = np.zeros((n, side, side))
    for _ in range(SPOTS):
        row, column = random.uniform(0.2 * side, 0.8 * side, (2, n, 1))
        size = random.uniform(0.08 * side, 0.16 * side, (n, 1))
        strength = random.uniform(0.5, 1, (n, 1, 1))
        across, down = (np.exp(-0.5 * ((at - centre) / size) ** 2) for centre in (column, row))
        images += strength * down[:, :, None] * across[:, None, :]
    return (images * (255 / images.max())).reshape(n, -1)


def clock(run):
    """Wall seconds, CPU seconds, and the result."""
    start, worked = time.perf_counter(), time.process_time()
    value = run()
    return time.perf_counter() - start, time.process_time() - worked, value


def peak_bytes():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def work(args):
    """scikit-dimension's process: seconds and values of each estimator in each configuration, as JSON."""
    import numpy as np
    import suite_peer
    from skdim._commonfuncs import get_nn
    from threadpoolctl import threadpool_info, threadpool_limits

    stored = np.fromfile(args.data, {"u8": "u1", "f32": "<f4"}[args.type]).reshape(args.n, -1)
    before = peak_bytes()
    # Its worker processes share the processors: one BLAS thread each.
    os.environ.update({name: "1" for name in os.environ if name.endswith("_NUM_THREADS")})
    ways = {name: [] for name in suite_peer.ESTIMATORS}
    for name, tried in ways.items():

        def run(dtype, jobs, blas):
            x = stored.astype(dtype)
            with threadpool_limits(blas, "blas"):
                suite_peer.estimate(name, x[: max(100, len(x) // 50)], jobs)  # untimed: compiles, starts processes
                seconds, cpu, value = clock(lambda: suite_peer.estimate(name, x, jobs))
            way = {"dtype": dtype, "jobs": jobs, "blas": blas}
            tried.append({**way, "seconds": seconds, "cpu": cpu, "value": value})
            print(f"  {name}, {way}: {seconds:.2f} s, CPU {cpu:.2f} s", file=sys.stderr, flush=True)

        run("float64", 1, 1)
        if args.one_way:
            continue
        # Where each sample has a small matrix, BLAS threads only wait for each other.
        run("float64", *((args.threads, 1) if name in suite_peer.TAKE_JOBS else (1, args.threads)))
        best = min(tried, key=lambda way: way["seconds"])
        run("float32", best["jobs"], best["blas"])
    peak = peak_bytes()

    x = stored.astype(np.float64)
    search, _, knn = clock(lambda: get_nn(x, suite_peer.PCA_K, n_jobs=args.threads))
    given = {"search": search}
    for name in suite_peer.TAKE_NEIGHBOURS:
        best = min((way for way in ways[name] if way["dtype"] == "float64"), key=lambda way: way["seconds"])
        with threadpool_limits(best["blas"], "blas"):
            given[name] = clock(lambda: suite_peer.estimate(name, x, best["jobs"], knn))[0]
    plain = {name: definition(x) for name, definition in suite_peer.PLAIN.items()}
    blas = ", ".join(sorted({pool["architecture"] for pool in threadpool_info() if "architecture" in pool}))
    said = {"ways": ways, "given": given, "plain": plain, "peak_bytes": peak, "before_bytes": before}
    print(json.dumps({**said, "blas": blas}))


def ran(words, args):
    """The output of a process, as JSON."""
    own = environment(args.threads, args.simd)
    done = subprocess.run([str(word) for word in words], env=own, stdout=subprocess.PIPE, text=True)
    if done.returncode:
        sys.exit(f"suite.py: {words[0]} failed")
    return json.loads(done.stdout)


def ours(names, data, kind, args):
    """One call of `intrinsic_dims`, after an untimed one."""
    words = [args.throughput, "--op", "dimension", "--estimators", ",".join(names), "--type", kind, "--data", data]
    words += ["--n", args.n, "--dim", args.side**2, "--repeats", 1, "--device", "cpu", "--json"]
    return ran(words, args)


def compare(kind, folder, args):
    """One kind of data: prints its table; whether values disagree."""
    import numpy as np
    import suite_peer

    images = spots(args.n, args.side, args.seed)
    data = folder / kind
    (np.round(images).astype(np.uint8) if kind == "u8" else images.astype("<f4")).tofile(data)
    names = list(suite_peer.ESTIMATORS)
    alone, together, peers = {name: [] for name in names}, [], []
    for _ in range(args.rounds):  # in turns, so that what else the machine does meets both alike
        together.append(ours(names, data, kind, args))
        for name in names:
            alone[name].append(ours([name], data, kind, args))
        words = [sys.executable, __file__, "--work", "--data", data, "--type", kind, "--n", args.n]
        words += ["--one-way"] if args.one_way else []
        peers.append(ran([*words, "--threads", args.threads], args))

    def median(value):
        return statistics.median(value(peer) for peer in peers)

    def best(name):
        return median(lambda peer: min(way["seconds"] for way in peer["ways"][name]))

    print(f"\n**N = {args.n}, D = {args.side**2}, {kind}**\n")
    head = ["estimator", "sharpdim", "scikit-dimension", "ratio", "CPU", "its CPU", "ratio", "given neighbours"]
    print("| " + " | ".join([*head, "value", "difference"]) + " |")
    print("|---|" + "---:|" * 9)
    mine = {name: statistics.median(run["seconds"][0] for run in alone[name]) for name in names}
    cpu = {name: statistics.median(run["cpu_seconds"][0] for run in alone[name]) for name in names}
    # One process, one thread: nothing waits by spinning.
    its_cpu = {name: median(lambda peer: peer["ways"][name][0]["cpu"]) for name in names}

    def line(name, one, other, one_cpu, other_cpu, *more):
        cells = [name, f"{one:.3f}", f"{other:.2f}", f"{other / one:.1f}"]
        if one_cpu is None:
            cells += ["", "", ""]
        else:
            cells += [f"{one_cpu:.3f}", f"{other_cpu:.2f}", f"{other_cpu / one_cpu:.1f}"]
        print("| " + " | ".join([*cells, *more, *[""] * (3 - len(more))]) + " |")

    values = together[0]["values"]
    remarks, bad = [], False
    for name in names:
        # float64: in float32 its rounding errors are visible.
        said = next(way["value"] for way in peers[0]["ways"][name] if way["dtype"] == "float64")
        difference = suite_peer.apart(values[name], suite_peer.as_ours(name, said, args.n))
        if name in suite_peer.PLAIN:
            right = suite_peer.apart(values[name], peers[0]["plain"][name])
            bad |= right > suite_peer.SAME
            remarks.append(f"`{name}`: {right:.0e} from its definition in plain numpy")
        else:
            bad |= difference > suite_peer.SAME
        given = f"{median(lambda peer: peer['given'][name]):.2f}" if name in suite_peer.TAKE_NEIGHBOURS else ""
        found = f"{values[name]:.3f}", f"{difference:.0e}"
        line(f"`{name}`", mine[name], best(name), cpu[name], its_cpu[name], given, *found)
    one_call = statistics.median(run["seconds"][0] for run in together)
    theirs = sum(best(name) for name in names)
    given = {name: median(lambda peer: peer["given"].get(name, best(name))) for name in names}
    shared = sum(given.values()) + median(lambda peer: peer["given"]["search"])
    one_cpu = statistics.median(run["cpu_seconds"][0] for run in together)
    line("sum", sum(mine.values()), theirs, sum(cpu.values()), sum(its_cpu.values()))
    line("one call, one search", one_call, theirs, one_cpu, sum(its_cpu.values()))
    line("both with one search", one_call, shared, None, None)
    print()
    wall = min((best(name) / mine[name], f"`{name}`") for name in names)
    work = min((its_cpu[name] / cpu[name], f"`{name}`") for name in names)
    print("- Worst ratios: wall {:.1f} ({}); CPU {:.1f} ({}).".format(*wall, *work))
    print(f"- Instructions: {OURS}: {together[0]['device']}; scikit-dimension's BLAS: {peers[0]['blas']}.")
    peak, extra = (max(run[key] for run in together) >> 20 for key in ("peak_bytes", "beyond_input_bytes"))
    theirs_peak, before = (max(peer[key] for peer in peers) >> 20 for key in ("peak_bytes", "before_bytes"))
    print(f"- Peak memory: {OURS} {peak} MiB, {extra} of them beyond the input; scikit-dimension {theirs_peak} MiB,")
    print(f"  {theirs_peak - before} of them beyond input and imports, without its other processes'.")
    print("\n".join(f"- {remark}." for remark in remarks), flush=True)
    return bad


def parse():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--n", type=int, default=5000)
    parser.add_argument("--side", type=int, default=28, help="pixels of an image's side: D is its square")
    parser.add_argument("--type", default="u8,f32", help="u8, f32 or both")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--simd", choices=SIMD, help="limit this library, and for avx2 the peer as far as it allows")
    parser.add_argument("--rounds", type=int, default=1, help="each runs both once, medians are shown")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--one-way", action="store_true", help="scikit-dimension in float64, one process and thread only")
    parser.add_argument("--quick", action="store_true", help="1000 samples")
    parser.add_argument("--throughput", type=Path, help="this library's program; built by Cargo where not given")
    parser.add_argument("--work", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--data", help=argparse.SUPPRESS)
    args = parser.parse_args()
    args.n = 1000 if args.quick else args.n
    return args


def main():
    args = parse()
    if args.work:
        return work(args)
    args.throughput = args.throughput or build("throughput")
    describe(args.threads, args.simd, ["scikit-dimension", "scikit-learn", "numpy"])
    print(f"Seconds, medians of {args.rounds} rounds; scikit-dimension's in its best way.")
    with tempfile.TemporaryDirectory() as folder:
        bad = [compare(kind, Path(folder), args) for kind in args.type.split(",")]
    print(f"\nLoad average after: {os.getloadavg()[0]:.1f}")
    return 1 if any(bad) else 0


if __name__ == "__main__":
    sys.exit(main())
