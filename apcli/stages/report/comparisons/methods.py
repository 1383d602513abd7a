"""Two methods at one sparsity: the paired difference of their test accuracies, and whether it is more than chance."""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from apcli.stages.report.comparisons.estimates import Unit, paired, replicates
from apcli.stages.report.runs.experiment import Group, Run
from apcli.stages.report.runs.moments import FINAL, moments
from apcli.stages.report.runs.parts import rivals
from apcli.theory.statistics import means

LEVEL = 0.05
Verdict = Literal["better", "worse", "not distinguishable", "too few", "no test"]
_DIGITS = 9  # of a difference in percentage points: the rest is rounding


@dataclass(frozen=True)
class MethodComparison:
    """Two methods at one sparsity and moment, paired on the same dense network and seed.

    Attributes:
        difference: test accuracy of ``first`` − that of ``second``, percentage points, the mean over the pairs.
        values: the difference of each dense network, the mean over its seeds; of one dense network, of each seed.
        interval: 95 %, Student's t, not adjusted.
        p: of Student's paired t test, by Holm adjusted for all comparisons of one moment.
        verdict: of ``first``. ``no test``: the difference is the same in all pairs, and not 0, so that the t test says
            nothing; ``too few``: fewer than three pairs.
        unit: what ``n`` counts.
        detectable: the least true difference that as many pairs with this sd would find with power 0.8 at level 0.05.
    """

    first: Run
    second: Run
    sparsity: float
    moment: str
    difference: float
    values: tuple[float, ...]
    interval: tuple[float, float] | None
    p: float | None
    verdict: Verdict
    n: int
    unit: Unit
    detectable: float | None


def method_comparisons(group: Group) -> tuple[MethodComparison, ...]:
    """Compare all methods at each sparsity and moment that prune the same part of the network.

    Those without a common dense network and seed are left out.
    """
    return tuple(made for moment in moments(group) for made in _adjusted(_at(group, moment)))


def _at(group: Group, moment: str) -> list[MethodComparison]:
    state = "pruned" if moment == FINAL else "before"
    made = []
    for sparsity, first, second in rivals(group):
        pairs = paired(first, second, lambda trial: trial.accuracy(state))
        if pairs:
            made.append(_compared(first, second, sparsity, moment, pairs))
    return made


def _compared(
    first: Run, second: Run, sparsity: float, moment: str, pairs: Sequence[tuple[str, float]]
) -> MethodComparison:
    values, unit = replicates((network, round(difference, _DIGITS)) for network, difference in pairs)
    return MethodComparison(
        first,
        second,
        sparsity,
        moment,
        difference=statistics.fmean(values),
        values=values,
        interval=means.mean_interval(values),
        p=means.paired_p(values),
        verdict="too few",
        n=len(values),
        unit=unit,
        detectable=means.least_detectable(values),
    )


def _adjusted(family: Sequence[MethodComparison]) -> list[MethodComparison]:
    """The comparisons with adjusted p, and the verdicts that follow from it."""
    adjusted = [replace(c, p=p) for c, p in zip(family, means.holm([c.p for c in family]), strict=True)]
    return [replace(c, verdict=_verdict(c)) for c in adjusted]


def _verdict(c: MethodComparison) -> Verdict:
    if c.n < means.LEAST:
        return "too few"
    if c.p is None and c.difference != 0:
        return "no test"
    if c.p is None or c.p >= LEVEL:
        return "not distinguishable"
    return "better" if c.difference > 0 else "worse"
