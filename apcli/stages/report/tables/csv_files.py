"""The report as CSV: the records with a column for each field, and the agreement of AP and PD."""

import csv
import io
from collections.abc import Mapping, Sequence
from typing import Any

from apcli.records.json_objects import columns_of
from apcli.stages.report.comparisons.agreement import agreements_of
from apcli.stages.report.runs.experiment import Report


def to_csv(report: Report) -> str:
    """A line per record (run × seed × epoch × layer × measure) with every field in full precision; empty if unknown."""
    return _csv([columns_of(record) for record in report.records])


def order_csv(report: Report) -> str:
    """A line per measure, PD, moment and set of runs: Kendall's tau-b with its interval, and counts of pairs."""
    rows = []
    for group in report.groups:
        for a in agreements_of(group):
            low, high = a.interval or (None, None)
            named = {"model": group.model, "data": group.data, "moment": a.moment, "pd": a.target.words}
            compared = {"sparsity": a.sparsity, "measure": a.measure.label, "runs": a.cells, "tau": a.tau}
            counts = {"agree": a.agree, "break": len(a.broken), "tied": a.tied}
            rows.append({**named, **compared, "tau_low": low, "tau_high": high, **counts})
    return _csv(rows) if rows else ""


def _csv(rows: Sequence[Mapping[str, Any]]) -> str:
    buffer = io.StringIO()
    writer = csv.DictWriter(buffer, fieldnames=list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return buffer.getvalue()
