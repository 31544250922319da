"""Shared by the scripts that compare this library with others: the build of an example, the environment of both sides,
real images, processes that take steps alternately, and the machine and revision."""

import argparse
import datetime
import gzip
import json
import os
import platform
import statistics
import subprocess
import sys
import time
from importlib.metadata import version
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parent.parent
OURS = "sharpdim"
# OpenMP's threads spin for a while after their work: our threads must not run at the same time.
PAUSE = 0.4
# The values of --simd: those of SHARPDIM_SIMD.
SIMD = ["portable", "neon", "avx2", "avxvnni", "avx512", "avx512vnni", "amx"]
# Limits other libraries to AVX2 where they support that. NumKong has no variable for it: see search_peer.py.
AVX2_ONLY = {
    "OPENBLAS_CORETYPE": "Haswell",  # numpy, scipy and scikit-learn, faiss
    "NPY_DISABLE_CPU_FEATURES": "X86_V4 AVX512_ICL AVX512_SPR",  # numpy's own loops
    "FAISS_OPT_LEVEL": "AVX2",  # which of faiss's libraries is loaded, where a package has several
    "FAISS_SIMD_LEVEL": "AVX2",  # which loops a library that has several uses
    "ATEN_CPU_CAPABILITY": "avx2",  # PyTorch's own loops
    "ONEDNN_MAX_CPU_ISA": "AVX2",
    "MKL_ENABLE_INSTRUCTIONS": "AVX2",  # MKL heeds it on Intel's processors only
}
# Relevant instruction sets, by their names in /proc/cpuinfo.
FLAGS = "avx2 fma avx_vnni avx512f avx512bw avx512vl avx512_vnni avx512_bf16 avx512_fp16 amx_int8 asimd asimddp i8mm sve"


def build(example, *options):
    """The path of an example's program, built by Cargo."""
    words = ["cargo", "build", "--release", "--example", example, "--message-format", "json-render-diagnostics"]
    ran = subprocess.run([*words, *options], cwd=REPOSITORY, stdout=subprocess.PIPE, text=True)
    if ran.returncode:
        sys.exit(f"{Path(sys.argv[0]).name}: the example `{example}` does not build")
    messages = [json.loads(line) for line in ran.stdout.splitlines()]
    return [m["executable"] for m in messages if m.get("executable") and m["target"]["name"] == example][-1]


