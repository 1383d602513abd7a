"""How the budgets of runs were shared among layers or channel groups, by the lineages of their files."""

import statistics
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from apcli.checkpoints.promises import Allocated, Spent, is_count, is_number
from apcli.figures.study import Dependence
from apcli.stages.report.runs.experiment import Group, Run
from apcli.stages.report.runs.making import lineage_of


@dataclass(frozen=True)
class Shared:
    """The allocations of a run's files; the evidence is read only as far as it is what is expected."""

    run: Run
    allocations: tuple[Allocated, ...]

    @property
    def units(self) -> list[str]:
        """The layers or channel groups of the first file."""
        return list(self.allocations[0].widths)

    def widths(self, unit: str) -> tuple[float, int] | None:
        """The elements that a unit keeps, a mean over the files, and those that it had."""
        found = [one.widths[unit] for one in self.allocations if unit in one.widths]
        return (statistics.fmean(kept for kept, _ in found), found[0][1]) if found else None

    def share(self, unit: str) -> float | None:
        """The share that a unit keeps, a mean over the files."""
        found = self.widths(unit)
        return None if found is None or not found[1] else found[0] / found[1]

    def evidence(self, name: str, unit: str) -> float | None:
        """What was measured of a unit: ``importance``, ``dependence``; a mean over the files."""
        found = [by_unit[unit] for one in self.allocations if unit in (by_unit := _by_unit(one, name))]
        return statistics.fmean(found) if found else None

    def nhsic(self, unit: str, other: str) -> float | None:
        """nHSIC of a unit with another, or with ``input`` or ``labels``; a mean over the files."""
        found = [
            one.values[one.names.index(unit)][one.names.index(other)]
            for one in self.maps
            if unit in one.names and other in one.names
        ]
        return statistics.fmean(found) if found else None

    @property
    def budgets(self) -> list[Spent]:
        """The budgets asked and got; none of a sparsity."""
        return [one.budget for one in self.allocations if one.budget is not None and one.budget.dense > 0]

    def number(self, name: str) -> float | None:
        """The largest of a number that each file states, as of ``residual``."""
        stated = [one.evidence.get(name) for one in self.allocations]
        return max((float(value) for value in stated if value is not None and is_number(value)), default=None)

    @cached_property
    def maps(self) -> tuple[Dependence, ...]:
        """The maps of nHSIC."""
        return tuple(found for one in self.allocations if (found := _map_of(one.evidence)) is not None)


def shared_of(group: Group) -> list[Shared]:
    """The runs whose files say how an amount was shared."""
    return list(_shared(group))


def _shared(group: Group) -> Iterator[Shared]:
    for run in group.runs:
        allocations = [lineage_of(trial.checkpoint).allocation for trial in run.trials]
        known = tuple(one for one in allocations if one is not None and one.widths)
        if known:
            yield Shared(run, known)


def _by_unit(allocated: Allocated, name: str) -> Mapping[str, float]:
    values, names = allocated.evidence.get(name), allocated.evidence.get("names")
    if not isinstance(values, list) or not isinstance(names, list):
        return {}
    return {unit: value for unit, value in zip(names, values, strict=False) if is_number(value)}


def _map_of(evidence: Mapping[str, Any]) -> Dependence | None:
    """The map that a lineage holds; None if there is none, or none of numbers."""
    names, rows, images = evidence.get("names"), evidence.get("nhsic"), evidence.get("images")
    if not isinstance(names, list) or not isinstance(rows, list) or not all(isinstance(name, str) for name in names):
        return None
    if not all(isinstance(row, list) and len(row) == len(names) and all(map(is_number, row)) for row in rows):
        return None
    about = f"{images:,} images" if is_count(images) else "images"
    return Dependence(about, tuple(names), tuple(map(tuple, rows))) if len(rows) == len(names) else None
