"""Contests: the runs at one sparsity, the best of them, and what the others are compared with it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from apcli.stages.report.comparisons.estimates import Estimate, estimate_of
from apcli.stages.report.comparisons.methods import Verdict
from apcli.stages.report.comparisons.summary import comparisons_of
from apcli.stages.report.runs.experiment import Group, Run
from apcli.stages.report.runs.moments import FINAL
from apcli.stages.report.runs.parts import Part, parts_of
from apcli.stages.report.words import interval_of, percent, points

_OPPOSITE: dict[str, Verdict] = {"better": "worse", "worse": "better"}


@dataclass(frozen=True)
class Rival:
    """Another run at the same sparsity.

    Attributes:
        verdict: on the best run, compared with this one.
        lead: of the best run, in percentage points, with its interval; None: not paired.
    """

    run: Run
    accuracy: float
    verdict: Verdict | Literal["unpaired"] = "unpaired"
    lead: float | None = None
    interval: tuple[float, float] | None = None
    p: float | None = None
    detectable: float | None = None

    @property
    def difference(self) -> str:
        """The lead with its interval, in words."""
        return "" if self.lead is None else f"{points(self.lead)} ahead{interval_of(self.interval)}"


@dataclass(frozen=True)
class Contest:
    """The runs at one sparsity: the one with the highest mean accuracy, and its rivals, the nearest first.

    ``layers`` are those that were pruned in the first run of all contests of this part of the network.
    """

    layers: tuple[str, ...]
    sparsity: float | None
    best: Run
    estimate: Estimate
    rivals: tuple[Rival, ...]

    def of(self, verdict: str) -> list[Rival]:
        """The rivals of one verdict on the best."""
        return [rival for rival in self.rivals if rival.verdict == verdict]


def asked(run: Run) -> str:
    """Where a run stands: ``80 % sparsity``; ``75 % of weights, 50 % of channels`` if other than what was asked for."""
    if run.trials[0].budget and run.sparsity is not None:
        return f"{percent(run.sparsity)} fewer {run.trials[0].budget}"
    if run.requested is None or run.sparsity in (None, run.requested):
        return f"{percent(run.sparsity or 0.0)} sparsity"
    of = "of channels" if run.trials[0].of_channels else "asked for"
    return f"{percent(run.sparsity)} of weights, {percent(run.requested)} {of}"


def contests(group: Group) -> list[Contest]:
    """The contests: first those of the largest part of the network, and the highest sparsity.

    Of each part they are the sparsities at which several runs are or, if there is none such, all of them.
    """
    known = [run for run in group.runs if run.accuracy("pruned")]
    return [contest for part in parts_of(known) for contest in _of_part(group, part)]


def _of_part(group: Group, part: Part) -> list[Contest]:
    by_sparsity: dict[float | None, list[Run]] = {}
    for run in sorted(part.runs, key=lambda run: -1.0 if run.sparsity is None else run.sparsity, reverse=True):
        by_sparsity.setdefault(run.sparsity, []).append(run)
    shared = {s: runs for s, runs in by_sparsity.items() if s is not None and len(runs) > 1}
    return [_contest(group, part.layers, s, runs) for s, runs in (shared or by_sparsity).items()]


def _contest(group: Group, layers: tuple[str, ...], sparsity: float | None, runs: Sequence[Run]) -> Contest:
    estimates = {run.name: estimate for run in runs if (estimate := estimate_of(run, lambda t: t.accuracy("pruned")))}
    best, *rest = sorted(runs, key=lambda run: -estimates[run.name].mean)
    rivals = tuple(_rival(group, best, run, estimates[run.name].mean) for run in rest)
    return Contest(layers, sparsity, best, estimates[best.name], rivals)


def _rival(group: Group, best: Run, run: Run, accuracy: float) -> Rival:
    names = {best.name, run.name}
    one = next(
        (c for c in comparisons_of(group).methods if c.moment == FINAL and {c.first.name, c.second.name} == names), None
    )
    if one is None:
        return Rival(run, accuracy)
    interval, verdict = one.interval, one.verdict
    if one.first is run:
        verdict = _OPPOSITE.get(verdict, verdict)
        interval = None if interval is None else (-interval[1], -interval[0])
    lead = one.difference if one.first is best else -one.difference
    return Rival(run, accuracy, verdict, lead, interval, one.p, one.detectable)
