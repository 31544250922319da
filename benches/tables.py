#!/usr/bin/env python3
"""Prints this machine's tables of nearest neighbours and of estimators compared with other libraries, as Markdown: peers.py and
suite.py in turn, with the same options. Needs the packages of both:

    pip install scikit-dimension faiss-cpu numkong scikit-learn torch
    python benches/tables.py [--quick] [--simd avx2] [--threads 2] [--rounds 3]
"""

import argparse
import subprocess
import sys
from pathlib import Path

from common import SIMD, build


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", default="2")
    parser.add_argument("--simd", choices=SIMD, help="limit this library, and for avx2 the peers as far as they allow")
    parser.add_argument("--rounds", default="3", help="each runs every tool once; medians are shown")
    parser.add_argument("--quick", action="store_true", help="small sizes, one round")
    args = parser.parse_args()
    words = ["--threads", args.threads, "--rounds", "1" if args.quick else args.rounds]
    words += (["--simd", args.simd] if args.simd else []) + (["--quick"] if args.quick else [])
    failed = False
    for title, script, more in [
        ("Exact nearest neighbours", "peers.py", []),
        ("Estimators of intrinsic dimension", "suite.py", ["--one-way", "--throughput", build("throughput")]),
    ]:
        print(f"\n## {title}\n", flush=True)
        ran = subprocess.run([sys.executable, Path(__file__).with_name(script), *words, *more])
        failed |= ran.returncode != 0
    return failed


if __name__ == "__main__":
    sys.exit(main())
