"""Rank the measures by Kendall's tau over all runs, and test which differences are resolved."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from apcli.stages.report.comparisons.agreement import Agreement
from apcli.stages.report.runs.moments import FINAL, JUST_PRUNED
from apcli.stages.report.runs.quantities import ApMeasure, Quantity
from apcli.words import join

LOWER, UNRESOLVED, UNKNOWN = "lower", "not distinguishable", "too few dense networks"


@dataclass(frozen=True)
class RankingPlace:
    """Measures that order the runs alike, and how far their tau is below that of the best.

    ``below`` is the interval of the difference, from the same resampled dense networks; None for the best itself, or
    with too few of them. ``pairs`` counts the pairs of runs at one sparsity: those that agree, and all.
    """

    measures: tuple[ApMeasure, ...]
    agreement: Agreement
    difference: float
    below: tuple[float, float] | None
    pairs: tuple[int, int]

    @property
    def names(self) -> str:
        return join([measure.label for measure in self.measures])

    @property
    def verdict(self) -> str:
        if self.below is None:
            return UNKNOWN
        return LOWER if self.below[0] > 0 else UNRESOLVED


@dataclass(frozen=True)
class MeasureRanking:
    """The measures by tau against one PD at one moment, the best place first."""

    target: Quantity
    moment: str
    places: tuple[RankingPlace, ...]

    @property
    def best(self) -> RankingPlace:
        return self.places[0]


def rankings(agreements: Sequence[Agreement], *, fewest: int = 2) -> list[MeasureRanking]:
    """Rank the measures for each moment and PD where they differ in their order.

    Only measures that are known for the same runs are ranked, because a tau over fewer runs is not comparable.

    Args:
        fewest: places of a ranking; of one, the measures have the same order.
    """
    made = []
    for moment in (FINAL, JUST_PRUNED):
        for target in dict.fromkeys(a.target for a in agreements):
            there = [a for a in agreements if (a.moment, a.target) == (moment, target)]
            overall = [a for a in there if a.over == "all" and a.tau is not None]
            pairs = max((_known(a) for a in overall), key=len, default=())
            alike: dict[bytes, list[Agreement]] = {}
            for a in sorted(overall, key=lambda a: -(a.tau or 0.0)):
                if _known(a) == pairs:
                    alike.setdefault(_order(a), []).append(a)
            if len(alike) >= fewest:
                best = next(iter(alike.values()))[0]
                places = tuple(_place(best, members, there) for members in alike.values())
                made.append(MeasureRanking(target, moment, places))
    return made


def _known(a: Agreement) -> tuple[tuple[str, str], ...]:
    """The dense networks and runs of which AP and PD are known."""
    places = np.argwhere(~np.isnan(a.aps))
    return tuple((a.networks[row], a.runs[column].name) for row, column in places)


def _order(a: Agreement) -> bytes:
    """The ranks of the runs of each part by AP on each dense network: equal for measures that order them alike."""
    rows = (row[list(part)] for row in a.aps for part in a.parts)
    return b"".join(np.unique(row, return_inverse=True)[1].tobytes() for row in rows)


def _place(best: Agreement, members: Sequence[Agreement], there: Sequence[Agreement]) -> RankingPlace:
    own = members[0]
    fixed = [a for a in there if a.over == "same sparsity" and a.measure == own.measure]
    pairs = sum(a.agree for a in fixed), sum(a.pairs for a in fixed)
    difference = (best.tau or 0.0) - (own.tau or 0.0)
    below = None if own is best else best.counts.interval_above(own.counts)
    return RankingPlace(tuple(a.measure for a in members), own, difference, below, pairs)
