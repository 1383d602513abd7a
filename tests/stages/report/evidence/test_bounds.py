"""The table of statements."""

import math

import pytest
from studies import bound_record

from apcli.records.bound import Assumption
from apcli.stages.report.evidence.bounds import bounds
from apcli.stages.report.runs.experiment import build


def section(*records):
    report = build(records)
    return bounds(report, report.groups[0])


FAILS = (Assumption("last layer alone", False, "2 others differ"),)


def cells(table):
    return {column.heading: column.cells for column in table.columns}


def test_a_row_for_each_statement_with_its_verdicts_and_its_distance():
    made = section(
        bound_record("lemma 2", 100.0, of="AP2"), bound_record("lemma 2", 1000.0, file="b", of="AP2"),
        bound_record("lemma 2", 5.0, file="c", of="AP2", assumptions=FAILS),
        bound_record("R2", 1.0, standing="proven", of="AP2"),
    )  # fmt: skip
    (table,) = made.tables
    columns = cells(table)
    assert columns["statement"] == ("lemma 2", "R2")
    assert columns["as"] == ("published", "proven")
    assert columns["records, holds"] == (2, 1)
    assert columns["records, assumption fails"] == (1, 0)
    assert columns["powers of ten from the measurement, least"] == (2.0, 0.0)
    assert columns["powers of ten from the measurement, most"] == (3.0, 0.0)
    assert columns["fails most often"] == ("last layer alone (1)", None)
    assert made.details == (), "without a bound on PD nothing is folded"


def test_bounds_on_pd_count_files_and_their_number_is_known_where_they_fail():
    made = section(
        *(bound_record("theorem 1", value, layer=layer, assumptions=FAILS) for layer, value in [("a", 0.1), ("b", 9)]),
        *(bound_record("theorem 1", 1000.0, layer=layer, file="b", assumptions=FAILS) for layer in "ab"),
        bound_record("theorem 1", 100.0, file="c", layer="a"), bound_record("R2", 10.0, standing="proven"),
        bound_record("R2", 1e5, of="AP2"),
    )  # fmt: skip
    summary, by_file = made.tables
    columns = cells(summary)
    assert columns["statement"] == ("theorem 1", "R2")
    assert columns["files, holds"] == (1, 1)
    assert columns["files, assumption fails"] == (2, 0)
    assert columns["powers of ten from the measurement, median"] == (2.0, 1.0)
    assert columns["where an assumption fails, median, powers of ten"][0] == pytest.approx(math.log10(500.05), abs=1e-6)
    assert columns["where an assumption fails, below PD, files"] == (1, None)
    assert columns["fails most often"] == ("last layer alone (2)", None)
    assert cells(by_file)["file"] == ("a", "b", "c")
    (everything,) = made.details
    assert cells(everything)["statement"] == ("theorem 1", "R2", "R2")


def test_each_file_says_what_became_of_each_bound_on_pd():
    unknown = (Assumption("the curvature is bounded"),)
    made = section(
        bound_record("holds", 100.0), bound_record("fails", 0.01, assumptions=FAILS),
        bound_record("endless", float("inf"), assumptions=FAILS), bound_record("open", 10.0, assumptions=unknown),
        bound_record("broken", 0.1), bound_record("vacuous", 9.0, trivial=2.0), bound_record("holds", 5.0, file="b"),
        bound_record("zero", 5.0, measured=0.0), bound_record("unknown", 5.0, measured=None),
        bound_record("margins", 0.5, of="PD (accuracy)", measured=0.05),
    )  # fmt: skip
    columns = cells(made.tables[1])
    assert columns["measured, PD"] == (1.0, 1.0)
    assert columns["measured, PD in accuracy"] == (0.05, None)
    said = {name.removeprefix("bound on PD, "): texts[0] for name, texts in columns.items() if "bound on" in name}
    assert said == {
        "holds": "2.00", "fails": "(\N{MINUS SIGN}2.00)", "endless": "(infinite)", "open": "1.00 ?",
        "broken": "\N{MINUS SIGN}1.00, broken", "vacuous": "vacuous", "zero": "holds", "unknown": "not measured",
        "bound on PD in accuracy, margins": "1.00",
    }  # fmt: skip
    assert columns["bound on PD, fails"][1] is None


def test_without_bounds_there_is_no_section(small):
    report = build(small)
    assert bounds(report, report.groups[0]) is None
