"""The table of pruning limits."""

from studies import bound_record, limit_records

from apcli.stages.report.evidence.limit import limit
from apcli.stages.report.runs.experiment import build


def test_a_row_for_each_statement_about_a_network():
    report = build([*limit_records(), *limit_records(file="b")])
    (table,) = limit(report, report.groups[0]).tables
    columns = {column.heading: column.cells for column in table.columns}
    assert columns["network"] == ("dense.safetensors", "dense.safetensors")
    assert columns["statement"] == ("published limit", "one-shot")
    assert columns["weights, kept, %"] == (25.0, 75.0)
    assert columns["weights, may go, %"] == (75.0, 25.0)
    assert columns["ε, nats"] == (0.02, 0.02)


def test_without_a_limit_there_is_no_section():
    report = build([bound_record()])
    assert limit(report, report.groups[0]) is None