def environment(threads, simd=None):
    """This process's environment, with a number of threads for all that takes one, and limited to an instruction set
    where one is asked for. Some machines have OpenBLAS set to an older core's kernels: unset, it chooses by itself."""
    names = ["OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "RAYON_NUM_THREADS", "NUMBA_NUM_THREADS"]
    own = {name: value for name, value in os.environ.items() if name not in ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE")}
    own |= dict.fromkeys(names, str(threads))
    if simd:
        own |= {"SHARPDIM_SIMD": simd} | (AVX2_ONLY if simd == "avx2" else {})
    return own


def memory_bytes():
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def cpuinfo(*keys):
    """The value of the first such line of /proc/cpuinfo; empty if there is none."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return ""
    return next((line.split(":")[1].strip() for line in lines if line.startswith(keys)), "")


def chip():
    name = cpuinfo("model name") or platform.processor() or platform.machine()
    return f"{name}, {os.cpu_count()} logical CPUs"


def revision():
    ran = subprocess.run(["git", "describe", "--always", "--dirty"], cwd=REPOSITORY, capture_output=True, text=True)
    return ran.stdout.strip() or "no git revision"


def describe(threads, simd=None, packages=()):
    """Prints the context of a table: date, machine, revision, the others' versions, and the limits set."""
    print(f"{datetime.date.today()}, {chip()}, {memory_bytes() >> 30} GiB; {threads} threads; {OURS} {revision()}")
    has = cpuinfo("flags", "Features").split()
    print(f"Processor: {' '.join(flag for flag in FLAGS.split() if flag in has)}")
    print(f"Load average before: {os.getloadavg()[0]:.1f} (others' work slows all, and not always alike)")
    print(", ".join(f"{name} {version(name)}" for name in packages))
    if simd == "avx2":
        print(f"Limited to AVX2: SHARPDIM_SIMD=avx2; others by {', '.join(f'{k}={v}' for k, v in AVX2_ONLY.items())}")
        print("(MKL, which PyTorch's products on x86 use, heeds that on Intel's processors only), NumKong by its API.")
    elif simd:
        print(f"SHARPDIM_SIMD={simd}; the others are not limited.")


def images(name, n):
    """The first n images of MNIST or CIFAR-10, one a row, from the folder that SHARPDIM_DATA names."""
    import numpy as np

    folder = Path(os.environ.get("SHARPDIM_DATA") or REPOSITORY.parent / "shared" / "data")
    if name == "mnist":
        files, head, row, label = ["mnist/train-images-idx3-ubyte"], 16, 784, 0
    else:
        batches = [f"data_batch_{i}" for i in range(1, 6)] + ["test_batch"]
        files, head, row, label = [f"cifar10/cifar-10-batches-bin/{batch}.bin" for batch in batches], 0, 3073, 1
    found = []
    for file in files:
        if (folder / f"{file}.gz").exists():
            found.append(gzip.decompress((folder / f"{file}.gz").read_bytes())[head:])
        elif (folder / file).exists():
            found.append((folder / file).read_bytes()[head:])
    rows = np.frombuffer(b"".join(found), np.uint8).reshape(-1, row)[:n, label:]
    if len(rows) < n:
        sys.exit(f"{Path(sys.argv[0]).name}: {folder} has {len(rows)} images of {name}, not {n}: set SHARPDIM_DATA")
    return np.ascontiguousarray(rows)


def take_turns(mine, peer, args):
    """Runs both programs step by step in turns, the first step not timed. Of each: the tool, and the medians of a step's
    seconds and of its CPU seconds, and its peak memory in bytes."""
    tools = Tool(mine, args), Tool(peer, args)
    for _ in range(1 + args.rounds):
        for tool in tools:
            tool.step()
    memory = [tool.end() for tool in tools]
    seconds, cpu = ([statistics.median(getattr(tool, times)[1:]) for tool in tools] for times in ("seconds", "cpu"))
    return tools, seconds, cpu, memory


def add_step_arguments(parser, *hidden):
    """The options that the scripts which time networks share. The peer's own process takes the hidden ones too."""
    parser.add_argument("--models", default="resnet18,resnet50,vgg16", help="with commas")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=5, help="timed steps of each, in turns; medians are shown")
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    parser.add_argument("--simd", choices=SIMD, help="SHARPDIM_SIMD for this library; with avx2 PyTorch is limited too")
    parser.add_argument("--steps", type=Path, help="this library's program; built by Cargo where not given")
    for name in ["--work", "--model", "--weights", "--images", *hidden]:
        parser.add_argument(name, help=argparse.SUPPRESS)


class Tool:
    """A process that takes a step on request."""

    def __init__(self, words, args):
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
        own = environment(args.threads, args.simd)
        self.process = subprocess.Popen([str(word) for word in words], env=own, **pipes)
        self.seconds, self.cpu, self.losses = [], [], []
        self.answer()

    def answer(self):
        line = self.process.stdout.readline()
        if not line:
            sys.exit(f"{Path(sys.argv[0]).name}: {self.process.args[0]} failed")
        return line

    def step(self):
        time.sleep(PAUSE)
        before = self.cpu_seconds()
        print(file=self.process.stdin, flush=True)
        answer = json.loads(self.answer())
        # Excludes OpenMP's threads that spin after a step: measured until the answer.
        self.cpu.append(self.cpu_seconds() - before)
        self.seconds.append(answer["seconds"])
        self.losses.append(answer["loss"])

    def cpu_seconds(self):
        """CPU time of the process since its start, of all threads, in steps of 10 ms."""
        # The second field is the program's name in parentheses, which may contain spaces.
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def end(self):
        """Its peak memory, in bytes."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        peak = next(line for line in status.splitlines() if line.startswith("VmHWM"))
        self.process.stdin.close()
        self.process.wait()
        return int(peak.split()[1]) << 10
