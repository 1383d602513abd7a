"""Pruning a file: `apcli prune` beside torch.nn.utils.prune and `cp`, whole processes in turn, and growing files.

Usage: python examples/benchmarks/prune.py [--quick] [--runs N] [--largest GB]

The first table is a VGG-16-sized file (138 M weights, 0.55 GB), the lowest 30 % of all layers' weights together. torch
loads the same tensors into modules, prunes them globally by L1, makes the zeros permanent and saves them. Goals: within
1.5 s on two cores, 20 times faster than torch, at most 4 times `cp` plus start-up, peak memory at most 1.3 times the
file with no more than 200 MB of it anonymous (the rest are pages of the file, which the system may take back). The
second table shows how time and memory grow, up to a sharded model of 10 GB, beside `cp` of all its files: what is more
than the system holds back in memory has to wait for the disk. The temporary folder needs three times the largest model.
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
from pathlib import Path

import numpy as np
from safetensors.numpy import save_file

APCLI = str(Path(sys.executable).with_name("apcli"))
CONVOLUTIONS = (64, 64, 128, 128, 256, 256, 256, 512, 512, 512, 512, 512, 512)
LINEAR = ((4096, 25088), (4096, 4096), (1000, 4096))
TORCH = """
import sys
from safetensors.torch import load_file, save_file
from torch import nn
from torch.nn.utils import prune
modules = {}
for name, weight in load_file(sys.argv[1]).items():
    modules[name] = nn.Module()
    modules[name].weight = nn.Parameter(weight)
parameters = [(module, "weight") for name, module in modules.items() if module.weight.dim() > 1]
prune.global_unstructured(parameters, pruning_method=prune.L1Unstructured, amount=0.3)
for module, name in parameters:
    prune.remove(module, name)
