"""Sections: a row for every kind of record; other kinds are counted, not lost."""

import pytest

from apcli.records import KINDS
from apcli.records.json_objects import OtherRecord
from apcli.stages.report.evidence.section import Section
from apcli.stages.report.runs.experiment import build
from apcli.stages.report.sections import SECTIONS, SectionRow, sections_of, unshown


def test_every_kind_of_record_has_a_section():
    """But for the report itself, which is what reports print for programs."""
    assert set(KINDS.names) - {"report"} == {kind for row in SECTIONS for kind in row.kinds}


@pytest.mark.parametrize("row", list(SECTIONS), ids=lambda row: row.name)
def test_every_row_loads_and_says_what_it_shows(row):
    assert callable(row.load())
    assert row.summary.endswith("?")
    assert row.title
    assert row.source


def test_sections_are_those_that_records_fill(small):
    report = build(small)
    names = [row.name for row, _ in sections_of(report, report.groups[0])]
    assert names == ["accuracy", "divergence", "order", "epochs"]
    untraced = build([record for record in small if record.epoch is None])
    assert "epochs" not in [row.name for row, _ in sections_of(untraced, untraced.groups[0])]


def test_a_new_row_is_a_section_and_its_kind_is_known(small):
    report = build(small)
    rates = [OtherRecord({"kind": "rates"}), OtherRecord({"kind": "rates"}), OtherRecord({"kind": "spectrum"})]
    assert unshown([*small, *rates]) == {"rates": 2, "spectrum": 1}
    question = "How wide is each layer?"
    row = SectionRow("rates", "studies:one_sentence", question, "a test", title="Rates", kinds=("rates",))
    with SECTIONS.adding(row):
        assert sections_of(report, report.groups[0])[-1] == (row, Section(("6 runs",)))
        assert unshown([*small, *rates]) == {"spectrum": 1}
