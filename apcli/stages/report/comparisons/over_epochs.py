"""Whether a measure follows PD through fine-tuning: their rank agreement over the epochs of one pruned network."""

import math
import statistics
from dataclasses import dataclass

import numpy as np

from apcli.stages.report.runs.experiment import Group
from apcli.stages.report.runs.quantities import PD_LOSS, ApMeasure, Key, Quantity
from apcli.stages.report.runs.trials import Trial
from apcli.theory.statistics import clusters
from apcli.theory.statistics.kendall import pair_counts

LEAST_EPOCHS = 3  # two epochs are one pair: their tau is only a sign


@dataclass(frozen=True)
class WithinNetworks:
    """Kendall's tau-b between a measure and PD over the epochs of one pruned network, for each of them.

    Attributes:
        taus: of each pruned network; those in which the measure or PD never changes have none.
        runs: the name of each tau's run.
        low, high: the range of ``taus``.
        n: the number of ``taus``.
        networks: the number of dense networks, the clusters.
        interval: of the mean, 95 %, dense networks resampled; None with fewer than ``clusters.LEAST`` of them.
        constant: the number of pruned networks without a tau.
        epochs: the fewest and the most values that a tau was computed from, just pruned included.
    """

    measure: ApMeasure
    target: Quantity
    taus: tuple[float, ...]
    runs: tuple[str, ...]
    mean: float
    low: float
    high: float
    n: int
    networks: int
    interval: tuple[float, float] | None
    constant: int
    epochs: tuple[int, int]


def within_networks(group: Group) -> tuple[WithinNetworks, ...]:
    """Compare each measure with PD in test and train loss, where both are known at three epochs or more."""
    trials = [(run.name, trial) for run in group.runs for trial in run.trials]
    epochs = sorted({epoch for run in group.runs for epoch in run.epochs})
    if len(epochs) < LEAST_EPOCHS:
        return ()
    pds = [(target, _traces(trials, target.key, epochs)) for target in PD_LOSS]
    aps = [(measure, _traces(trials, measure.key, epochs)) for measure in group.measures]
    made = [_within(measure, target, ap, pd, trials) for target, pd in pds for measure, ap in aps]
    return tuple(each for each in made if each)


def _traces(trials: list[tuple[str, Trial]], key: Key, epochs: list[int]) -> np.ndarray:
    """A quantity by trial and epoch: [trials, epochs], NaN where not known."""
    rows = [[trial.at(key, epoch) for epoch in epochs] for _, trial in trials]
    return np.array([[math.nan if value is None else value for value in row] for row in rows])


def _within(
    measure: ApMeasure, target: Quantity, ap: np.ndarray, pd: np.ndarray, trials: list[tuple[str, Trial]]
) -> WithinNetworks | None:
    points = (~np.isnan(ap + pd)).sum(axis=1)
    enough = points >= LEAST_EPOCHS
    found = [
        (tau, name, trial.network)
        for tau, (name, trial), is_enough in zip(pair_counts(ap, pd).taus, trials, enough, strict=True)
        if is_enough and tau is not None
    ]
    if not found:
        return None
    taus, names, networks = zip(*found, strict=True)
    return WithinNetworks(
        measure,
        target,
        taus,
        names,
        mean=statistics.fmean(taus),
        low=min(taus),
        high=max(taus),
        n=len(taus),
        networks=len(set(networks)),
        interval=clusters.mean_interval(taus, networks),
        constant=int(enough.sum()) - len(taus),
        epochs=(int(points[enough].min()), int(points[enough].max())),
    )
