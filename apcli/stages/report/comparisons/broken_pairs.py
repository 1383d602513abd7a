"""The pairs of runs that break the order of Lemma 2, smaller AP and larger PD, and what may explain them."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from apcli.stages.report.comparisons.estimates import Estimate, estimate, paired
from apcli.stages.report.runs.experiment import Run, Stat
from apcli.stages.report.runs.moments import Moment, stat_at, value_at
from apcli.stages.report.runs.quantities import ApMeasure, Quantity

THRESHOLD = 2.0  # nats: Lemma 2 bounds PD where AP3 is below (arXiv:2403.00155, as reconstructed)


@dataclass(frozen=True)
class Cell:
    """One run's mean AP and mean PD at one moment, on the dense networks that the other run of the pair has too."""

    run: Run
    ap: Stat
    pd: Stat

    @property
    def name(self) -> str:
        return self.run.name


@dataclass(frozen=True)
class BrokenPair:
    """Two runs that AP and PD order oppositely: ``low`` has the smaller AP and the larger PD.

    Attributes:
        beyond: the names of those of the two whose AP3 is at ``THRESHOLD`` or above, where Lemma 2 says nothing; None
            for a measure that is no KL divergence.
    """

    low: Cell
    high: Cell
    target: Quantity
    moment: Moment
    beyond: tuple[str, ...] | None

    @cached_property
    def difference(self) -> Estimate | None:
        """PD of ``low`` − PD of ``high``, paired on the same dense network and seed; None without such pairs."""
        pairs = paired(self.low.run, self.high.run, lambda trial: value_at(trial, self.target.key, self.moment))
        return estimate(pairs) if pairs else None

    @property
    def names(self) -> str:
        return f"{self.low.name} / {self.high.name}"

    @property
    def explained(self) -> bool | None:
        """Whether AP3's threshold explains the pair; None if the threshold does not concern the measure."""
        return None if self.beyond is None else bool(self.beyond)

    @property
    def within_spread(self) -> bool | None:
        """Whether the two PDs differ by at most the sd of their paired differences; None if it is not known."""
        if self.difference is None or self.difference.sd is None:
            return None
        return abs(self.difference.mean) <= self.difference.sd


def pair_of(low: Run, high: Run, measure: ApMeasure, target: Quantity, moment: Moment) -> BrokenPair:
    """The pair with the means of both runs over the dense networks that both have."""
    quantities = measure, target
    shared = set.intersection(*(_known(run, quantities, moment) for run in (low, high)))
    first, second = (_cell(run, shared, quantities, moment) for run in (low, high))
    beyond = tuple(cell.name for cell in (first, second) if cell.ap.mean >= THRESHOLD)
    return BrokenPair(first, second, target, moment, beyond if measure.key.measure == "kl" else None)


def _known(run: Run, quantities: Sequence[Quantity], moment: Moment) -> set[str]:
    """The dense networks on which all quantities of a run are known."""
    return set.intersection(
        *({t.network for t in run.trials if value_at(t, q.key, moment) is not None} for q in quantities)
    )


def _cell(run: Run, networks: set[str], quantities: Sequence[Quantity], moment: Moment) -> Cell:
    kept = replace(run, trials=tuple(trial for trial in run.trials if trial.network in networks))
    ap, pd = (stat_at(kept, quantity.key, moment) for quantity in quantities)
    if ap is None or pd is None:
        raise ValueError(f"{run.name} has no AP and PD on a dense network of the other run")
    return Cell(kept, ap, pd)
