"""Divergences: exact beside Monte Carlo, the exact Student-t KL over its whole range, and a VGG-16-sized pair of files.

Usage: python examples/benchmarks/divergence.py [--quick] [--only estimators|range|vgg16]

Prints three Markdown tables. Goals: exact within 1e-10 and 1 ms; Monte Carlo over three scalars within 0.1 s and 100 MB
for 600,000 draws, 100 times faster than the published way; VGG-16 within 3 s and 1 GB.

The reference is a quadrature of the same integral in mpmath, to 50 digits and with none of the package's code. It needs
mpmath (`pip install "apcli[dev]"`). The published way is here in double precision and in blocks: at once it would take
over 24 GB. Each method runs in a process of its own, on one thread: with more, whole vectors wait for each other on a
busy machine, tenfold longer. The third table's files take 1.1 GB in the temporary folder. `--quick` takes fewer draws,
cases and weights.
"""

import argparse
import itertools
import json
import math
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path

import mpmath

DIM, DF, SAMPLES, SHIFTS = 100, 4.0, 600_000, (0.01, 0.1, 1.0, 10.0)
METHODS = {"exact": "exact", "mc": "three-scalar Monte Carlo", "mc-naive": "Pyro as published"}
RANGE = {
    "dim": (1, 10, 100, 10**4, 10**7),
    "df": (0.5, 1.0, 4.0, 30.0, 1e3, 1e6),
    "delta": (1e-6, 1e-3, 0.1, 1.0, 10.0, 1e4),
}
QUICK_RANGE = {"dim": (1, 100, 10**7), "df": (0.5, 4.0, 1e6), "delta": (1e-6, 1.0, 1e4)}
DIGITS = 50
INTERVAL = 4  # of the quadrature's variable: short enough for Gauss and Legendre to converge


def reference(delta: float, df: float, dim: int) -> mpmath.mpf:
    """KL of two Student-t distributions: a int_0^1 (1-x)^(a-1) [1 - (1 + c x (1-x))^(-df/2)] dx/x in mpmath.

    x = 1 / (1 + e^-t); Gauss-Legendre over short intervals of t, cut where what is left is below 60 digits.
    """
    with mpmath.workdps(DIGITS + 15):
        a, c, half = (mpmath.mpf(df) + dim) / 2, mpmath.mpf(delta) ** 2 / df, mpmath.mpf(df) / 2

        def integrand(t: mpmath.mpf) -> mpmath.mpf:
            x, rest = 1 / (1 + mpmath.exp(-t)), 1 / (1 + mpmath.exp(t))  # rest = 1 - x
            return rest**a * -mpmath.expm1(-half * mpmath.log1p(c * x * rest))

        left = -145 - float(mpmath.log(max(a, 1) * max(c, 1) * max(half, 1)))
        right = 3 + min(145 / float(a), 300.0)
        edges = mpmath.linspace(left, right, math.ceil((right - left) / INTERVAL) + 1)
        return a * mpmath.quad(integrand, edges, method="gauss-legendre")


def markdown(header: Iterable[str], rows: Iterable[Iterable[str]]) -> None:
    lines = [list(header), *map(list, rows)]
    lines.insert(1, ["---"] * len(lines[0]))
    print(*(f"| {' | '.join(line)} |" for line in lines), "", sep="\n", flush=True)


# ---- estimators


def measure_here(method: str, delta: float, samples: int, rounds: int) -> dict[str, float]:
    """Value, standard error, median seconds, and peak memory beyond that after imports, in this process."""
    from apcli.theory import ESTIMATORS, MEASURES
    from apcli.theory.distributions.shifts import Shift
    from apcli.theory.distributions.student_t import StudentTPair

    if method == "mc-naive":
        import pyro.distributions  # noqa: F401
    estimator, kl = ESTIMATORS.row(method).load(), MEASURES.parse("kl")
    pair = StudentTPair(Shift.of_one_scale(delta, DIM), DF, DF)
    draws = {} if method == "exact" else {"samples": samples, "repeats": 1, "seed": 0, "device": "cpu"}
    before = peak()
    seconds = []
    for _ in range(rounds):
        start = time.perf_counter()
        found = estimator(pair, kl, **draws)
        seconds.append(time.perf_counter() - start)
    value, error = (found, 0.0) if method == "exact" else (found.value, found.std_error)
    return {"value": value, "error": error, "seconds": statistics.median(seconds), "memory": peak() - before}


def peak() -> float:
    """This process's peak memory in MB."""
    held = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return held / (1e6 if sys.platform == "darwin" else 1e6 / 1024)


