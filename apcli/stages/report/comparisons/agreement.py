"""Compare the order of AP with the order of PD among the runs of one dense network: Kendall's tau-b."""

import functools
import itertools
import operator
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal

import numpy as np

from apcli.stages.report.comparisons.broken_pairs import BrokenPair, pair_of
from apcli.stages.report.comparisons.estimates import by_network
from apcli.stages.report.runs.experiment import Group, Run
from apcli.stages.report.runs.moments import FINAL, Moment, moments, stat_at, value_at
from apcli.stages.report.runs.parts import parts_of
from apcli.stages.report.runs.quantities import PD_LOSS, SIGNED, ApMeasure, Quantity
from apcli.stages.report.words import beside, signed
from apcli.theory.statistics.kendall import PairCounts, broken_places, pair_counts

Over = Literal["all", "sparsity", "method", "same sparsity"]
AMONG = {"all": "all runs", "same sparsity": "runs at one sparsity"}  # of the comparisons that are no single part's


@dataclass(frozen=True, eq=False)
class Agreement:
    """The agreement of one AP measure's and one PD's order of runs, among the runs of each dense network.

    Attributes:
        over: what is compared: ``all`` runs of one part of the network with each other, those at one ``sparsity`` or of
            one ``method``; or, in ``same sparsity``, the pairs of runs at one sparsity, of all sparsities together.
        runs: the runs that have both values on some dense network.
        networks: the dense networks, the clusters.
        counts: the pairs of runs of each dense network.
        aps: AP by dense network and run, the mean over seeds; NaN where AP or PD is not known.
        pds: PD likewise.
        parts: the places of the runs that are compared with each other.
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
    parts: tuple[tuple[int, ...], ...] = field(repr=False)

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
    def known(self) -> int:
        """The number of dense networks that have a tau, of which the interval is."""
        return sum(tau is not None for tau in self.taus)

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
            pair_of(self.runs[part[low]], self.runs[part[high]], *about)
            for part in self.parts
            for low, high in broken_places(self.aps[:, part], self.pds[:, part])
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
        return beside(signed(self.tau), self.interval, self.known)


@dataclass(frozen=True)
class Improved:
    """The runs of a lower mean loss than their dense networks at one moment, one at least.

    PD, which has no sign, counts them as harmed; the signed change does not.

    Attributes:
        target: PD, the absolute value of the change.
        of: how many runs there are whose change is known.
        agreements: of the measures with the signed change, over all runs and over pairs of runs at one sparsity.
    """

    target: Quantity
    moment: Moment
    runs: tuple[Run, ...]
    of: int
    agreements: tuple[Agreement, ...]


@dataclass(frozen=True)
class _Subset:
    """Which pairs of runs are compared: those within each of the parts, which are places in the group's runs."""

    over: Over
    parts: Sequence[tuple[int, ...]]
    sparsity: float | None = None
    method: str | None = None


def agreements_of(group: Group) -> tuple[Agreement, ...]:
    """Compare every AP measure with PD in test and train loss, just pruned (epoch 0) and final.

    Each is compared over all runs and, if there are several sparsities or methods, over the runs of each of them.
    Runs that prune different parts of the network are never compared: their AP are of other layers. Comparisons
    without any pair of runs that have both values on one dense network are not listed.
    """
    subsets = _subsets(group)
    return tuple(a for moment in moments(group) for a in _at(group, moment, subsets))


def agreements_with(group: Group, targets: Sequence[Quantity], moment: Moment = FINAL) -> tuple[Agreement, ...]:
    """Compare every AP measure with other quantities, over all runs and over pairs of runs at one sparsity."""
    return tuple(_at(group, moment, _over_several(group), targets))


def improved(group: Group) -> tuple[Improved, ...]:
    """For each moment and PD, final first, the runs that improved; none where no run did."""
    made, subsets = [], _over_several(group)
    for moment in moments(group):
        for target, change in SIGNED.items():
            known = [(run, stat) for run in group.runs if (stat := stat_at(run, change.key, moment))]
            better = tuple(run for run, stat in known if stat.mean < 0)
            if better:
                found = tuple(_at(group, moment, subsets, [change]))
                made.append(Improved(target, moment, better, len(known), found))
    return tuple(made)


def agreements_by_epoch(group: Group) -> tuple[Agreement, ...]:
    """The same at every traced epoch, over all runs and over pairs of runs at the same sparsity."""
    epochs = sorted({epoch for run in group.runs for epoch in run.epochs})
    subsets = _over_several(group)
    return tuple(a for epoch in epochs for a in _at(group, epoch, subsets))


def _subsets(group: Group) -> list[_Subset]:
    """All runs; the runs of each sparsity and of each method that are several but not all; runs at one sparsity."""
    places = {run: place for place, run in enumerate(group.runs)}
    parts = [tuple(places[run] for run in part.runs) for part in parts_of(group.runs)]

    def those(chosen: Callable[[Run], bool]) -> list[tuple[int, ...]]:
        some = [tuple(p for p in part if chosen(group.runs[p])) for part in parts]
        return [part for part in some if len(part) > 1]

    everything = those(lambda _: True)
    at = [_Subset("sparsity", those(functools.partial(_stands, s)), s) for s in group.sparsities]
    of = [_Subset("method", those(functools.partial(_is_of, m)), None, m) for m in group.methods]
    some = [subset for subset in (*at, *of) if subset.parts and subset.parts != everything]
    same = [part for subset in some for part in subset.parts if subset.over == "sparsity"]
    return [one for one in (_Subset("all", everything), *some, _Subset("same sparsity", same)) if one.parts]


def _over_several(group: Group) -> list[_Subset]:
    """The subsets that are no single part's: all runs, and the pairs of runs at one sparsity."""
    return [one for one in _subsets(group) if one.over in AMONG]


def _stands(sparsity: float, run: Run) -> bool:
    return run.sparsity == sparsity


def _is_of(method: str, run: Run) -> bool:
    return run.method == method


def _at(
    group: Group, moment: Moment, subsets: Sequence[_Subset], targets: Sequence[Quantity] = PD_LOSS
) -> Iterator[Agreement]:
    if not group.measures:
        return
    networks = list(dict.fromkeys(network for run in group.runs for network in run.networks))

    def table(quantity: Quantity) -> np.ndarray:
        return by_network(group.runs, networks, lambda trial: value_at(trial, quantity.key, moment))

    aps = np.stack([table(measure) for measure in group.measures])
    for target in targets:
        pds = np.broadcast_to(table(target), aps.shape)
        known = ~np.isnan(aps + pds)
        x, y = (np.where(known, each, np.nan) for each in (aps, pds))
        for subset in subsets:
            counts = [pair_counts(x[..., part], y[..., part]) for part in subset.parts]
            total = functools.reduce(operator.add, counts)
            for place, measure in enumerate(group.measures):
                rows = np.flatnonzero(total.of(place).pairs)
                parts = [[column for column in part if known[place, rows, column].any()] for part in subset.parts]
                columns = list(itertools.chain.from_iterable(parts))
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
                        x[place][rows][:, columns],
                        y[place][rows][:, columns],
                        _numbered(parts),
                    )


def _numbered(parts: Sequence[Sequence[int]]) -> tuple[tuple[int, ...], ...]:
    """The places of the members of each part in all of them."""
    numbers = itertools.count()
    return tuple(tuple(next(numbers) for _ in part) for part in parts)
