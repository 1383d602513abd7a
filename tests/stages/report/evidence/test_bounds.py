"""The table of statements."""

from studies import bound_record

from apcli.records.bound import Assumption
from apcli.stages.report.evidence.bounds import bounds
from apcli.stages.report.runs.experiment import build


def section(*records):
    report = build(records)
    return bounds(report, report.groups[0])


def test_a_row_for_each_statement_with_its_verdicts_and_its_distance():
    fails = (Assumption("last layer alone", False, "2 others differ"),)
    made = section(
        bound_record("lemma 2", 100.0), bound_record("lemma 2", 1000.0, file="b"),
        bound_record("lemma 2", 5.0, file="c", assumptions=fails), bound_record("R2", 1.0, standing="proven"),
    )  # fmt: skip
    (table,) = made.tables
    columns = {column.heading: column.cells for column in table.columns}
    assert columns["statement"] == ("lemma 2", "R2")
    assert columns["as"] == ("published", "proven")
    assert columns["records, holds"] == (2, 1)
    assert columns["records, assumption fails"] == (1, 0)
    assert columns["powers of ten from the measurement, least"] == (2.0, 0.0)
    assert columns["powers of ten from the measurement, most"] == (3.0, 0.0)
    assert columns["fails most often"] == ("last layer alone (1)", None)


def test_without_bounds_there_is_no_section(small):
    report = build(small)
    assert bounds(report, report.groups[0]) is None
