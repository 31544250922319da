#!/usr/bin/env python3
"""Makes docs/accuracy.md: the error of each estimator on manifolds of known dimension, compared with
scikit-dimension on the same samples. Needs numpy and scikit-dimension:

    python scripts/accuracy.py [--seeds 5]

examples/accuracy.rs draws the samples, estimates, and draws the charts. Results are cached in target/accuracy:
this library's by its program, scikit-dimension's by the samples. An interrupted run resumes, and a run after a change
recomputes only what it may have changed.
"""

import argparse
import datetime
import hashlib
import json
import multiprocessing
import os
import statistics
import subprocess
import sys
import tempfile
import time
from importlib.metadata import version
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "benches"))
from common import REPOSITORY, build, chip, environment, revision

PAGE = REPOSITORY / "docs" / "accuracy.md"
IMAGES = REPOSITORY / "docs" / "images"
STORE = REPOSITORY / "target" / "accuracy"
SIZES = [500, 1000, 2000, 5000]
# The size of the detailed table and of the one of noise.
DETAIL = 2000
# Larger samples are left out for scikit-dimension's slow estimators; the others get one seed of them.
SLOW_SIZE = 2000
NOISY = ["sphere:2", "M13a_Scurve", "flat_torus:3", "cube:5", "sphere:10"]
NOISE = [0, 0.01, 0.05]
AMBIENT = 50
# With so many samples the prior has no effect: left out of the wide tables, as it equals `twonn_mle`.
ALIKE = "twonn_bayes"
BINS = [("d ≤ 5", 0, 5), ("d 6..12", 6, 12), ("d > 12", 13, 10**9)]


# ---- running -------------------------------------------------------------------------------------------------------


def read(store):
    """The lines of a file of results; the last may be truncated."""
    lines = []
    for line in store.read_text().splitlines() if store.exists() else []:
        try:
            lines.append(json.loads(line))
        except ValueError:
            pass
    return lines


def ours(program, store, args, samples=None):
    """All results and charts of examples/accuracy.rs."""

    def run(sizes, seeds, *words):
        words = [program, "--store", store, "--sizes", ",".join(map(str, sizes)), "--seeds", seeds, *words]
        if subprocess.run([str(word) for word in words], env=environment(args.threads)).returncode:
            sys.exit("accuracy.py: the example `accuracy` failed")

    some = ["--manifolds", ",".join(args.manifolds)] if args.manifolds else []
    for noise in NOISE:
        run([DETAIL], args.seeds, "--manifolds", ",".join(NOISY), "--ambient", AMBIENT, "--noise", noise)
    for large, seeds in ((False, args.seeds), (True, args.large_seeds)):
        sizes = [n for n in args.sizes if (n > SLOW_SIZE) == large]
        if sizes:
            run(sizes, seeds, "--samples", samples, "--sample-seeds", args.peer_seeds, *some)
    if not some and args.sizes == SIZES:  # the charts need all of it
        run(SIZES, 1, "--figures", IMAGES)


def sample_of(line):
    """The name of a result's file of samples."""
    return f"{line['manifold'].replace(':', '_')}_{line['n']}_{line['seed']}.f32"


def peer_work(job):
    """One sample's estimates by scikit-dimension."""
    import numpy as np
    import suite_peer

    path, dim, digest, names = job
    x = np.fromfile(path, "<f4").reshape(-1, dim).astype(np.float64)
    values, seconds = {}, {}
    for name in names:
        start = time.perf_counter()
        # A failure has no value, and is listed on the page.
        try:
            values[name] = suite_peer.estimate(name, x)
            if name in suite_peer.PLAIN:
                values["plain " + name] = suite_peer.PLAIN[name](x)
        except Exception as error:
            values[name] = None
            print(f"\n{path.name}, {name}: {error}", file=sys.stderr)
        seconds[name] = time.perf_counter() - start
    return {"sample": digest, "values": values, "seconds": seconds}


def peers(lines, folder, store, args):
    """scikit-dimension's estimates of the samples in the folder: {file: {estimator: value}}."""
    import suite_peer

    digests = {path.name: hashlib.sha256(path.read_bytes()).hexdigest()[:20] for path in folder.iterdir()}
    known = {}
    for line in read(store):
        known.setdefault(line["sample"], {}).update(line["values"])
    jobs = []
    for line in lines:
        file = sample_of(line)
        if file not in digests or line["ambient"] or (line["n"] > SLOW_SIZE and line["seed"] > 0):
            continue
        slow = line["seed"] == 0 and line["n"] <= SLOW_SIZE
        names = [name for name in suite_peer.ESTIMATORS if slow or name not in suite_peer.SLOW]
        names = [name for name in names if name not in known.get(digests[file], {})]
        if names:
            jobs.append((folder / file, line["dim"], digests[file], names))
    jobs.sort(key=lambda job: job[0].stat().st_size, reverse=True)
    with store.open("a") as out, multiprocessing.Pool(args.threads) as pool:
        for at, line in enumerate(pool.imap_unordered(peer_work, jobs), 1):
            known.setdefault(line["sample"], {}).update(line["values"])
            out.write(json.dumps(line) + "\n")
            out.flush()
            print(f"\rscikit-dimension: {at} of {len(jobs)} samples", end="", file=sys.stderr, flush=True)
    if jobs:
        print(file=sys.stderr)
    return {file: known.get(digest, {}) for file, digest in digests.items()}


