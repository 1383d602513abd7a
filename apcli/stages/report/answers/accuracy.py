"""The answer to the first question: which method keeps the accuracy, at which sparsity, and by how much."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from apcli.criteria import FILTER_METHODS, METHODS
from apcli.stages.report.answers.answer import MEASURE_IT, Answer
from apcli.stages.report.comparisons.estimates import Estimate, estimate_of
from apcli.stages.report.comparisons.methods import Verdict
from apcli.stages.report.comparisons.summary import comparisons_of
from apcli.stages.report.runs import accuracies
from apcli.stages.report.runs.experiment import Group, Run
from apcli.stages.report.runs.moments import FINAL
from apcli.stages.report.words import UNKNOWN, interval_of, percent, points
from apcli.words import count, few, join

QUESTION, ANCHOR = "Which method keeps the accuracy?", "accuracy"
NAMED = 3  # other methods that are named
_SMALL = 0.001  # a p that is said to be below
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
    """The runs at one sparsity: the one with the highest mean accuracy, and its rivals, the nearest first."""

    sparsity: float | None
    best: Run
    estimate: Estimate
    rivals: tuple[Rival, ...]

    def of(self, verdict: str) -> list[Rival]:
        """The rivals of one verdict on the best."""
        return [rival for rival in self.rivals if rival.verdict == verdict]


def contests(group: Group) -> list[Contest]:
    """The runs of each sparsity at which several are, the highest first; of each sparsity, if there is none such."""
    known = [run for run in group.runs if run.accuracy("pruned")]
    by_sparsity: dict[float | None, list[Run]] = {}
    for run in sorted(known, key=lambda run: -1.0 if run.sparsity is None else run.sparsity, reverse=True):
        by_sparsity.setdefault(run.sparsity, []).append(run)
    held = {s: runs for s, runs in by_sparsity.items() if s is not None and len(runs) > 1}
    return [_contest(group, s, runs) for s, runs in (held or by_sparsity).items()]


def on_accuracy(group: Group) -> Answer:
    """Which method keeps the accuracy at the highest sparsity that several share, and at the others."""
    held = contests(group)
    if not held:
        missing = "Not known: the records hold no test accuracy of the pruned networks."
        return Answer(QUESTION, missing, UNKNOWN, MEASURE_IT, ANCHOR)
    first, others = held[0], held[1:]
    sentence = " ".join(filter(None, [_sentence(first), _elsewhere(first, others)]))
    return Answer(QUESTION, sentence, f"{first.estimate.mean:.1f} %", _sureness(group, first), ANCHOR)


def _contest(group: Group, sparsity: float | None, runs: Sequence[Run]) -> Contest:
    estimates = {run.name: estimate for run in runs if (estimate := estimate_of(run, lambda t: t.accuracy("pruned")))}
    best, *rest = sorted(runs, key=lambda run: -estimates[run.name].mean)
    rivals = tuple(_rival(group, best, run, estimates[run.name].mean) for run in rest)
    return Contest(sparsity, best, estimates[best.name], rivals)


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


def _sentence(held: Contest) -> str:
    dense = accuracies.dense_accuracy([held.best])
    of = "" if dense is None else f" of {dense:.1f}"
    at = "" if held.sparsity is None else f"At {percent(held.sparsity)} sparsity, "
    when = " after fine-tuning" if "before" in accuracies.states([held.best]) else ""
    keeps = f"{at}{held.best.method}{_which(held.best)} keeps {held.estimate.mean:.1f}{of} % test accuracy{when}."
    level = held.of("not distinguishable")
    rivals = [f"{rival.run.method} {rival.accuracy:.1f} %{' (not distinguishable)' if rival in level else ''}"
              for rival in held.rivals]  # fmt: skip
    return f"{keeps} Behind it: {few(rivals, NAMED + 1)}." if rivals else keeps


def _which(run: Run) -> str:
    """What a method of the tables does, for a reader who sees its name for the first time."""
    name = (run.trials[0].method or "").partition(":")[0]
    table = FILTER_METHODS if run.trials[0].scope == "filter" else METHODS
    row = table.get(name)
    return f", which {row.summary}," if row and row.summary.startswith("removes ") else ""


def _elsewhere(first: Contest, others: Sequence[Contest]) -> str:
    """A sentence on the other sparsities, those with the same result together."""
    alike: dict[tuple[str, str], list[str]] = {}
    for held in others:
        alike.setdefault((held.best.method, _standing(held)), []).append(f"{100 * (held.sparsity or 0.0):.3g}")
    clauses = []
    for (best, standing), at in sorted(alike.items(), key=lambda item: item[0][0] != first.best.method):
        who = "it" if best == first.best.method else best
        clauses.append(f"at {join(at[::-1])} % {who} {standing}")
    text = "; ".join(clauses)
    return f"{text[0].upper()}{text[1:]}." if text else ""


def _standing(held: Contest) -> str:
    """How the best run of a sparsity stands to its rivals."""
    level = [rival.run.method for rival in held.of("not distinguishable")]
    if level:
        return f"leads, not distinguishable from {few(level)}"
    return "is better than the others" if len(held.of("better")) == len(held.rivals) > 0 else "leads"


def _sureness(group: Group, held: Contest) -> str:
    n, unit = held.estimate.n, held.estimate.unit
    if n == 1:
        alone = "One dense network, one seed: no interval"
        return f"{alone}, and differences cannot be told from chance." if held.rivals else f"{alone}."
    of = f"Mean of {count(n, unit)}{' of one dense network' if unit == 'seed' else ''}"
    parts = [of + interval_of(held.estimate.interval, ", 95 % interval ")]
    level, better = held.of("not distinguishable"), held.of("better")
    family = sum(one.moment == FINAL and one.p is not None for one in comparisons_of(group).methods)
    if level or better:
        found = [_apart("not distinguishable from", level), _apart("better than", better)]
        listed = "; ".join(words for words in found if words)
        parts.append(f"Paired t tests, adjusted for {count(family, 'comparison')} (Holm): {listed}")
    if level and level[0].detectable is not None:
        least = points(level[0].detectable)
        parts.append(f"Without the adjustment, {count(n, 'pair')} find a difference from about {least} on")
    if held.of("too few"):
        parts.append(f"{count(n, unit)} are too few to tell methods apart")
    if unpaired := [rival.run.method for rival in held.of("unpaired")]:
        parts.append(f"Not compared, because of other dense networks or seeds: {few(unpaired)}")
    return ". ".join(parts) + "."


def _apart(words: str, rivals: Sequence[Rival]) -> str:
    listed = [f"{rival.run.method} ({rival.difference}, p {_p(rival.p)})" for rival in rivals]
    return f"{words} {few(listed, NAMED + 1)}" if rivals else ""


def _p(p: float | None) -> str:
    if p is None:
        return "unknown"
    return "< 0.001" if p < _SMALL else f"= {p:.2g}"
