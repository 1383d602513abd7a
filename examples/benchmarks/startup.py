"""What starting costs: the commands' start-up time beside `import torch`, and a pipeline with nothing left to do.

Usage: python examples/benchmarks/startup.py [RUNS]. Prints, of whole processes,

* the median and the range of the time in seconds, side by side in one run, and the ratio to `import torch`. Goals:
  `apcli --help` within 0.3 s, a completion within 0.2 s; `prune` and `divergence` of a small file within 0.5 s beyond
  `import torch` (they import none, so they should be faster than it);
* the user CPU time of the README's pipeline, first run and rerun (each stage's least of RUNS), on one thread. Goal: a
  rerun within 15 % of the first run.
"""

import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

APCLI = str(Path(sys.executable).with_name("apcli"))
MAKE = "import torch, safetensors.torch as s; s.save_file({'fc.weight': torch.randn(10, 64)}, 'a.safetensors')"
ASKED = ["_APCLI_COMPLETE=complete_bash", "COMP_WORDS=apcli prune --method lo", "COMP_CWORD=3"]
COMMANDS = {
    "python -c pass": [sys.executable, "-c", "pass"],
    "import numpy": [sys.executable, "-c", "import numpy"],
    "import torch": [sys.executable, "-c", "import torch"],
    "apcli --help": [APCLI, "--help"],
    "apcli prune --help": [APCLI, "prune", "--help"],
    "a completion": ["env", *ASKED, APCLI],
    "apcli prune": [APCLI, "prune", "a", "--sparsity", "0.3", "--overwrite"],
    "apcli divergence": [APCLI, "divergence", "a", "a.lowest-0.3"],
}
PIPELINE = (
    "train fc5 --data digits --epochs 3",
    "prune --method lowest,highest,random --sparsity 0.3,0.8",
    "finetune --epochs 2",
    "divergence --dist ap2,gaussian,student-t",
    "report -o report.html",
)
# A first run compiles the package for the next, but not if that is forbidden: then a rerun would pay it again.
ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONDONTWRITEBYTECODE": ""}


def seconds(command: list[str], folder: str) -> float:
    start = time.perf_counter()
    subprocess.run(command, cwd=folder, check=True, capture_output=True, env=ENVIRONMENT)
    return time.perf_counter() - start


def user_seconds(command: list[str], folder: str, given: bytes) -> tuple[float, bytes]:
    """The user time that a command takes, and what it prints."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime
    done = subprocess.run(command, cwd=folder, check=True, input=given, stdout=subprocess.PIPE, env=ENVIRONMENT)
    return resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime - before, done.stdout


def run_pipeline(folder: str) -> dict[str, float]:
    """The user time of each stage; each takes what the one before printed."""
    found, printed = {}, b""
    for words in PIPELINE:
        stage, *options = words.split()
        found[stage], printed = user_seconds([APCLI, stage, *options, "--quiet"], folder, printed)
    return found


def print_start_up(runs: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([sys.executable, "-c", MAKE], cwd=folder, check=True)
        times: dict[str, list[float]] = {name: [] for name in COMMANDS}
        for _ in range(runs):  # in turn, so that a noisy minute falls on all of them
            for name, command in COMMANDS.items():
                times[name].append(seconds(command, folder))
    torch = statistics.median(times["import torch"])
    print(f"{'':20} {'median':>8} {'least':>8} {'most':>8} {'/ torch':>8}")
    for name, found in times.items():
        median = statistics.median(found)
        print(f"{name:20} {median:8.3f} {min(found):8.3f} {max(found):8.3f} {median / torch:8.2f}")


def print_rerun(runs: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        first = run_pipeline(folder)
        again = [run_pipeline(folder) for _ in range(runs)]
    least = {stage: min(one[stage] for one in again) for stage in first}
    print(f"\n{'user CPU, seconds':20} {'first':>8} {'rerun':>8} {'share':>8}")
    first["pipeline"], least["pipeline"] = sum(first.values()), sum(least.values())
    for name, made in first.items():
        kept = least[name]
        print(f"{name:20} {made:8.2f} {kept:8.2f} {kept / made:8.1%}")


def main(runs: int) -> None:
    print_start_up(runs)
    print_rerun(runs)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 9)