# ---- the page ------------------------------------------------------------------------------------------------------


class Results:
    """Values of estimators, by manifold and size, one for each seed."""

    def __init__(self, lines):
        self.lines = lines
        self.names = list(lines[0]["estimates"])
        self.truth = {line["manifold"]: line["truth"] for line in lines}

    def values(self, name, manifold, n, noise=None):
        """An estimator's values over seeds; samples without a value are left out."""
        values = [line["estimates"][name].get("value") for line in self.by(manifold, n, noise)]
        return [value for value in values if value is not None]

    def by(self, manifold, n, noise):
        wanted = (0, 0) if noise is None else (AMBIENT, noise)
        mine = [line for line in self.lines if line["manifold"] == manifold and line["n"] == n]
        return [line for line in mine if (line["ambient"], line["noise"]) == wanted]

    def manifolds(self, low=0, high=10**9):
        plain = [line["manifold"] for line in self.lines if not line["ambient"]]
        return [name for name in dict.fromkeys(plain) if low <= self.truth[name] <= high]


def percent(value, digits=0, sign="+"):
    """With a true minus sign, but not for zero; empty without a value."""
    if value is None:
        return ""
    rounded = round(100 * value, digits)
    return f"{rounded or 0:{sign if rounded else ''}.{digits}f} %".replace("-", "−")


def small(value):
    """A difference, to one digit."""
    return f"{value:.0e}".replace("e-0", "e-") if value else "0"


def mean(values):
    values = list(values)
    return sum(values) / len(values) if values else None


def table(head, rows):
    lines = ["| " + " | ".join(head) + " |", "|---|" + "---:|" * (len(head) - 1)]
    return "\n".join(lines + ["| " + " | ".join(map(str, row)) + " |" for row in rows])


def summary(results, n):
    """One row for each estimator."""
    rows = []
    for name in results.names:
        relative = {}
        for manifold in results.manifolds():
            values = results.values(name, manifold, n)
            relative[manifold] = [value / results.truth[manifold] for value in values]
        bias = [mean(mean(relative[m]) - 1 for m in results.manifolds(*ends) if relative[m]) for _, *ends in BINS]
        errors = [abs(value - 1) for values in relative.values() for value in values]
        spread = mean(statistics.stdev(values) for values in relative.values() if len(values) > 1)
        rows.append([f"`{name}`", *map(percent, bias), percent(statistics.median(errors), 1, "")])
        rows[-1].append(percent(spread, 1, ""))
    return table(["estimator", *(f"bias, {name}" for name, *_ in BINS), "median error", "spread"], rows)


def means(results, manifold, noise=None):
    """Cells of a table: the mean over seeds for each estimator."""
    cells = [results.values(name, manifold, DETAIL, noise) for name in results.names if name != ALIKE]
    return [f"{mean(values):.1f}" if values else "none" for values in cells]


def detail(results):
    """One row for each manifold."""
    manifolds = sorted(results.manifolds(), key=lambda name: (results.truth[name], name))
    rows = [[f"`{name}`", results.truth[name], *means(results, name)] for name in manifolds]
    return table(["manifold", "d", *(f"`{name}`" for name in results.names if name != ALIKE)], rows)


def noise(results):
    """One row for each manifold and amount of noise."""
    rows = [[f"`{name}`", results.truth[name], sd, *means(results, name, sd)] for name in NOISY for sd in NOISE]
    return table(["manifold", "d", "noise", *(f"`{name}`" for name in results.names if name != ALIKE)], rows)


