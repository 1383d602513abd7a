"""What pruned networks do otherwise: by method and sparsity, and which measures order it."""

import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

from apcli.records.behaviour import BehaviourRecord, ClassChange
from apcli.stages.report.comparisons.agreement import Agreement, agreements_with
from apcli.stages.report.comparisons.ranking import MeasureRanking, rankings
from apcli.stages.report.runs.behaviours import Shifted, by_file, drop, quantities_of
from apcli.stages.report.runs.experiment import Group

WITHIN = 0.5  # percentage points of accuracy that a network may lack (delta of Liebenwein et al. 2021)


@dataclass(frozen=True, eq=False)
class Behaved:
    """The pruned files of one method at one sparsity, on one split.

    Attributes:
        method: with its scope, as of runs; a file's name if the method is not known.
        records: of images as they are; ``shifted``: by shift, of each severity.
    """

    method: str
    sparsity: float | None
    split: str
    records: tuple[BehaviourRecord, ...]
    shifted: dict[str, tuple[BehaviourRecord, ...]]

    @property
    def name(self) -> str:
        return self.method if self.sparsity is None else f"{self.method} at {self.sparsity:g}"

    def mean(self, number: Callable[[BehaviourRecord], float | None]) -> float | None:
        """Of the files in which the number is known."""
        known = [value for value in map(number, self.records) if value is not None]
        return statistics.fmean(known) if known else None

    def drop(self, shift: str | None) -> float | None:
        """The accuracy that the pruned networks lack, percentage points: the mean over files, and over severities."""
        members = self.records if shift is None else self.shifted.get(shift, ())
        return statistics.fmean(map(drop, members)) if members else None

    @cached_property
    def classes(self) -> tuple[tuple[str, tuple[ClassChange, ...]], ...]:
        """The name of each class, and how each file changes it."""
        changes: dict[int, list[ClassChange]] = {}
        for record in self.records:
            for one in record.predictions.classes:
                changes.setdefault(one.label, []).append(one)
        return tuple((each[-1].name or str(label), tuple(each)) for label, each in changes.items())

    @property
    def worst(self) -> tuple[str, float] | None:
        """The class that loses most accuracy, by its mean change over the files in percentage points."""
        means = [(name, mean_change(changes)) for name, changes in self.classes]
        return min(means, key=lambda item: item[1], default=None)


def mean_change(changes: Sequence[ClassChange]) -> float:
    """Of a class's accuracy over files, in percentage points."""
    return statistics.fmean(one.change.value for one in changes)


def behaved(group: Group) -> tuple[Behaved, ...]:
    """The files by method, sparsity and split: in the order of runs, then those that no run holds."""
    runs = {t.pruned.sha256: (run.method, run.sparsity) for run in group.runs for t in run.trials}
    members: dict[tuple[str, float | None, str], list[tuple[BehaviourRecord, Shifted]]] = {}
    for splits in by_file(group.behaviours).values():
        for split, (own, shifted) in splits.items():
            if own is not None:
                method, sparsity = runs.get(own.pruned.sha256) or (_label(own), own.sparsity.requested)
                members.setdefault((method, sparsity, split), []).append((own, shifted))
    found = []
    for (method, sparsity, split), files in members.items():
        shifts = dict.fromkeys(shift for _, shifted in files for shift in shifted)
        by_shift = {s: tuple(r for _, shifted in files for r in shifted.get(s, ())) for s in shifts}
        found.append(Behaved(method, sparsity, split, tuple(own for own, _ in files), by_shift))
    methods = list(dict.fromkeys((*(run.method for run in group.runs), *(one.method for one in found))))
    return tuple(sorted(found, key=lambda one: (methods.index(one.method), one.sparsity or 0.0, one.split)))


def _label(record: BehaviourRecord) -> str:
    if record.method is None:
        return record.pruned.path or "unnamed file"
    return f"{record.method} ({record.scope})" if record.scope else record.method


def shifts_of(found: Sequence[Behaved]) -> list[str]:
    """The shifts of any of the files, in their order."""
    return list(dict.fromkeys(shift for one in found for shift in one.shifted))


def potential(found: Sequence[Behaved], method: str, shift: str | None, within: float = WITHIN) -> float | None:
    """The prune potential: the highest sparsity up to which a method's networks lack at most so many points.

    Of shifted images, the accuracy is the mean over severities. 0 if even the lowest sparsity is not; None if no
    sparsity is known.

    Source: Liebenwein et al. 2021, arXiv:2103.03014, definition 1.
    """
    drops = {one.sparsity: one.drop(shift) for one in found if one.method == method and one.sparsity is not None}
    known = sorted((sparsity, lacking) for sparsity, lacking in drops.items() if lacking is not None)
    reached = 0.0
    for sparsity, lacking in known:
        if lacking > within:
            return reached
        reached = sparsity
    return reached if known else None


def seen(group: Group) -> tuple[Agreement, ...]:
    """How far each measure orders the runs of each dense network as each number of their behaviour does."""
    return agreements_with(group, quantities_of(group.behaviours, group.bounds)) if group.behaviours else ()


def rankings_of(found: Sequence[Agreement]) -> tuple[MeasureRanking, ...]:
    """The measures by tau against each number of behaviour, the best first."""
    return tuple(rankings(found, fewest=1))
