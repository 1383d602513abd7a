"""Compare the order of AP with the order of PD: Kendall's tau-b, and the pairs that break the order."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

from apcli.stages.report.runs.experiment import Group, Run, Stat
from apcli.stages.report.runs.moments import FINAL, moments
from apcli.stages.report.runs.quantities import PD_LOSS, ApMeasure, Quantity
from apcli.stages.report.words import bracketed, signed
from apcli.theory.statistics import kendall


@dataclass(frozen=True)
class Cell:
    """One run's mean AP and mean PD at one moment."""

    name: str
    ap: Stat
    pd: Stat


@dataclass(frozen=True)
class BrokenPair:
    """Two cells that AP and PD order oppositely: ``low`` has the smaller AP and the larger PD."""

    low: Cell
    high: Cell

    @property
    def names(self) -> str:
        return f"{self.low.name} / {self.high.name}"

    @property
    def within_spread(self) -> bool | None:
        """Whether the two PDs differ by at most their joint sd over seeds; None if an sd is unknown."""
        if self.low.pd.sd is None or self.high.pd.sd is None:
            return None
        return abs(self.low.pd.mean - self.high.pd.mean) <= math.hypot(self.low.pd.sd, self.high.pd.sd)


@dataclass(frozen=True)
class Agreement:
    """The agreement of one AP measure's and one PD's order of the same cells, over all sparsities (None) or at one.

    ``interval`` is tau's bootstrap interval over the cells (95 %, percentile); None for fewer than ``kendall.LEAST``.
    """

    measure: ApMeasure
    target: Quantity
    moment: str
    sparsity: float | None
    compared: tuple[Cell, ...]
    tau: float | None
    interval: tuple[float, float] | None
    agree: int
    tied: int
    broken: tuple[BrokenPair, ...]

    @property
    def cells(self) -> int:
        return len(self.compared)

    @property
    def about(self) -> tuple[str, ApMeasure, Quantity]:
        """The comparison without its runs: moment, AP measure and PD."""
        return self.moment, self.measure, self.target

    @property
    def words(self) -> str:
        """tau with its interval, as text."""
        return "unknown" if self.tau is None else " ".join(filter(None, [signed(self.tau), bracketed(self.interval)]))

    @property
    def pairs(self) -> int:
        return math.comb(self.cells, 2)


def agreements_of(group: Group) -> list[Agreement]:
    """Compare every AP measure with PD in test and train loss, just pruned (epoch 0) and final.

    Each is compared over all runs and, if there are several sparsities, over the runs at each of them. Runs whose AP or
    PD is unknown at that moment are left out; comparisons of fewer than two runs are not listed.
    """
    subsets: list[tuple[float | None, Sequence[Run]]] = [(None, group.runs)]
    subsets += [(s, [run for run in group.runs if run.sparsity == s]) for s in group.sparsities]
    subsets = [(s, runs) for s, runs in subsets if s is None or len(runs) < len(group.runs)]
    agreements = []
    for moment in moments(group):
        for target in PD_LOSS:
            for sparsity, runs in subsets:
                for measure in group.measures:
                    cells = _cells(runs, measure, target, moment)
                    if len(cells) > 1:
                        agreements.append(agreement(cells, measure, target, moment, sparsity))
    return agreements


def agreement(
    cells: Sequence[Cell], measure: ApMeasure, target: Quantity, moment: str = FINAL, sparsity: float | None = None
) -> Agreement:
    """Kendall's tau-b between the cells' AP and PD (None if one of them is constant), and the pairs that it counts."""
    aps, pds = [c.ap.mean for c in cells], [c.pd.mean for c in cells]
    interval = kendall.interval(kendall.bootstrap(aps, pds)) if len(cells) >= kendall.LEAST else None
    agree, tied, broken = 0, 0, []
    for first, second in combinations(cells, 2):
        sign = _sign(first.ap.mean - second.ap.mean) * _sign(first.pd.mean - second.pd.mean)
        agree += sign > 0
        tied += sign == 0
        if sign < 0:
            broken.append(BrokenPair(first, second) if first.ap.mean < second.ap.mean else BrokenPair(second, first))
    tau = kendall.tau_b(aps, pds)
    return Agreement(measure, target, moment, sparsity, tuple(cells), tau, interval, agree, tied, tuple(broken))


def _cells(runs: Sequence[Run], measure: ApMeasure, target: Quantity, moment: str) -> list[Cell]:
    cells = []
    for run in runs:
        ap, pd = (run.final(q.key) if moment == FINAL else run.at(q.key, 0) for q in (measure, target))
        if ap and pd:
            cells.append(Cell(run.name, ap, pd))
    return cells


def _sign(value: float) -> int:
    return (value > 0) - (value < 0)
