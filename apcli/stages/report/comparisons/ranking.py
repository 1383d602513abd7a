"""Rank the measures by Kendall's tau over all runs, and test which differences are resolved."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from apcli.stages.report.comparisons.agreement import Agreement
from apcli.stages.report.runs.experiment import Group
from apcli.stages.report.runs.moments import FINAL, JUST_PRUNED, moment_name
from apcli.stages.report.runs.quantities import ApMeasure, Quantity
from apcli.words import count, few, join

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


def rankings(agreements: Sequence[Agreement]) -> list[MeasureRanking]:
    """Rank the measures for each moment and PD where they differ in their order.

    Only measures that are known for the same runs are ranked, because a tau over fewer runs is not comparable.
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
            if len(alike) > 1:
                best = next(iter(alike.values()))[0]
                places = tuple(_place(best, members, there) for members in alike.values())
                made.append(MeasureRanking(target, moment, places))
    return made


def sentences(group: Group, made: Iterable[MeasureRanking]) -> list[str]:
    """Sentences that name the best measure, and the others that are not distinguishable from it."""
    lines = []
    for ranking in made:
        when = moment_name(group, ranking.moment)
        best, others = ranking.best, ranking.places[1:]
        verb = "orders" if len(best.measures) == 1 else "order"
        named = few([measure.label for measure in best.measures])
        start = f"{when[0].upper()}{when[1:]}, {named} {verb} PD in {ranking.target.words} best"
        lines.append(f"{start} (τ = {best.agreement.words}); {_rest(others, len(best.agreement.networks))}.")
    if any(place.below for ranking in made for place in ranking.places):
        lines.append(
            "Two measures are not distinguishable where the 95 % bootstrap interval of the difference of their τ, over "
            "the same resampled dense networks, holds 0. The best was picked from the same runs and the comparisons "
            "are several, so take a difference that is only just resolved as a hint."
        )
    return lines


def _rest(others: Sequence[RankingPlace], networks: int) -> str:
    if others[0].below is None:
        are = "is" if networks == 1 else "are"
        return f"{count(networks, 'dense network')} {are} too few to say which differences are more than chance"
    parts = []
    for verdict in (UNRESOLVED, LOWER):
        labels = [m.label for place in others if place.verdict == verdict for m in place.measures]
        named = few(labels)
        if labels:
            verb = "is" if len(labels) == 1 else "are"
            parts.append(f"{named} {verb} {'not distinguishable from it' if verdict == UNRESOLVED else 'lower'}")
    return "; ".join(parts)


def _known(a: Agreement) -> tuple[tuple[str, str], ...]:
    """The dense networks and runs of which AP and PD are known."""
    places = np.argwhere(~np.isnan(a.aps))
    return tuple((a.networks[row], a.runs[column].name) for row, column in places)


def _order(a: Agreement) -> bytes:
    """The ranks of the runs by AP on each dense network: equal for measures that order the runs alike."""
    return b"".join(np.unique(row, return_inverse=True)[1].tobytes() for row in a.aps)


def _place(best: Agreement, members: Sequence[Agreement], there: Sequence[Agreement]) -> RankingPlace:
    own = members[0]
    fixed = [a for a in there if a.over == "same sparsity" and a.measure == own.measure]
    pairs = sum(a.agree for a in fixed), sum(a.pairs for a in fixed)
    difference = (best.tau or 0.0) - (own.tau or 0.0)
    below = None if own is best else best.counts.interval_above(own.counts)
    return RankingPlace(tuple(a.measure for a in members), own, difference, below, pairs)
