"""A run's quantity over its replicates: mean, sd, every value and an interval."""

import math
import statistics
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from apcli.stages.report.runs.experiment import Run
from apcli.stages.report.runs.trials import Trial
from apcli.theory.statistics import means

Unit = Literal["dense network", "seed"]
ValueOf = Callable[[Trial], float | None]


@dataclass(frozen=True)
class Estimate:
    """A quantity of a run over its replicates.

    Attributes:
        sd: the sample standard deviation (n − 1 below); None for a single value.
        values: one for each dense network, the mean over its seeds; of one dense network, one for each seed.
        unit: what ``n`` counts.
        interval: 95 %, Student's t; None for fewer than 3 values, and for values that are all equal.
    """

    mean: float
    sd: float | None
    n: int
    values: tuple[float, ...]
    unit: Unit
    interval: tuple[float, float] | None


def estimate_of(run: Run, value: ValueOf) -> Estimate | None:
    """The estimate of a quantity, such as ``lambda trial: trial.accuracy("pruned")``; None if no trial knows it."""
    found = [(trial.network, known) for trial in run.trials if (known := value(trial)) is not None]
    return estimate(found) if found else None


def estimate(values: Iterable[tuple[str, float]]) -> Estimate:
    """The estimate from values with the dense network of each."""
    kept, unit = replicates(values)
    sd = means.sample_sd(kept) if len(kept) > 1 else None
    return Estimate(statistics.fmean(kept), sd, len(kept), kept, unit, means.mean_interval(kept))


def replicates(values: Iterable[tuple[str, float]]) -> tuple[tuple[float, ...], Unit]:
    """The independent values: each dense network's mean, or the values themselves if there is one network alone."""
    networks: dict[str, list[float]] = {}
    for network, value in values:
        networks.setdefault(network, []).append(value)
    if len(networks) == 1:
        return tuple(next(iter(networks.values()))), "seed"
    return tuple(statistics.fmean(members) for members in networks.values()), "dense network"


def paired(first: Run, second: Run, value: ValueOf) -> list[tuple[str, float]]:
    """The differences of two runs on the same dense network and seed, the mean over mask seeds, with the network."""
    ours, theirs = _by_seed(first, value), _by_seed(second, value)
    return [(key[0], ours[key] - theirs[key]) for key in ours if key in theirs]


def _by_seed(run: Run, value: ValueOf) -> dict[tuple[str, int | None], float]:
    found: dict[tuple[str, int | None], list[float]] = {}
    for trial in run.trials:
        if (known := value(trial)) is not None:
            found.setdefault((trial.network, trial.seed), []).append(known)
    return {key: statistics.fmean(members) for key, members in found.items()}


def by_network(runs: Sequence[Run], networks: Sequence[str], value: ValueOf) -> np.ndarray:
    """Each run's value on each dense network, the mean over its seeds: [networks, runs], NaN where not known."""
    places = {network: place for place, network in enumerate(networks)}
    table = np.full((len(networks), len(runs)), math.nan)
    for column, run in enumerate(runs):
        found: dict[str, list[float]] = {}
        for trial in run.trials:
            if (known := value(trial)) is not None:
                found.setdefault(trial.network, []).append(known)
        for network, members in found.items():
            table[places[network], column] = statistics.fmean(members)
    return table