def estimators(quick: bool) -> None:
    samples = SAMPLES // 100 if quick else SAMPLES
    rounds = {"exact": 101, "mc": 7, "mc-naive": 1}
    one_thread = {**os.environ, "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
    rows, ratios = [], []
    for delta in SHIFTS:
        truth, taken = reference(delta, DF, DIM), {}
        for method, title in METHODS.items():
            arguments = json.dumps([method, delta, samples, rounds[method]])
            child = subprocess.run(
                [sys.executable, __file__, "--measure", arguments], env=one_thread, capture_output=True, check=True
            )
            found = json.loads(child.stdout)
            taken[method] = found["seconds"]
            relative = abs(float((mpmath.mpf(found["value"]) - truth) / truth))
            rows.append(
                [
                    *(f"{delta:g}", title, f"{found['value']:.12g}", f"{found['error']:.1e}", f"{relative:.1e}"),
                    *(f"{found['seconds']:.2g}", f"{found['memory']:.1f}"),
                ]
            )
        ratios.append(taken["mc-naive"] / taken["mc"])
    print(f"KL of Student-t distributions, {DIM} dimensions, df {DF:g}, {samples:,} draws; against mpmath\n")
    markdown(["shift", "method", "value", "standard error", "relative error", "seconds", "peak MB"], rows)
    print(f"Three scalars are {min(ratios):.0f} to {max(ratios):.0f} times faster than whole vectors.\n")


# ---- the exact integral's range


def whole_range(quick: bool) -> None:
    from apcli.theory import MEASURES, measures
    from apcli.theory.distributions.shifts import Shift
    from apcli.theory.distributions.student_t import StudentTPair

    kl, rounds = MEASURES.parse("kl"), 20
    chosen = QUICK_RANGE if quick else RANGE
    rows = []
    for dim in chosen["dim"]:
        errors, seconds = {}, []
        for df, delta in itertools.product(chosen["df"], chosen["delta"]):
            pair = StudentTPair(Shift.of_one_scale(delta, dim), df, df)
            times = []
            for _ in range(rounds):
                start = time.perf_counter()
                value = measures.exact(pair, kl)
                times.append(time.perf_counter() - start)
            seconds.append(statistics.median(times))
            truth = reference(delta, df, dim)
            errors[df, delta] = abs(float((mpmath.mpf(value) - truth) / truth))
        df, delta = max(errors, key=errors.__getitem__)
        worst = f"{errors[df, delta]:.1e} (df {df:g}, shift {delta:g})"
        rows.append([f"{dim:,}", str(len(errors)), worst, f"{1e6 * statistics.median(seconds):.0f}"])
        rows[-1].append(f"{1e6 * max(seconds):.0f}")
    spans = [f"{name} {min(chosen[name]):g} to {max(chosen[name]):g}" for name in ("df", "delta")]
    print(f"Exact KL of Student-t distributions, {', '.join(spans)}; against mpmath\n")
    markdown(["dimensions", "cases", "worst relative error", "microseconds a value", "slowest case"], rows)


# ---- a pair of files


def write_vgg16(path: Path, quick: bool) -> int:
    """Write torchvision's VGG-16 with random float32 weights; returns their number. ``quick``: no largest layer."""
    import numpy as np
    import safetensors.numpy
    import torch
    import torchvision

    with torch.device("meta"):
        shapes = {name: tuple(tensor.shape) for name, tensor in torchvision.models.vgg16().state_dict().items()}
    if quick:
        shapes = {name: shape for name, shape in shapes.items() if not name.startswith("classifier.0")}
    draw = np.random.default_rng(0).standard_normal
    tensors = {name: draw(shape, np.float32) / math.sqrt(math.prod(shape[1:])) for name, shape in shapes.items()}
    safetensors.numpy.save_file(tensors, path)
    return sum(tensor.size for tensor in tensors.values())


def run(command: list[str], folder: str, output: str) -> tuple[float, float]:
    """Seconds and peak memory in MB of one process, its standard output in a file."""
    with open(Path(folder, output), "wb") as file:
        start = time.perf_counter()
        process = subprocess.Popen(command, cwd=folder, stdout=file, stderr=subprocess.DEVNULL)
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - start
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        raise SystemExit(f"{' '.join(command)} exited with {process.returncode}")
    return seconds, usage.ru_maxrss / (1e6 if sys.platform == "darwin" else 1e6 / 1024)


def vgg16(quick: bool) -> None:
    apcli, files = [sys.executable, "-m", "apcli"], ["a.safetensors", "a.lowest-0.3.safetensors"]
    with tempfile.TemporaryDirectory() as folder:
        make = [sys.executable, __file__, "--write", str(Path(folder, files[0])), *(["--quick"] if quick else [])]
        weights = int(subprocess.run(make, capture_output=True, check=True, text=True).stdout)
        run([*apcli, "prune", "a", "--sparsity", "0.3"], folder, "pruned.txt")
        commands = {
            "cat a b > /dev/null": ["cat", *files],
            "sha256sum a b": ["sha256sum", *files],
            "apcli divergence a b": [*apcli, "divergence", *files, "--layers", "all", "--json"],
        }
        outputs = ["/dev/null", "sums.txt", "records.jsonl"]  # an absolute path stays what it is
        runs = {
            name: [run(command, folder, output) for _ in range(6)][1:]  # the first one warms
            for (name, command), output in zip(commands.items(), outputs, strict=True)
        }
        records = len(Path(folder, "records.jsonl").read_text().splitlines())
    best = {name: min(seconds for seconds, _ in found) for name, found in runs.items()}
    base = list(best.values())
    rows = [
        [
            *(name, f"{best[name]:.2f}", f"{statistics.median(seconds for seconds, _ in found):.2f}"),
            *(f"{best[name] / base[0]:.1f}", f"{best[name] / base[1]:.2f}", f"{max(mb for _, mb in found):.0f}"),
        ]
        for name, found in runs.items()
    ]
    print(f"A pair of {weights:,} float32 weights, all layers, default distributions ({records} records), warm files\n")
    markdown(["process", "seconds, best of 5", "median", "/ cat", "/ sha256sum", "peak MB"], rows)


PARTS = {"estimators": estimators, "range": whole_range, "vgg16": vgg16}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="fewer draws, cases and weights")
    parser.add_argument("--only", choices=list(PARTS), help="one of the tables")
    parser.add_argument("--measure", help=argparse.SUPPRESS)  # what a process of its own is asked for
    parser.add_argument("--write", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.measure:
        print(json.dumps(measure_here(*json.loads(given.measure))))
    elif given.write:
        print(write_vgg16(Path(given.write), given.quick))
    else:
        for part in [given.only] if given.only else PARTS:
            PARTS[part](given.quick)


if __name__ == "__main__":
    main()
