"""What the scripts that run this library beside others share: the build of an example, processes that take steps in
turns, and what machine and revision it was."""

import json
import os
import platform
import statistics
import subprocess
import sys
import time
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parent.parent
OURS = "sharpdim"
# OpenMP's threads spin for a while after their work: ours must not run beside them.
PAUSE = 0.4


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


def take_turns(mine, peer, args):
    """Runs both programs step by step in turns, the first step not timed: the tools, the medians of their seconds, and their
    peak memory."""
    tools = Tool(mine, args.threads), Tool(peer, args.threads)
    for _ in range(1 + args.rounds):
        for tool in tools:
            tool.step()
    memory = [tool.end() for tool in tools]
    return tools, [statistics.median(tool.seconds[1:]) for tool in tools], memory


class Tool:
    """A process that takes a step when it is told to."""

    def __init__(self, words, threads):
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
        self.process = subprocess.Popen([str(word) for word in words], env=environment(threads), **pipes)
        self.seconds, self.losses = [], []
        self.answer()

    def answer(self):
        line = self.process.stdout.readline()
        if not line:
            sys.exit(f"{Path(sys.argv[0]).name}: {self.process.args[0]} failed")
        return line

    def step(self):
        time.sleep(PAUSE)
        print(file=self.process.stdin, flush=True)
        answer = json.loads(self.answer())
        self.seconds.append(answer["seconds"])
        self.losses.append(answer["loss"])

    def end(self):
        """Its peak memory, in bytes."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        peak = next(line for line in status.splitlines() if line.startswith("VmHWM"))
        self.process.stdin.close()
        self.process.wait()
        return int(peak.split()[1]) << 10
