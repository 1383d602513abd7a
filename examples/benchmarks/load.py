"""A pipe of many small checkpoints through prune, finetune, divergence and report: memory and open files stay flat.

Usage: python examples/benchmarks/load.py [--count N] [--images N]

Goals: from the 100th to the last checkpoint no stage grows by more than 5 % of its memory, none has a file more open,
and every checkpoint comes out at the end. A row of the table is one stage; memory is what it holds (RssAnon on Linux):
the median over fifty of its own checkpoints from the 100th on, and over the last fifty, since what a stage is at just
then makes a difference of some MiB.
"""

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

APCLI = [sys.executable, "-m", "apcli"]
SETTLED = 100  # checkpoints after which a stage has all that it keeps
WINDOW = 50  # checkpoints that one number is the median of


@dataclass
class Stage:
    """A running stage, and what it held after each number of finished checkpoints."""

    name: str
    process: "subprocess.Popen[bytes]"
    done: str  # the pattern of its files, or the file that its lines go to
    memory: dict[int, float] = field(default_factory=dict)  # MiB
    files: dict[int, int] = field(default_factory=dict)

    def look(self, count: int) -> None:
        try:
            status = Path(f"/proc/{self.process.pid}/status").read_text()
            held = len(os.listdir(f"/proc/{self.process.pid}/fd"))
        except OSError:  # it has ended
            return
        found = [line.split() for line in status.splitlines() if line.startswith("RssAnon")]
        if found and count:
            self.memory[count], self.files[count] = int(found[0][1]) / 1024, held


def finished(stage: Stage, folder: Path) -> int:
    if "*" in stage.done:
        return sum(1 for _ in folder.glob(stage.done))
    path = folder / stage.done
    return path.read_bytes().count(b'"layer": "*"') if path.is_file() else 0


def run(folder: Path, count: int, images: int) -> list[Stage]:
    """Make the checkpoints, and send them through the pipe."""
    seeds = ",".join(map(str, range(count)))
    made = subprocess.run(
        [*APCLI, "train", "fc5", "--epochs", "0", "--seeds", seeds, "-o", "dense/", "-q"],
        cwd=folder,
        stdout=subprocess.PIPE,
        check=True,
    )
    (folder / "paths").write_bytes(made.stdout)
    words = {
        "prune": ["prune", "--sparsity", "0.5", "-o", "pruned/", "-q"],
        "finetune": ["finetune", "--epochs", "1", "--images", str(images), "--trace", "none", "-o", "tuned/", "-q"],
        "divergence": ["divergence", "--dist", "ap2", "--json", "-q"],
    }
    done = {"prune": "pruned/*.safetensors", "finetune": "tuned/*.safetensors", "divergence": "records.jsonl"}
    stages: list[Stage] = []
    with (folder / "paths").open("rb") as first, (folder / "records.jsonl").open("wb") as last:
        source = first
        for name, given in words.items():
            target = last if name == "divergence" else subprocess.PIPE
            process = subprocess.Popen([*APCLI, *given], cwd=folder, stdin=source, stdout=target)
            if source is not first:
                source.close()  # else a stage that ends would not be seen by the one before it
            stages.append(Stage(name, process, done[name]))
            if process.stdout is not None:
                source = process.stdout
        while any(stage.process.poll() is None for stage in stages):
            for stage in stages:
                stage.look(finished(stage, folder))
            time.sleep(0.2)
    if any(stage.process.returncode for stage in stages):
        raise SystemExit("a stage failed")
    return stages


def held(stage: Stage, first: int) -> tuple[float, float]:
    """Memory in MiB and open files, medians over the checkpoints from the ``first`` on."""
    counts = [count for count in stage.memory if first <= count < first + WINDOW]
    memory, files = ([found[count] for count in counts] for found in (stage.memory, stage.files))
    return statistics.median(memory), statistics.median(files)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=1000)
    parser.add_argument("--images", type=int, default=100, help="of an epoch of fine-tuning")
    given = parser.parse_args()
    folder = Path(tempfile.mkdtemp())
    try:
        start = time.perf_counter()
        stages = run(folder, given.count, given.images)
        subprocess.run([*APCLI, "report", "records.jsonl", "-q"], cwd=folder, check=True)
        taken = time.perf_counter() - start
        records = [json.loads(line) for line in (folder / "records.jsonl").read_text().splitlines()]
        whole = sum(record["layer"] == "*" for record in records)
        print(f"{given.count} checkpoints in {taken:.0f} s, {whole} came out\n")
        print(f"| stage | MiB at {SETTLED} | MiB at the end | growth | files at {SETTLED} | at the end |")
        print("| --- | --- | --- | --- | --- | --- |")
        for stage in stages:
            (before, files), (after, files_after) = (
                held(stage, first) for first in (min(SETTLED, given.count // 2), given.count - WINDOW)
            )
            growth = 100 * (after / before - 1)
            row = (f"{before:.1f}", f"{after:.1f}", f"{growth:+.1f} %", f"{files:.0f}", f"{files_after:.0f}")
            print(f"| {stage.name} | {' | '.join(row)} |")
    finally:
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
