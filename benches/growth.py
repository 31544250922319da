#!/usr/bin/env python3
"""How this library's time and memory grow with the number of samples: the 20 nearest neighbours, and label sharpness over
all pairs, of the first N images of MNIST (D = 784) and of CIFAR-10 (D = 3072), as bytes. Needs numpy, scipy and matplotlib.

    python benches/growth.py [--quick] [--simd avx2] [--plot docs/images/growth.svg]

Prints a Markdown table for each dataset: wall and processor seconds (medians), and the process's peak memory beyond its input.
Below it is the law t = a N^p, by least squares on logarithms over the sizes from --fit-from up, with p's 95 % interval from
the residuals. Labels alternate between two classes.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from common import OURS, REPOSITORY, SIMD, build, describe, environment, images

DATA = {"mnist": 784, "cifar10": 3072}
MOST = {"mnist": 60_000, "cifar10": 20_000}
OPERATIONS = {"neighbours": "k = 20", "sharpness": "all pairs"}


def measure(operation, file, n, dim, args):
    """Median wall and processor seconds of a call, and peak memory beyond the input, in MiB."""
    words = [args.throughput, "--op", operation, "--type", "u8", "--data", file, "--n", n, "--dim", dim, "--k", 20]
    words = [str(word) for word in [*words, "--repeats", args.repeats, "--device", "cpu", "--json"]]
    ran = subprocess.run(words, env=environment(args.threads, args.simd), stdout=subprocess.PIPE, text=True)
    if ran.returncode:
        sys.exit(f"growth.py: {operation} of {n} x {dim} failed")
    said = json.loads(ran.stdout)
    medians = [statistics.median(said[key]) for key in ("seconds", "cpu_seconds")]
    return [*medians, said["beyond_input_bytes"] / (1 << 20)], said["device"]


def law(sizes, seconds, start):
    """a and p of t = a N^p, and half the width of p's 95 % interval; none with fewer than three sizes."""
    import numpy as np
    from scipy import stats

    pairs = [(n, t) for n, t in zip(sizes, seconds) if n >= start]
    if len(pairs) < 3:
        return None
    fit = stats.linregress(*np.log(np.array(pairs)).T)
    return np.exp(fit.intercept), fit.slope, fit.stderr * stats.t.ppf(0.975, len(pairs) - 2)


def draw(found, path, title):
    """Seconds by N, on logarithmic axes, with each law as a line."""
    import matplotlib
    import numpy as np

    matplotlib.use("svg")
    matplotlib.rcParams.update({"svg.fonttype": "none", "svg.hashsalt": "growth", "font.size": 9})
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(6.4, 4.2))
    for colour, (name, (sizes, rows, fits)) in enumerate(found.items()):
        for clock, line, marker in [("CPU", "-", "o"), ("wall", "--", "s")]:
            at = 1 if clock == "CPU" else 0
            fit = fits[at]
            label = f"{name}, {clock}" + (f": p = {fit[1]:.2f} ± {fit[2]:.2f}" if fit else "")
            axes.plot(sizes, [row[at] for row in rows], marker, color=f"C{colour}", markersize=4, label=label,
                      fillstyle="full" if clock == "CPU" else "none")  # fmt: skip
            if fit:
                ends = np.array([min(n for n in sizes if n >= fit[3]), max(sizes)])
                axes.plot(ends, fit[0] * ends ** fit[1], line, color=f"C{colour}", linewidth=1)
    axes.set(xscale="log", yscale="log", xlabel="N", ylabel="seconds", title=title)
    sizes = max((sizes for sizes, _, _ in found.values()), key=len)
    axes.set_xticks(sizes, [f"{n:,}".replace(",", " ") for n in sizes], fontsize=7)
    axes.minorticks_off()
    axes.grid(alpha=0.3)
    axes.legend(fontsize=7)
    figure.tight_layout()
    figure.savefig(path, metadata={"Date": None})


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", default="500,1000,2000,5000,10000,20000,40000,60000", help="with commas")
    parser.add_argument("--data", default="mnist,cifar10", help="one or both")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--simd", choices=SIMD, help="limit the instruction set")
    parser.add_argument("--repeats", type=int, default=3, help="timed calls of each, after one that is not timed")
    parser.add_argument("--fit-from", type=int, default=2000, help="the smallest N that the laws are fitted to")
    parser.add_argument("--quick", action="store_true", help="to N = 5000, one call, laws of all sizes")
    parser.add_argument("--plot", type=Path, default=REPOSITORY / "docs/images/growth.svg")
    parser.add_argument("--throughput", type=Path, help="this library's program; built by Cargo where not given")
    args = parser.parse_args()
    wanted = [int(n) for n in args.sizes.split(",")]
    if args.quick:
        wanted, args.repeats, args.fit_from = [n for n in wanted if n <= 5000], 1, 0
    args.throughput = args.throughput or build("throughput")
    describe(args.threads, args.simd, ["numpy", "scipy", "matplotlib"])
    found = {}
    for data in args.data.split(","):
        dim = DATA[data]
        sizes = [n for n in wanted if n <= MOST[data]]
        print(f"\n**{data}, D = {dim}, bytes**\n")
        heads = [f"{name} ({what}), {unit}" for name, what in OPERATIONS.items() for unit in ("s", "CPU s", "MiB")]
        print("| N | " + " | ".join(heads) + " |")
        print("|---:|" + "---:|" * len(heads), flush=True)
        rows = {operation: [] for operation in OPERATIONS}
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "samples"
            for n in sizes:
                images(data, n).tofile(file)
                for operation in OPERATIONS:
                    row, device = measure(operation, file, n, dim, args)
                    rows[operation].append(row)
                cells = [f"{value:.3g}" for operation in OPERATIONS for value in rows[operation][-1]]
                print(f"| {n} | " + " | ".join(cells) + " |", flush=True)
        print(f"\n- {OURS}: {device}.")
        for operation, of in rows.items():
            fits = []
            for clock, at in [("wall", 0), ("CPU", 1)]:
                fit = law(sizes, [row[at] for row in of], args.fit_from)
                fits.append(fit and (*fit, args.fit_from))
                if fit:
                    a, p, reach = fit
                    print(f"- {operation}, {clock}: {a:.2e} N^p seconds, p = {p:.2f} ± {reach:.2f} (N >= {args.fit_from}).")
            found[f"{operation}, D = {dim}"] = sizes, of, fits
    draw(found, args.plot, f"{OURS}, {args.threads} threads")
    print(f"\nDrawn: {args.plot}")


if __name__ == "__main__":
    main()
