"""What widths by information are worth: allocations, criteria, and nHSIC against accuracy, after the same fine-tuning.

Usage: python examples/benchmarks/widths.py BASE [--show allocations,criteria,correlation] [--seeds N] [--networks N]
       [--budget macs=0.5] [--images N] [--epochs N] [--lr RATE] [--data-dir DIR] [--folder DIR]

BASE is a dense checkpoint that records its data, as ``apcli train`` writes it. Each network is made smaller to the same
budget, fine-tuned, and measured on the test split. A seed is that of the fine-tuning and of random channels and widths,
and decides on which 256 (257, ...) images activations are measured, and on which 1024 (1025, ...) gradients.

allocations: widths by ITPruner and by others, with L1 norms within the layers; compared seed by seed with uniform ones.
criteria: which channels go, times ITPruner's and uniform widths, with each factor's share of the variance.
correlation: networks of random widths at equal cost: Pearson's r of test accuracy with the mean nHSIC between a
network's layers, and with the paper's objective, the sum of importance times kept share.

Files that are there are kept, so that a stopped run goes on.
"""

import argparse
import itertools
import logging
import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

import apcli
from apcli.allocations.budgets import Budget
from apcli.allocations.itpruner import itpruner
from apcli.allocations.units import Context, Counts, Unit
from apcli.checkpoints.checkpoint import Checkpoint
from apcli.theory.statistics import clusters
from apcli.theory.statistics.means import mean_interval, sample_sd

ITPRUNER, UNIFORM, RANDOM, REVERSED = "itpruner", "layer", ":random_widths", ":reversed_importance"
SCOPES = {
    "ITPruner, debiased nHSIC": ITPRUNER,
    "ITPruner, biased nHSIC": "itpruner:estimator=biased",
    "ITPruner, importances reversed": REVERSED,
    "ITPruner, no importance (β = 0)": "itpruner:spread=1",
    "the published program": "itpruner:mode=released",
    "uniform": UNIFORM,
    "random": RANDOM,
    "global L1": "global",
}
CRITERIA = ("l1", "geometric-median", "taylor", "random")
ESTIMATORS = ("debiased", "biased")
IMAGES = 256


def random_widths(units: Sequence[Unit], budget: Budget, context: Context, *, seed: int = 0) -> Counts:
    """Kept shares log-uniform over a factor of 4, times what the budget allows, at most 1."""
    draws = 4 ** np.random.default_rng(int(seed)).random(len(units))

    def at(share: float) -> Counts:
        kept = np.minimum((1 - share) * draws, 1.0)
        return {unit.name: unit.size - round(k * unit.size) for unit, k in zip(units, kept, strict=True)}

    return budget.spend(units, at)


def reversed_importance(units: Sequence[Unit], budget: Budget, context: Context) -> Counts:
    """ITPruner's widths if the layers on which the others depend most were the most important: a control."""
    fixed = {"estimator": "debiased", "kernel": "linear", "weight": "cost", "mode": "convex"}
    return itpruner(units, budget, context, **fixed, spread=1 / 3, step=1)


reversed_importance.needs = ("activations",)


