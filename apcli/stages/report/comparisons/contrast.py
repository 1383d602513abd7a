"""How far a measure separates two methods, in standard deviations over seeds (arXiv:2403.00155, section 8.2.4)."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from apcli.stages.report.comparisons.estimates import Unit, estimate_of
from apcli.stages.report.runs.experiment import Group, Run
from apcli.stages.report.runs.moments import moments, value_at
from apcli.stages.report.runs.parts import rivals
from apcli.stages.report.runs.quantities import ApMeasure
from apcli.theory.statistics import means


@dataclass(frozen=True)
class Contrast:
    """The difference of a measure between two methods at one sparsity and moment, over its pooled sd.

    Attributes:
        value: of ``first`` − ``second``; None if the measure does not vary over the replicates.
        n: the replicates of ``first`` and of ``second``, at least two each, counted in ``unit``.
    """

    first: Run
    second: Run
    sparsity: float
    moment: str
    measure: ApMeasure
    value: float | None
    n: tuple[int, int]
    unit: Unit


def contrasts(group: Group) -> tuple[Contrast, ...]:
    """The contrast of all pairs of methods with two replicates or more, by moment, measure and sparsity."""
    pairs = list(rivals(group))
    return tuple(
        made
        for moment in moments(group)
        for measure in group.measures
        for made in _contrasts(group, pairs, moment, measure)
    )


def _contrasts(
    group: Group, pairs: Iterable[tuple[float, Run, Run]], moment: str, measure: ApMeasure
) -> Iterator[Contrast]:
    found = {run: estimate_of(run, lambda trial: value_at(trial, measure.key, moment)) for run in group.runs}
    for sparsity, first, second in pairs:
        ours, theirs = found[first], found[second]
        if ours and theirs and ours.unit == theirs.unit and min(ours.n, theirs.n) > 1:
            value, n = means.contrast(ours.values, theirs.values), (ours.n, theirs.n)
            yield Contrast(first, second, sparsity, moment, measure, value, n, ours.unit)
