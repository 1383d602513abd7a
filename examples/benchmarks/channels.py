"""Pruning channels: time and memory of `apcli prune --structure filter`, a process for each network.

Usage: python examples/benchmarks/channels.py [--quick]

Peak memory is that of the process less that of the same command on a tiny network of the same library, which imports
the same. Goal: at most 3 times the file. The files hold random weights and lie in a temporary folder of 1.2 GB.
"""

import argparse
import os
import resource
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import torch

from apcli.checkpoints.lineage import Lineage
from apcli.checkpoints.state_dicts import entries_of
from apcli.checkpoints.writing import write
from apcli.models.build import build
from apcli.models.spec import ModelSpec

APCLI = str(Path(sys.executable).with_name("apcli"))
TINY = {"torchvision": "squeezenet1_1", "timm": "test_resnet"}
NETWORKS = {"mobileone_s0": "timm", "resnet50": "torchvision", "vit_b_16": "torchvision", "vgg11": "torchvision"}
GOAL = 3.0


def made(folder: Path, source: str, name: str, size: int) -> Path:
    """A file of the network that records which one it is, so that ``apcli`` can build it."""
    spec = ModelSpec(name, source, 1000, (3, size, size), (0.0,) * 3, (1.0,) * 3)
    torch.manual_seed(0)
    path = folder / f"{name}.safetensors"
    write(path, entries_of(build(spec).state_dict()), Lineage.EMPTY.then("train", {}, model=spec.to_json()))
    return path


def watched(path: Path) -> tuple[float, float]:
    """CPU seconds and peak memory in MB for pruning half of a file's channels."""
    target = path.with_suffix(".pruned.safetensors")
    command = [APCLI, "prune", str(path), "--structure", "filter", "--sparsity", "0.5", "--device", "cpu", "--quiet"]
    process = subprocess.Popen([*command, "-o", str(target)], stdout=subprocess.DEVNULL)
    _, status, used = os.wait4(process.pid, 0)
    if status:
        raise SystemExit(f"{' '.join(command)} failed")
    target.unlink()
    return used.ru_utime + used.ru_stime, _megabytes(used)


def _megabytes(used: resource.struct_rusage) -> float:
    return used.ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="one small network")
    quick = parser.parse_args().quick
    folder = Path(tempfile.mkdtemp())
    try:
        bare = {source: watched(made(folder, source, name, 64)) for source, name in TINY.items()}
        print("| network | file MB | CPU s | peak MB beyond the imports | over the file | goal |")
        print("| --- | --- | --- | --- | --- | --- |")
        for name, source in NETWORKS.items():
            path = made(folder, source, name, 224)
            size = path.stat().st_size / 2**20
            seconds, peak = watched(path)
            beyond = peak - bare[source][1]
            row = [name, f"{size:.0f}", f"{seconds:.1f}", f"{beyond:.0f}", f"{beyond / size:.2f}", f"{GOAL:g}"]
            print(f"| {' | '.join(row)} |", flush=True)
            path.unlink()
            if quick:
                break
    finally:
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
