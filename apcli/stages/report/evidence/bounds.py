"""Bounds beside measurements: how often each statement holds, and how far the bound is from what was measured."""

import math

from apcli.records.bound import VERDICTS
from apcli.stages.report.comparisons.bounds import Statement, statements_of
from apcli.stages.report.evidence.section import Section
from apcli.stages.report.runs.experiment import Group, Report
from apcli.stages.report.tables.columns import Column, table_of

_ABOVE = "powers of ten from the measurement"


def bounds(report: Report, group: Group) -> Section | None:
    """The section; None without a bound record."""
    stated = statements_of(group)
    if not stated:
        return None
    columns = [
        Column("statement", tuple(one.name for one in stated)),
        Column("of", tuple(one.quantity for one in stated)),
        Column("theory", tuple(one.theory for one in stated)),
        Column("as", tuple(one.standing for one in stated)),
        *(Column(verdict, tuple(one.number(verdict) for one in stated), "records") for verdict in VERDICTS),
        Column("median", tuple(_power(one.slack) for one in stated), _ABOVE, decimals=2),
        Column("least", tuple(_power(min(one.slacks, default=None)) for one in stated), _ABOVE, decimals=2),
        Column("most", tuple(_power(max(one.slacks, default=None)) for one in stated), _ABOVE, decimals=2),
        Column("fails most often", tuple(_failing(one) for one in stated), further=True),
        Column("source", tuple(one.source for one in stated), further=True),
    ]
    caption = (
        "A published statement is as its paper gives it; a proven one is rigorous if its assumptions hold. Records in "
        "which a statement is vacuous, or an assumption fails, are not compared. The distance from the measurement is "
        "the decimal logarithm of their ratio: 0 is exact, 3 a thousand times, and below 0 the bound is broken."
    )
    return Section((), (table_of("bounds", "Statements and measurements", columns, caption, keys=2),))


def _power(slack: float | None) -> float | None:
    """The decimal logarithm of a ratio."""
    return None if slack is None else round(math.log10(slack), 6) + 0.0  # no −0.00


def _failing(one: Statement) -> str | None:
    return None if one.failing is None else f"{one.failing[0]} ({one.failing[1]})"