class Study:
    """Makes and measures the networks of the experiments."""

    def __init__(self, given: argparse.Namespace) -> None:
        self.given, self.folder, self.data = given, Path(given.folder), {"data_dir": given.data_dir}

    def small(self, scope: str, method: str, seed: int) -> Checkpoint:
        """The smaller network, before it is fine-tuned."""
        path = self.folder / f"{scope.strip(':').replace(':', '-')}.{method}.{seed}.safetensors"
        options: dict[str, Any] = {"seed": seed} if method == "random" else {}
        if scope.startswith(ITPRUNER) or scope == REVERSED or method == "taylor":
            options |= {"images": (1024 if method == "taylor" else IMAGES) + seed, **self.data}
        scope += f":seed={seed}" if scope == RANDOM else ""
        scope = f"{__file__}{scope}" if scope.startswith(":") else scope
        options |= {"structure": "filter", "compact": True, "budget": self.given.budget}
        return apcli.prune(self.given.base, scope=scope, method=method, output=path, **options)[0]

    def tuned(self, networks: Sequence[Checkpoint], seed: int) -> list[Checkpoint]:
        """The networks after the same fine-tuning."""
        own = {name: getattr(self.given, name) for name in ("epochs", "images", "lr")}
        how = {"split": "test", "trace": "none", "eval_every": own["epochs"]}
        return apcli.finetune(networks, seed=seed, output=f"{self.folder}/tuned-{seed}/", **own, **how, **self.data)

    def nhsic(self, network: Checkpoint, estimator: str) -> float:
        """The mean over all pairs of a network's layers, on training images."""
        path = self.folder / "nhsic" / f"{Path(network.label).stem}.{estimator}.safetensors"
        scope = f"{ITPRUNER}:estimator={estimator}"
        options = {"structure": "filter", "sparsity": 0, "images": IMAGES, **self.data}
        [made] = apcli.prune(network, scope=scope, output=path, **options)
        layers = np.array(made.lineage.allocation.evidence["nhsic"])[:-2, :-2]  # the others are images and labels
        return float(layers[~np.eye(len(layers), dtype=bool)].mean())

    def cells(self, asked: Sequence[tuple[str, str]]) -> dict[tuple[str, str], list[Checkpoint]]:
        """The fine-tuned networks of each scope and method, one of each seed."""
        made = [self.tuned([self.small(*cell, s) for cell in asked], s) for s in range(self.given.seeds)]
        return dict(zip(asked, map(list, zip(*made, strict=True)), strict=True))

    def allocations(self) -> None:
        cells = self.cells([(scope, "l1") for scope in SCOPES.values()])
        print("| widths | channels kept (seed 0) | cost | just pruned | fine-tuned | over uniform |")
        print("| --- | --- | --- | --- | --- | --- |")
        for name, scope in SCOPES.items():
            made = cells[scope, "l1"]
            over = [accuracy(a) - accuracy(b) for a, b in zip(made, cells[UNIFORM, "l1"], strict=True)]
            costs = [one.lineage.allocation.budget for one in made]
            widths = " ".join(str(kept) for kept, _ in made[0].lineage.allocation.widths.values())
            cost = statistics.fmean(one.got / one.dense for one in costs)
            early = [one.lineage.history[0]["test"]["accuracy"] for one in made]
            late = [accuracy(one) for one in made]
            print(f"| {name} | {widths} | {cost:.4f} | {spread(early)} | {spread(late)} | {compared(over)} |")

    def criteria(self) -> None:
        cells = self.cells(list(itertools.product((ITPRUNER, UNIFORM), CRITERIA)))
        table = np.array([accuracy(one) for made in cells.values() for one in made]).reshape(2, len(CRITERIA), -1)
        print(f"| widths | {' | '.join(CRITERIA)} |\n| --- |{' --- |' * len(CRITERIA)}")
        for name, row in zip(("ITPruner", "uniform"), table, strict=True):
            print(f"| {name} | {' | '.join(map(spread, row))} |")
        print(f"| difference | {' | '.join(map(compared, table[0] - table[1]))} |\n")
        print("\n".join(variance_shares(table)))

    def correlation(self) -> None:
        small = [self.small(RANDOM, "l1", seed) for seed in range(self.given.networks)]
        tuned = self.tuned(small, 0)
        late = np.array([accuracy(one) for one in tuned])
        print(f"{len(late)} networks: test accuracy {spread(late)}, from {late.min():.2f} to {late.max():.2f}\n")
        print(f"| r of accuracy with | {' | '.join(ESTIMATORS)} |\n| --- | --- | --- |")
        for name, networks in (("just pruned", small), ("fine-tuned", tuned)):
            values = [np.array([self.nhsic(one, estimator) for one in networks]) for estimator in ESTIMATORS]
            texts = [f"{r_of(own, late)}, of {own.min():.3f} to {own.max():.3f}" for own in values]
            print(f"| mean nHSIC, {name} | {' | '.join(texts)} |")
        shares = np.array([[a / b for a, b in one.lineage.allocation.widths.values()] for one in small])
        dense = [self.small(f"{ITPRUNER}:estimator={own}", "l1", 0).lineage.allocation.evidence for own in ESTIMATORS]
        print(f"| Σ importance · share | {' | '.join(r_of(shares @ own['importance'], late) for own in dense)} |")
        print(f"| Σ share | {r_of(shares.sum(axis=1), late)} | |")


def accuracy(made: Checkpoint) -> float:
    return float(made.lineage.metrics["test"]["accuracy"])


def spread(values: Sequence[float]) -> str:
    return f"{statistics.fmean(values):.2f} ± {sample_sd(values):.2f}"


def compared(values: Sequence[float]) -> str:
    """The mean of paired differences, and its interval of Student's t."""
    ends = mean_interval(values)
    return f"{statistics.fmean(values):+.2f}" + (f" [{ends[0]:+.2f}, {ends[1]:+.2f}]" if ends else "")


def r_of(first: np.ndarray, second: np.ndarray) -> str:
    """Pearson's r, and its bootstrap interval over networks."""
    every = np.vstack([np.ones(len(first)), clusters.draws(len(first))])
    weights = every / every.sum(axis=1, keepdims=True)
    x, y = first - (weights @ first)[:, None], second - (weights @ second)[:, None]
    found = (weights * x * y).sum(1) / np.sqrt((weights * x**2).sum(1) * (weights * y**2).sum(1))
    low, high = clusters.interval(found[1:], len(first))
    return f"{found[0]:.2f} [{low:.2f}, {high:.2f}]"


def variance_shares(table: np.ndarray) -> list[str]:
    """What widths, criterion, both together and the seeds have of the variance of a table [widths, criterion, seed]."""
    centred = table - table.mean()
    where, which, cell = (centred.mean(axes, keepdims=True) for axes in ((1, 2), (0, 2), 2))
    parts = {"widths": where, "criterion": which, "both together": cell - where - which, "seeds": centred - cell}
    squares = {name: np.square(np.broadcast_to(own, table.shape)).sum() for name, own in parts.items()}
    return [f"{name}: {100 * own / sum(squares.values()):.1f} % of the variance" for name, own in squares.items()]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("base")
    parser.add_argument("--show", default="allocations,criteria,correlation")
    parser.add_argument("--budget", default="macs=0.5")
    parser.add_argument("--data-dir", default="data")
    parser.add_argument("--folder", default="widths")
    for name, default in {"seeds": 3, "networks": 32, "images": 5000, "epochs": 3, "lr": 0.02}.items():
        parser.add_argument(f"--{name}", type=type(default), default=default)
    given = parser.parse_args()
    logging.basicConfig(level=logging.WARNING)
    for name in given.show.split(","):
        print(f"\n{name}\n", flush=True)
        getattr(Study(given), name)()


if __name__ == "__main__":
    main()
