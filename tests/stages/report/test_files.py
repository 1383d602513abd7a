"""A report's files before anything is drawn: what is there, what is in the way, and records that are kept."""

import logging

import pytest

from apcli.configs.report import ReportConfig
from apcli.errors import UsageError
from apcli.records import lines
from apcli.stages.report.files import are_there, check, keep
from apcli.stages.report.writing import make


def test_a_file_in_the_way_is_refused_before_the_first_record(tmp_path):
    (tmp_path / "r.html").write_text("notes of mine")
    with pytest.raises(UsageError, match=r"r\.html exists and is not known to be a report of apcli: --overwrite"):
        check(ReportConfig(tmp_path / "r", ("html",)))
    with pytest.raises(UsageError, match="unknown format 'docx'"):
        check(ReportConfig(tmp_path / "s", ("html", "docx")))
    check(ReportConfig(tmp_path / "r", ("html",), overwrite=True))


def test_kept_records_can_be_read_again(small, tmp_path):
    path = keep(small, tmp_path / "r")
    assert path.name == "r.records.jsonl"
    assert list(lines.load(path.read_text().splitlines(), "r")) == list(small)
    assert keep(small, tmp_path / "r") == path
    assert keep(small[:1], tmp_path / "r").name == "r.records-2.jsonl"


def test_records_are_kept_in_the_working_folder_if_the_reports_is_closed(small, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").write_text("no folder")
    assert keep(small, tmp_path / "file" / "r").resolve() == tmp_path / "r.records.jsonl"


def test_the_report_of_the_same_records_is_not_drawn_again(small, tmp_path, caplog):
    stem = tmp_path / "r"
    assert are_there(small, ReportConfig(stem, ("md",))) == []
    paths = make(small, ReportConfig(stem, ("md", "csv")))
    with caplog.at_level(logging.INFO, "apcli"):
        assert are_there(small, ReportConfig(stem, ("md",))) == paths[:1]
    assert caplog.messages == [f"{paths[0]} is already there, the same: kept"]
    assert are_there(small[1:], ReportConfig(stem, ("md",))) == []
    assert are_there(small, ReportConfig(stem, ("md", "csv"))) == [], "a table of records says no version"
