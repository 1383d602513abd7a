"""What theorems say, beside what was measured: a statement with its records, and a pruned file with its bounds."""

import math
import statistics
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from apcli.records import POOLED
from apcli.records.bound import COMPARED, NOT_APPLICABLE, PD, PD_ACCURACY, BoundRecord
from apcli.stages.report.runs.experiment import Group


@dataclass(frozen=True)
class Statement:
    """A statement about one quantity, with the records of it: those of all layers together, if there are such."""

    theory: str
    name: str
    quantity: str
    records: tuple[BoundRecord, ...]

    @property
    def standing(self) -> str:
        return self.records[0].bound.standing

    @property
    def source(self) -> str:
        return self.records[0].bound.source

    def number(self, verdict: str) -> int:
        """How many records have this verdict."""
        return sum(record.bound.verdict == verdict for record in self.records)

    @property
    def applied(self) -> tuple[BoundRecord, ...]:
        """The records in which the statement applies, says something, and was measured."""
        return tuple(record for record in self.records if record.bound.verdict in COMPARED)

    @property
    def slacks(self) -> tuple[float, ...]:
        """How many times the bound is the measured quantity where it applies, ascending; below 1 where it is broken."""
        return tuple(sorted(one.bound.slack for one in self.applied if one.bound.slack is not None))

    @property
    def slack(self) -> float | None:
        """The median."""
        return statistics.median(self.slacks) if self.slacks else None

    @property
    def of_pd(self) -> bool:
        """Whether it is about the performance difference, in loss or in accuracy."""
        return self.quantity in (PD, PD_ACCURACY)

    @property
    def by_file(self) -> "Statement":
        """The statement with one record of each pruned file: of its last epoch, the strictest of its layers.

        That is the least bound of those that apply, and of all where none does: a statement about any one layer claims
        what it says of each.
        """
        files: dict[str, list[BoundRecord]] = {}
        for record in self.records:
            files.setdefault(record.pruned.identity, []).append(record)
        return Statement(self.theory, self.name, self.quantity, tuple(map(_strictest, files.values())))

    @property
    def failed(self) -> tuple[BoundRecord, ...]:
        """The records in which an assumption fails: the number of the formula is no bound there."""
        return tuple(record for record in self.records if record.bound.verdict == NOT_APPLICABLE)

    @property
    def failed_slack(self) -> float | None:
        """How many times that number is the measured quantity, the median; None where neither is known, or one is 0."""
        known = [record.bound.slack for record in self.failed if record.bound.slack]
        return statistics.median(known) if known else None

    @property
    def failing(self) -> tuple[str, int] | None:
        """The assumption that fails most often, and in how many records."""
        failed = (one.name for record in self.records for one in record.bound.assumptions if one.holds is False)
        counted = Counter(failed).most_common(1)
        return counted[0] if counted else None


def statements_of(group: Group) -> tuple[Statement, ...]:
    """The statements of the bound records, in the order of the records."""
    found: dict[tuple[str, str, str], list[BoundRecord]] = {}
    for record in group.bounds:
        found.setdefault((record.theory, record.bound.statement, record.bound.quantity), []).append(record)
    return tuple(Statement(*key, _pooled(records)) for key, records in found.items())


@dataclass(frozen=True)
class Cell:
    """A pruned file: what was measured of it, and what each statement about PD says.

    Attributes:
        file: its name, or its path where two files have one name.
        measured: by quantity, PD in loss and in accuracy where it is known.
        bounds: by statement and quantity.
    """

    file: str
    method: str | None
    sparsity: float | None
    measured: Mapping[str, float]
    bounds: Mapping[tuple[str, str], BoundRecord]


def cells_of(stated: Sequence[Statement]) -> tuple[Cell, ...]:
    """The files that statements about PD are about, in the order of the records."""
    files: dict[str, list[tuple[Statement, BoundRecord]]] = {}
    for one in stated:
        for record in one.by_file.records if one.of_pd else ():
            files.setdefault(record.pruned.identity, []).append((one, record))
    names = Counter(_name(members[0][1]) for members in files.values())
    return tuple(_cell(members, names) for members in files.values())


def _cell(members: Sequence[tuple[Statement, BoundRecord]], names: Counter[str]) -> Cell:
    (_, first), name = members[0], _name(members[0][1])
    measured: dict[str, float] = {}
    for one, record in members:
        if record.bound.measured is not None:
            measured.setdefault(one.quantity, record.bound.measured)
    return Cell(
        file=name if names[name] == 1 else str(first.pruned.path or first.pruned.sha256),
        method=first.method,
        sparsity=first.sparsity.requested if first.sparsity.requested is not None else first.sparsity.actual,
        measured=measured,
        bounds={(one.name, one.quantity): record for one, record in members},
    )


def _name(record: BoundRecord) -> str:
    return Path(record.pruned.path or record.pruned.sha256 or "").name.removesuffix(".safetensors")


def _strictest(records: Sequence[BoundRecord]) -> BoundRecord:
    """Of one file: the least bound of the last epoch, of the records that apply if some do."""
    last = max(-1 if record.epoch is None else record.epoch for record in records)
    of_last = [record for record in records if record.epoch == last or (record.epoch is None and last == -1)]

    def strictness(record: BoundRecord) -> tuple[bool, float]:
        value = record.bound.value
        return record.bound.verdict not in COMPARED, math.inf if value is None else value

    return min(of_last, key=strictness)


def _pooled(records: Sequence[BoundRecord]) -> tuple[BoundRecord, ...]:
    pooled = tuple(record for record in records if record.layer == POOLED)
    return pooled or tuple(records)