def beside(results, theirs):
    """Both libraries on the same samples."""
    import suite_peer

    rows, bad = [], []
    for name in suite_peer.ESTIMATORS:
        pairs, off = [], []
        for line in results.lines:
            said = {} if line["ambient"] else theirs.get(sample_of(line), {})
            value, own = said.get(name), line["estimates"][name].get("value")
            if value is None or own is None:
                continue
            pairs.append((line, own, value, suite_peer.apart(own, suite_peer.as_ours(name, value, line["n"]))))
            # The reference values: the definition's, where scikit-dimension does not follow it.
            off.append(suite_peer.apart(own, said["plain " + name]) if name in suite_peer.PLAIN else pairs[-1][3])
            if off[-1] > suite_peer.SAME:
                bad.append(f"{name}: {off[-1]:.1e} on {sample_of(line)}")
        if not pairs:
            continue

        def both(statistic):
            """The statistic of our values and of theirs."""
            return [statistic([(pair[0], pair[side]) for pair in pairs]) for side in (1, 2)]

        def median_error(side):
            return statistics.median(abs(value / line["truth"] - 1) for line, value in side)

        def bias(side):
            return mean(value / line["truth"] - 1 for line, value in side)

        def spread(side):
            groups = {}
            for line, value in side:
                groups.setdefault((line["manifold"], line["n"]), []).append(value / line["truth"])
            return mean(statistics.stdev(group) for group in groups.values() if len(group) > 1)

        cells = [f"`{name}`", len(pairs)]
        for what, sign in ((bias, "+"), (median_error, ""), (spread, "")):
            cells += [percent(value, 2, sign) for value in both(what)]
        differences = [pair[3] for pair in pairs]
        rows.append([*cells, sum(d > suite_peer.SAME for d in differences), small(max(differences))])
        rows[-1].append(small(max(off)) if name in suite_peer.PLAIN else "")
    head = ["estimator", "samples", "bias", "theirs", "median error", "theirs", "spread", "theirs"]
    head += ["apart", "at most by", "from plain numpy"]
    return table(head, rows), bad


def refused(results):
    """Estimators without a value, and on how many samples."""
    lines = [line for line in results.lines if not line["ambient"]]
    without = {name: sum(line["estimates"][name].get("value") is None for line in lines) for name in results.names}
    counts = [f"`{name}` for {count}" for name, count in without.items() if count]
    if not counts:
        return "Every estimator gave a value for every sample."
    return f"Of {len(lines)} samples, no value was given by {', '.join(counts)}: these are left out."


def page(results, theirs, args):
    import suite_peer

    compared, bad = beside(results, theirs)
    values = {
        "revision": args.revision,
        "date": datetime.date.today(),
        "chip": chip(),
        "skdim": version("scikit-dimension"),
        "numpy": version("numpy"),
        "seeds": args.seeds,
        "large_seeds": args.large_seeds,
        "peer_seeds": min(args.peer_seeds, args.seeds),
        "count": len(results.manifolds()),
        "refused": refused(results),
        "summaries": "\n\n".join(f"**N = {n:,}**\n\n".replace(",", " ") + summary(results, n) for n in args.sizes),
        "compared": compared,
        "detail": detail(results),
        "detail_n": f"{DETAIL:,}".replace(",", " "),
        "noise": noise(results),
        "ambient": AMBIENT,
        "slow": ", ".join(f"`{name}`" for name in suite_peer.SLOW),
        "slow_size": f"{SLOW_SIZE:,}".replace(",", " "),
        "different": "\n".join(f"- `{name}`: {why}." for name, why in suite_peer.DIFFERENT.items()),
        "settings": args.settings,
    }
    template = (Path(__file__).parent / "accuracy.template.md").read_text()
    for name, value in values.items():
        template = template.replace("{" + name + "}", str(value))
    args.page.write_text(template)
    return bad


def parse():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=5, help="samples of each manifold and size")
    parser.add_argument("--large-seeds", type=int, default=2, help=f"the same, of more than {SLOW_SIZE}")
    parser.add_argument("--peer-seeds", type=int, default=3, help="of them those that scikit-dimension gets")
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--sizes", type=lambda text: [int(n) for n in text.split(",")], default=SIZES)
    parser.add_argument("--manifolds", type=lambda text: text.split(","), help="some only, to try this out")
    parser.add_argument("--page", type=Path, default=PAGE, help="another file than docs/accuracy.md")
    args = parser.parse_args()
    args.settings = " ".join(["python scripts/accuracy.py", *sys.argv[1:]])
    return args


def main():
    args = parse()
    # Before the charts are drawn anew.
    args.revision = revision()
    program = build("accuracy")
    STORE.mkdir(parents=True, exist_ok=True)
    own = STORE / f"sharpdim-{hashlib.sha256(Path(program).read_bytes()).hexdigest()[:12]}.jsonl"
    os.environ.update(environment(1))  # scikit-dimension runs in as many processes as there are threads
    with tempfile.TemporaryDirectory() as folder:
        ours(program, own, args, folder)
        lines = read(own)
        theirs = peers(lines, Path(folder), STORE / f"scikit-dimension-{version('scikit-dimension')}.jsonl", args)
    bad = page(Results(lines), theirs, args)
    print(f"{args.page} is written")
    if bad:
        sys.exit("accuracy.py: not what scikit-dimension says, though conventions are the same:\n" + "\n".join(bad))


if __name__ == "__main__":
    main()