save_file({name: module.weight.detach().contiguous() for name, module in modules.items()}, sys.argv[2])
"""


def vgg16(path: Path, quick: bool) -> None:
    draw, channels, tensors = np.random.default_rng(0), 3, {}
    for index, width in enumerate(CONVOLUTIONS):
        tensors[f"features.{index}.weight"] = draw.standard_normal((width, channels, 3, 3), np.float32)
        tensors[f"features.{index}.bias"] = draw.standard_normal(width, np.float32)
        channels = width
    for index, (outputs, inputs) in enumerate(LINEAR[2:] if quick else LINEAR):
        tensors[f"classifier.{index}.weight"] = draw.standard_normal((outputs, inputs), np.float32)
        tensors[f"classifier.{index}.bias"] = draw.standard_normal(outputs, np.float32)
    save_file(tensors, path)


def sharded(folder: Path, gigabytes: float) -> Path:
    """Write layers of 64 MiB up to a total size, in files of at most 1 GiB; returns the index."""
    folder.mkdir()
    draw, placed = np.random.default_rng(0), {}
    names = [f"{index}.weight" for index in range(max(1, round(gigabytes * 16)))]
    parts = [names[start : start + 16] for start in range(0, len(names), 16)]
    for number, part in enumerate(parts, 1):
        file = f"model-{number:05}-of-{len(parts):05}.safetensors"
        save_file({name: draw.standard_normal((4096, 4096), np.float32) for name in part}, folder / file)
        placed |= dict.fromkeys(part, file)
    index = folder / "model.safetensors.index.json"
    index.write_text(json.dumps({"metadata": {}, "weight_map": placed}))
    return index


def watched(command: list[str], folder: Path) -> dict[str, float]:
    """Seconds of a whole process, and its peak memory in MB: total, and the anonymous part (on Linux)."""
    start = time.perf_counter()
    process = subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    most = {"VmHWM": 0.0, "RssAnon": 0.0}
    while process.poll() is None:
        try:
            status = Path(f"/proc/{process.pid}/status").read_text()
        except OSError:
            break
        for line in status.splitlines():
            key, _, value = line.partition(":")
            if key in most:
                most[key] = max(most[key], int(value.split()[0]) / 1024)
        time.sleep(0.005)
    if process.wait():
        raise SystemExit(f"{' '.join(command)} failed")
    return {"seconds": time.perf_counter() - start, "peak": most["VmHWM"], "anonymous": most["RssAnon"]}


def side_by_side(folder: Path, runs: int, quick: bool) -> None:
    source = folder / "vgg16.safetensors"
    vgg16(source, quick)
    size = source.stat().st_size / 2**20
    given = ["prune", source.name, "--scope", "global", "--sparsity", "0.3", "-o", "pruned.safetensors"]
    commands = {
        "cp": ["cp", source.name, "copy"],
        "apcli --help": [APCLI, "--help"],
        "apcli prune": [APCLI, *given],
        "torch.nn.utils.prune": [sys.executable, "-c", TORCH, source.name, "torch.safetensors"],
    }
    found: dict[str, list[dict[str, float]]] = {name: [] for name in commands}
    for run in range(runs + 1):  # the first, which also warms the files up, does not count
        for name, command in commands.items():
            for made in ("copy", "pruned.safetensors", "torch.safetensors"):
                (folder / made).unlink(missing_ok=True)
            if name == "torch.nn.utils.prune" and run > max(1, runs // 3):
                continue  # it is slow
            taken = watched(command, folder)
            found[name] += [taken] if run else []
    seconds = {name: statistics.median(r["seconds"] for r in rows) for name, rows in found.items()}
    print(f"{size:.0f} MiB, median of {runs} runs\n\n| what | median s | least s | peak MiB | / file | anonymous MiB |")
    print("| --- | --- | --- | --- | --- | --- |")
    for name, rows in found.items():
        peak, anonymous = (max(r[key] for r in rows) for key in ("peak", "anonymous"))
        least = min(r["seconds"] for r in rows)
        print(f"| {name} | {seconds[name]:.3f} | {least:.3f} | {peak:.0f} | {peak / size:.2f} | {anonymous:.0f} |")
    bare = seconds["apcli prune"] - seconds["apcli --help"]
    print(f"\ntorch / apcli: {seconds['torch.nn.utils.prune'] / seconds['apcli prune']:.1f}")
    print(f"(apcli - start-up) / cp: {bare / seconds['cp']:.1f}\n", flush=True)


def growth(folder: Path, largest: float) -> None:
    print("| model GiB | files | s | s / GiB | cp, s | (apcli - start-up) / cp | peak / size | anonymous MiB |")
    print("| --- | --- | --- | --- | --- | --- | --- | --- |")
    sizes = [largest]
    while sizes[0] > 0.5:
        sizes.insert(0, sizes[0] / 2)
    bare = watched([APCLI, "--help"], folder)["seconds"]
    for gigabytes in sizes:
        index = sharded(folder / "model", gigabytes)
        given = ["prune", str(index), "--scope", "global", "--sparsity", "0.3", "-o", "pruned"]
        taken = {}
        for name, command in {"cp": ["cp", "-r", "model", "copied"], "apcli": [APCLI, *given]}.items():
            os.sync()
            taken[name] = watched(command, folder)
            for made in ("copied", "pruned"):
                shutil.rmtree(folder / made, ignore_errors=True)
        files = len(list(index.parent.glob("*.safetensors")))
        shutil.rmtree(index.parent)
        seconds, copied = taken["apcli"]["seconds"], taken["cp"]["seconds"]
        row = [f"{gigabytes:g}", f"{files}", f"{seconds:.2f}", f"{seconds / gigabytes:.2f}", f"{copied:.2f}"]
        row += [f"{(seconds - bare) / copied:.1f}", f"{taken['apcli']['peak'] / 1024 / gigabytes:.2f}"]
        print(f"| {' | '.join([*row, format(taken['apcli']['anonymous'], '.0f')])} |", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="a small file, one run")
    parser.add_argument("--runs", type=int, default=7)
    parser.add_argument(
        "--largest", type=float, default=10.0, metavar="GB", help="the largest model of the second table"
    )
    given = parser.parse_args()
    folder = Path(tempfile.mkdtemp())
    try:
        side_by_side(folder, 1 if given.quick else given.runs, given.quick)
        growth(folder, 0.5 if given.quick else given.largest)
    finally:
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
