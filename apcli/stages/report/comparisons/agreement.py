"""Compare the order of AP with the order of PD among the runs of one dense network: Kendall's tau-b."""

import functools
import operator
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal

import numpy as np

from apcli.stages.report.comparisons.broken_pairs import BrokenPair, pair_of
from apcli.stages.report.comparisons.estimates import by_network
from apcli.stages.report.runs.experiment import Group, Run
from apcli.stages.report.runs.moments import Moment, moments, value_at
from apcli.stages.report.runs.quantities import PD_LOSS, ApMeasure, Quantity
from apcli.stages.report.words import bracketed, signed
from apcli.theory.statistics.kendall import PairCounts, broken_places, pair_counts

Over = Literal["all", "sparsity", "method", "same sparsity"]


@dataclass(frozen=True, eq=False)
class Agreement:
    """The agreement of one AP measure's and one PD's order of runs, among the runs of each dense network.

    Attributes:
        over: what is compared: ``all`` runs with each other, those at one ``sparsity`` or of one ``method``; or, in
            ``same sparsity``, the pairs of runs at one sparsity, of all sparsities together.
        runs: the runs that have both values on some dense network.
        networks: the dense networks, the clusters.
        counts: the pairs of runs of each dense network.
        aps: AP by dense network and run, the mean over seeds; NaN where AP or PD is not known.
        pds: PD likewise.
    """

    measure: ApMeasure
    target: Quantity
    moment: Moment
    over: Over
    sparsity: float | None
    method: str | None
    runs: tuple[Run, ...]
    networks: tuple[str, ...]
    counts: PairCounts = field(repr=False)
    aps: np.ndarray = field(repr=False)
    pds: np.ndarray = field(repr=False)

    @cached_property
    def tau(self) -> float | None:
        """Over the pairs of all dense networks; None if AP or PD is constant in each."""
        return self.counts.tau

    @cached_property
    def taus(self) -> tuple[float | None, ...]:
        """Of each dense network alone."""
        return self.counts.taus

    @property
    def range(self) -> tuple[float, float] | None:
        """The least and the largest tau of a single dense network."""
        known = [tau for tau in self.taus if tau is not None]
        return (min(known), max(known)) if known else None

    @cached_property
    def interval(self) -> tuple[float, float] | None:
        """95 %, dense networks resampled, each with all of its runs; None with fewer than five of them."""
        return self.counts.interval

    @property
    def agree(self) -> int:
        return int(self.counts.agree.sum())

    @property
    def breaks(self) -> int:
        return int(self.counts.broken.sum())

    @property
    def tied(self) -> int:
        return int(self.counts.tied.sum())

    @property
    def pairs(self) -> int:
        """The pairs of runs of one dense network, of all dense networks together."""
        return int(self.counts.pairs.sum())

    @property
    def cells(self) -> int:
        return len(self.runs)

    @cached_property
    def broken(self) -> tuple[BrokenPair, ...]:
        """The pairs of runs that AP and PD order oppositely by their means; none of ``same sparsity``.

        Means are over the dense networks that both runs have. Of one dense network the pairs are as many as ``breaks``.
        """
        if self.over == "same sparsity":
            return ()
        about = self.measure, self.target, self.moment
        return tuple(
            pair_of(self.runs[low], self.runs[high], *about) for low, high in broken_places(self.aps, self.pds)
        )

    @property
    def about(self) -> tuple[Moment, ApMeasure, Quantity]:
        """The comparison without its runs: moment, AP measure and PD."""
        return self.moment, self.measure, self.target

    @property
    def words(self) -> str:
        """tau with its interval, or with the range of the single networks, as text."""
        if self.tau is None:
            return "unknown"
        if self.interval is None and self.range and self.range[0] < self.range[1]:
            low, high = self.range
            return f"{signed(self.tau)} (single networks {signed(low)} to {signed(high)})"
        return " ".join(filter(None, [signed(self.tau), bracketed(self.interval)]))


@dataclass(frozen=True)
class _Subset:
    """Which pairs of runs are compared: those within a part, of places in the group's runs."""

    over: Over
    parts: Sequence[Sequence[int]]
    sparsity: float | None = None
    method: str | None = None


def agreements_of(group: Group) -> tuple[Agreement, ...]:
    """Compare every AP measure with PD in test and train loss, just pruned (epoch 0) and final.

    Each is compared over all runs and, if there are several sparsities or methods, over the runs of each of them.
    Comparisons without any pair of runs that have both values on one dense network are not listed.
    """
    subsets = [*_subsets(group), *_same_sparsity(group)]
    return tuple(a for moment in moments(group) for a in _at(group, moment, subsets))


def agreements_by_epoch(group: Group) -> tuple[Agreement, ...]:
    """The same at every traced epoch, over all runs and over pairs of runs at the same sparsity."""
    epochs = sorted({epoch for run in group.runs for epoch in run.epochs})
    subsets = [_everything(group), *_same_sparsity(group)]
    return tuple(a for epoch in epochs for a in _at(group, epoch, subsets))


def _everything(group: Group) -> _Subset:
    return _Subset("all", [range(len(group.runs))])


def _same_sparsity(group: Group) -> list[_Subset]:
    parts = [subset.parts[0] for subset in _subsets(group) if subset.over == "sparsity"]
    return [_Subset("same sparsity", parts)] if parts else []


def _subsets(group: Group) -> list[_Subset]:
    """All runs, and the runs of each sparsity and method that are several but not all."""
    places = range(len(group.runs))
    subsets = [
        *(_Subset("sparsity", [[p for p in places if group.runs[p].sparsity == s]], s) for s in group.sparsities),
        *(_Subset("method", [[p for p in places if group.runs[p].method == m]], None, m) for m in group.methods),
    ]
    return [_everything(group), *(s for s in subsets if 1 < len(s.parts[0]) < len(places))]


def _at(group: Group, moment: Moment, subsets: Sequence[_Subset]) -> Iterator[Agreement]:
    if not group.measures:
        return
    networks = list(dict.fromkeys(network for run in group.runs for network in run.networks))

    def table(quantity: Quantity) -> np.ndarray:
        return by_network(group.runs, networks, lambda trial: value_at(trial, quantity.key, moment))

    aps = np.stack([table(measure) for measure in group.measures])
    for target in PD_LOSS:
        pds = np.broadcast_to(table(target), aps.shape)
        known = ~np.isnan(aps + pds)
        values = tuple(np.where(known, each, np.nan) for each in (aps, pds))
        for subset in subsets:
            counts = [pair_counts(*(each[..., part] for each in values)) for part in subset.parts]
            total = functools.reduce(operator.add, counts)
            for place, measure in enumerate(group.measures):
                rows = np.flatnonzero(total.of(place).pairs)
                columns = [column for part in subset.parts for column in part if known[place, rows, column].any()]
                if rows.size:
                    yield Agreement(
                        measure,
                        target,
                        moment,
                        subset.over,
                        subset.sparsity,
                        subset.method,
                        tuple(group.runs[column] for column in columns),
                        tuple(networks[row] for row in rows),
                        total.of((place, rows)),
                        *(each[place][rows][:, columns] for each in values),
                    )
