"""Bounds beside measurements: those on PD in every pruned file, and how often and how closely each statement holds."""

import math
from collections.abc import Iterable, Sequence

from apcli.records.bound import (
    HOLDS,
    NOT_APPLICABLE,
    NOT_CONTRADICTED,
    NOT_MEASURED,
    PD,
    PD_ACCURACY,
    VACUOUS,
    VERDICTS,
    BoundRecord,
)
from apcli.stages.report.comparisons.bounds import Cell, Statement, cells_of, statements_of
from apcli.stages.report.evidence.section import Section, exactly
from apcli.stages.report.runs.experiment import Group, Report
from apcli.stages.report.tables.columns import Column, ReportTable, table_of

_ABOVE = "powers of ten from the measurement"
_FAILS = "where an assumption fails"
_VERDICTS = sorted(VERDICTS, key=lambda verdict: verdict != NOT_APPLICABLE)  # what is most often said first
_NAMES = {PD: "PD", PD_ACCURACY: "PD in accuracy"}
_ON_PD = (
    "A pruned file counts once: with the least bound of its layers that applies, after its last epoch. {distance} "
    "Where an assumption fails, the formula's number is no bound; its median is of the finite ones, and below PD it "
    "would be broken."
)
_DISTANCE = "The distance from the measurement is the decimal logarithm of their ratio: 0 is exact, 3 a thousand times"


def bounds(report: Report, group: Group) -> Section | None:
    """The section; None without a bound record. Where bounds on PD are known, the other statements are folded."""
    stated = statements_of(group)
    if not stated:
        return None
    on_pd, everything = [one.by_file for one in stated if one.of_pd], _everything(stated)
    if not on_pd:
        return Section((), (everything,))
    return Section((), (_on_pd(on_pd), _every_file(on_pd, cells_of(stated))), (everything,))


def _on_pd(stated: Sequence[Statement]) -> ReportTable:
    """A row for each statement about PD, which counts files."""
    columns = [
        Column("statement", tuple(one.name for one in stated)),
        Column("as", tuple(one.standing for one in stated)),
        *_distances(stated),
        *(Column(verdict, tuple(one.number(verdict) for one in stated), "files") for verdict in _VERDICTS),
        Column("median", tuple(_power(one.failed_slack) for one in stated), _FAILS, "powers of ten", decimals=2),
        Column("below PD", tuple(_below(one) for one in stated), _FAILS, "files"),
        Column("quantity", tuple(one.quantity for one in stated), further=True),
        Column("fails most often", tuple(_failing(one) for one in stated)),
    ]
    caption = _ON_PD.format(distance=f"{_DISTANCE}, and below 0 the bound is broken.")
    return table_of("bounds-on-pd", "Bounds on the performance difference", columns, caption, keys=1)


def _every_file(stated: Sequence[Statement], cells: Sequence[Cell]) -> ReportTable:
    """A row for each pruned file, a column for each statement about PD."""
    columns = [
        Column("file", tuple(cell.file for cell in cells)),
        Column("method", tuple(cell.method for cell in cells), further=True),
        exactly("sparsity", tuple(cell.sparsity for cell in cells), further=True),
        *(Column(name, tuple(cell.measured.get(of) for cell in cells), "measured") for of, name in _NAMES.items()),
        *(
            Column(one.name, tuple(_fared(cell.bounds.get((one.name, one.quantity))) for cell in cells), heading)
            for one in stated
            for heading in [f"bound on {_NAMES[one.quantity]}"]
        ),
    ]
    caption = (
        f"{_DISTANCE}. The bound holds where nothing else is said. With ? it is not contradicted, but an assumption "
        "could not be checked. A number in brackets is no bound: an assumption fails."
    )
    return table_of("bounds-by-file", "Bounds and measured PD, file by file", columns, caption, keys=1)


def _everything(stated: Sequence[Statement]) -> ReportTable:
    columns = [
        *_named(stated),
        Column("theory", tuple(one.theory for one in stated)),
        *(Column(verdict, tuple(one.number(verdict) for one in stated), "records") for verdict in VERDICTS),
        *_distances(stated),
        Column("fails most often", tuple(_failing(one) for one in stated), further=True),
        Column("source", tuple(one.source for one in stated), further=True),
    ]
    caption = (
        "A published statement is as its paper gives it; a proven one is rigorous if its assumptions hold. Records in "
        f"which a statement is vacuous, or an assumption fails, are not compared. {_DISTANCE}, and below 0 the bound "
        "is broken."
    )
    return table_of("bounds", "Statements and measurements", columns, caption, keys=2)


def _named(stated: Sequence[Statement]) -> Iterable[Column]:
    yield Column("statement", tuple(one.name for one in stated))
    yield Column("of", tuple(one.quantity for one in stated))
    yield Column("as", tuple(one.standing for one in stated))


def _distances(stated: Sequence[Statement]) -> Iterable[Column]:
    yield Column("median", tuple(_power(one.slack) for one in stated), _ABOVE, decimals=2)
    yield Column("least", tuple(_power(min(one.slacks, default=None)) for one in stated), _ABOVE, decimals=2)
    yield Column("most", tuple(_power(max(one.slacks, default=None)) for one in stated), _ABOVE, decimals=2)


def _fared(record: BoundRecord | None) -> str | None:
    """How a bound fared in one file: how far it is from the measurement, and what keeps it from holding."""
    if record is None:
        return None
    verdict, power = record.bound.verdict, _power(record.bound.slack)
    if verdict == NOT_APPLICABLE and record.bound.value is None:
        return "(infinite)"
    if power is None or verdict in (VACUOUS, NOT_MEASURED):
        return verdict
    number = f"{power:.2f}".replace("-", "\N{MINUS SIGN}")
    marked = {NOT_APPLICABLE: f"({number})", NOT_CONTRADICTED: f"{number} ?", HOLDS: number}
    return marked.get(verdict, f"{number}, {verdict}")


def _below(one: Statement) -> int | None:
    """In how many files the number of a statement that does not apply is below the measurement; None: none fails."""
    return sum(record.bound.holds is False for record in one.failed) if one.failed else None


def _power(slack: float | None) -> float | None:
    """The decimal logarithm of a ratio."""
    return round(math.log10(slack), 6) + 0.0 if slack else None  # no −0.00


def _failing(one: Statement) -> str | None:
    return None if one.failing is None else f"{one.failing[0]} ({one.failing[1]})"
