"""What theorems say, beside what was measured: a statement with all records of it."""

import statistics
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from apcli.records import POOLED
from apcli.records.bound import COMPARED, BoundRecord
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


def _pooled(records: Sequence[BoundRecord]) -> tuple[BoundRecord, ...]:
    pooled = tuple(record for record in records if record.layer == POOLED)
    return pooled or tuple(records)
