"""The commands' start-up time beside `import torch`, whole processes, side by side in one run.

Usage: python examples/benchmarks/startup.py [RUNS]. Prints the median and the range in seconds, and the ratio to
`import torch`. Goals: `apcli --help` within 0.3 s; `prune` and `divergence` of a small file within 0.5 s beyond
`import torch` (they import none, so they should be faster than it).
"""

import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

APCLI = str(Path(sys.executable).with_name("apcli"))
MAKE = "import torch, safetensors.torch as s; s.save_file({'fc.weight': torch.randn(10, 64)}, 'a.safetensors')"
COMMANDS = {
    "python -c pass": [sys.executable, "-c", "pass"],
    "import numpy": [sys.executable, "-c", "import numpy"],
    "import torch": [sys.executable, "-c", "import torch"],
    "apcli --help": [APCLI, "--help"],
    "apcli prune --help": [APCLI, "prune", "--help"],
    "apcli prune": [APCLI, "prune", "a", "--sparsity", "0.3", "--overwrite"],
    "apcli divergence": [APCLI, "divergence", "a", "a.lowest-0.3"],
}


def seconds(command: list[str], folder: str) -> float:
    start = time.perf_counter()
    subprocess.run(command, cwd=folder, check=True, capture_output=True)
    return time.perf_counter() - start


def main(runs: int) -> None:
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


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 9)
