"""The files that a report is written to."""

import copy
import csv
import io
import logging
from dataclasses import replace

import pytest
from studies import variant

from apcli.errors import ApcliError, UsageError
from apcli.records import lines
from apcli.stages.report import writing
from apcli.stages.report.writing import html, keep, make


@pytest.mark.slow
def test_make_writes_every_format(make_grid, tmp_path):
    records = variant(make_grid(seeds=(0,), epochs=0, sparsities=(0.1, 0.3)), "ap2")
    stem = tmp_path / "out" / "my.report"
    paths = make(records, ["html", "md", "csv", "png", "svg"], stem)
    names = [path.name.removeprefix("my.report.") for path in paths]
    order = list(csv.DictReader(io.StringIO(paths[3].read_text(encoding="utf-8"))))
    assert order[0]["tau_low"] != ""
    assert float(order[0]["tau_low"]) <= float(order[0]["tau"]) <= float(order[0]["tau_high"])
    assert {row["pd"] for row in order} == {"test loss", "train loss"}
    drawn = [f"{name}.{form}" for form in ("png", "svg") for name in ("accuracy", "over-sparsity", "ap-against-pd")]
    assert names == ["html", "md", "csv", "order.csv", *drawn]
    assert sorted(paths) == sorted(stem.parent.iterdir())
    assert paths[0].read_text(encoding="utf-8") == html(copy.deepcopy(records)), "the same page twice"


def test_make_refuses_what_is_there_and_writes_nothing(small, tmp_path):
    (tmp_path / "r.csv").write_text("mine")
    with pytest.raises(UsageError, match="--overwrite"):
        make(small, ["md", "csv"], tmp_path / "r")
    assert [p.name for p in tmp_path.iterdir()] == ["r.csv"]
    assert (tmp_path / "r.csv").read_text() == "mine"
    make(small, ["md", "csv"], tmp_path / "r", overwrite=True)
    assert (tmp_path / "r.csv").read_text().startswith("model,")


@pytest.mark.slow
def test_a_report_of_fewer_records_is_replaced(small, tmp_path, caplog):
    stem, half = tmp_path / "r", small[: len(small) // 2]
    make(half, ["md", "csv"], stem)
    with caplog.at_level(logging.INFO, "apcli"):
        make(small, ["md", "csv"], stem)
    assert "r.md is replaced: all of its records are in the new report" in caplog.text
    assert len((tmp_path / "r.csv").read_text().splitlines()) == len(small) + 1
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    with pytest.raises(UsageError, match=rf"r\.md exists and has {len(small) - len(half)} records that the new report"):
        make(half, ["md", "csv"], stem)
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_the_report_of_the_same_records_is_not_drawn_again(small, tmp_path, monkeypatch, caplog):
    files = make(small, ["md", "csv"], tmp_path / "r")
    monkeypatch.setattr(writing, "to_markdown", None)
    with caplog.at_level(logging.INFO, "apcli"):
        assert make(small, ["md", "csv"], tmp_path / "r") == files
    assert caplog.messages == [f"{path} is already there, the same: kept" for path in files]
    with pytest.raises(TypeError):
        make(small, ["md"], tmp_path / "r", overwrite=True)


def test_what_no_report_vouches_for_is_not_replaced(small, tmp_path):
    """The table of orders beside a CSV file of records is apcli's; alone, or beside someone's file, it may not be."""
    (tmp_path / "r.order.csv").write_text("mine")
    with pytest.raises(UsageError, match=r"r\.order\.csv exists and differs"):
        make(small, ["csv"], tmp_path / "r")
    assert [path.name for path in tmp_path.iterdir()] == ["r.order.csv"]


def test_a_file_in_the_way_is_refused_before_the_first_record(tmp_path):
    def never():
        raise AssertionError("a record was read")
        yield

    (tmp_path / "r.html").write_text("notes of mine")
    with pytest.raises(UsageError, match=r"r\.html exists and is not known to be a report of apcli: --overwrite"):
        make(never(), ["html"], tmp_path / "r")
    with pytest.raises(UsageError, match="unknown format 'pdf'"):
        make(never(), ["html", "pdf"], tmp_path / "s")


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


def test_make_refuses_nonsense(small, tmp_path):
    with pytest.raises(UsageError, match="unknown format 'pdf': known are html, md, csv, png, svg"):
        make(small, ["pdf"], tmp_path / "r")
    with pytest.raises(ApcliError, match="no divergence record"):
        make([], ["md"], tmp_path / "r")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_figure_names_never_leave_the_folder(make_grid, tmp_path):
    names = {"lowest": "../../x", "random": "x", "highest": "X"}
    grid = variant(make_grid(seeds=(0,), epochs=1, sparsities=(0.1,)), "ap2")
    records = [replace(r, method=names[r.method]) for r in grid]
    paths = make(records, ["svg"], tmp_path / "r")
    assert all(path.parent == tmp_path for path in paths)
    assert len(set(paths)) == len(paths) == 5
