"""The report as CSV: the records with a column for each field, and the agreement of AP and PD."""

import csv
import io
from collections.abc import Mapping, Sequence
from typing import Any

from apcli.stages.report.comparisons.summary import comparisons_of
from apcli.stages.report.runs.experiment import Report
from apcli.stages.report.tables.record_rows import row_of

BOUNDS = "bounds.csv"  # the ending of the file of bound records beside divergence records


def csv_files(report: Report) -> dict[str, str]:
    """The files' texts by the endings of their names.

    A line is a record (of divergence: run × seed × epoch × layer × measure), with every field in full precision; empty
    if unknown. Divergence and bound records have a file each, of which the first has the plain ending.
    """
    divergence, bounds = ([row_of(record) for record in records] for records in (report.records, report.bounds))
    tables = {"csv": divergence or bounds, BOUNDS: bounds if divergence else [], "order.csv": _order(report)}
    return {end: _csv(rows) for end, rows in tables.items() if rows}


def _order(report: Report) -> list[dict[str, Any]]:
    """A line per measure, PD, moment and set of runs: Kendall's tau-b with its interval, and counts of pairs.

    ``tau_least`` and ``tau_most`` are the range of the single dense networks.
    """
    rows: list[dict[str, Any]] = []
    for group in report.groups:
        for a in comparisons_of(group).agreements:
            (low, high), (least, most) = a.interval or (None, None), a.range or (None, None)
            named = {"model": group.model, "data": group.data, "moment": a.moment, "pd": a.target.words}
            which = {"over": a.over, "sparsity": a.sparsity, "method": a.method, "measure": a.measure.label}
            size = {"dense_networks": len(a.networks), "runs": a.cells}
            tau = {"tau": a.tau, "tau_low": low, "tau_high": high, "tau_least": least, "tau_most": most}
            counts = {"agree": a.agree, "break": a.breaks, "tied": a.tied}
            rows.append({**named, **which, **size, **tau, **counts})
    return rows


def _csv(rows: Sequence[Mapping[str, Any]]) -> str:
    buffer = io.StringIO()
    writer = csv.DictWriter(buffer, fieldnames=list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return buffer.getvalue()
