"""What the scripts that run this library beside others share: the build of an example, the threads of a process, and
what machine and revision it was."""

import json
import os
import platform
import subprocess
import sys
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parent.parent
OURS = "sharpdim"


def build(example, *options):
    """The program that Cargo makes of an example."""
    words = ["cargo", "build", "--release", "--example", example, "--message-format", "json-render-diagnostics"]
    ran = subprocess.run([*words, *options], cwd=REPOSITORY, stdout=subprocess.PIPE, text=True)
    if ran.returncode:
        sys.exit(f"{Path(sys.argv[0]).name}: the example `{example}` does not build")
    messages = [json.loads(line) for line in ran.stdout.splitlines()]
    return [m["executable"] for m in messages if m.get("executable") and m["target"]["name"] == example][-1]


def environment(threads):
    """This process's environment, with a number of threads for all that takes one."""
    names = ["OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "RAYON_NUM_THREADS", "NUMBA_NUM_THREADS"]
    return {**os.environ, **dict.fromkeys(names, str(threads))}


def memory_bytes():
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def chip():
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        name = next(line.split(":")[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        name = platform.processor() or platform.machine()
    return f"{name}, {os.cpu_count()} logical CPUs"


def revision():
    ran = subprocess.run(["git", "describe", "--always", "--dirty"], cwd=REPOSITORY, capture_output=True, text=True)
    return ran.stdout.strip() or "no git revision"
