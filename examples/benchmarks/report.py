"""The report of a whole study: seconds to its page, bytes, and milliseconds until a browser shows it.

Usage: python examples/benchmarks/report.py [--networks N] [RUNS]

The records come from ResNet-20s on digits: 3 methods at 4 sparsities, fine-tuned for 2 epochs on 200 images, 5
projections of every layer, which makes 5,040 of each dense network. The browser is Chromium, driven as the tests drive
it. Goals for 10,000 records: a page within 5 s of CPU time, at most 10 MB, shown within 1 s.
"""

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tests"))
from browser import MISSING, PROGRAM, browser

APCLI = str(Path(sys.executable).with_name("apcli"))
DISTS = "ap2,gaussian,student-t,student-t:groups=100,gaussian:cov=activation"
STAGES = (
    "train resnet20 --data digits --epochs 1 --images 200 --seeds {seeds} -o nets/",
    "prune --method lowest,highest,random --sparsity 0.1,0.3,0.5,0.8 --scope global",
    "finetune --epochs 2 --images 200",
    f"divergence --dist {DISTS}",
)
ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1"}


def records(folder: Path, networks: int) -> Path:
    """The records of a study, as JSON Lines."""
    printed = b""
    for stage in STAGES:
        words = stage.format(seeds=",".join(map(str, range(networks)))).split()
        command = [APCLI, *words, "--quiet"]
        done = subprocess.run(command, cwd=folder, input=printed, stdout=subprocess.PIPE, check=True, env=ENVIRONMENT)
        printed = done.stdout
    path = folder / "records.jsonl"
    path.write_bytes(printed)
    return path


def report(path: Path, page: Path) -> tuple[float, float]:
    """Seconds of CPU and of the clock for the page of the records."""
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    command = [APCLI, "report", str(path), "-o", str(page), "--overwrite", "--quiet"]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env=ENVIRONMENT)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, time.perf_counter() - start


def shown(page: Path, runs: int) -> list[float]:
    """Milliseconds from the start of the navigation to the end of loading, ascending."""
    with browser() as window:
        times = []
        for _ in range(runs):
            window.open(page)
            times.append(float(window.run("performance.getEntriesByType('navigation')[0].loadEventEnd")))
    return sorted(times)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", nargs="?", type=int, default=3)
    parser.add_argument("--networks", type=int, default=2, help="dense networks")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        path, page = records(Path(name), given.networks), Path(name) / "report.html"
        times = sorted(report(path, page) for _ in range(given.runs))
        with path.open(encoding="utf-8") as lines:
            print(f"{sum(1 for _ in lines):,} records, {page.stat().st_size / 1e6:.2f} MB")
        cpu, wall = times[0]
        print(f"report: {cpu:.1f} s of CPU, {wall:.1f} s (the least of {given.runs}; the files are described too)")
        if PROGRAM is None:
            print(MISSING)
            return
        print("shown within ms:", *(f"{one:.0f}" for one in shown(page, given.runs)))


if __name__ == "__main__":
    main()
