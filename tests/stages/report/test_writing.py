"""The files that a report is written to."""

import copy
import csv
import io
import logging
from dataclasses import replace

import pytest
from studies import bound_record, variant

from apcli.configs.report import ReportConfig
from apcli.errors import ApcliError, UsageError
from apcli.records.json_objects import OtherRecord
from apcli.stages.report.writing import html, make


@pytest.mark.slow
def test_make_writes_every_format(make_grid, tmp_path):
    records = variant(make_grid(seeds=range(5), epochs=0, sparsities=(0.1, 0.3)), "ap2")
    stem = tmp_path / "out" / "my.report"
    paths = make(records, ReportConfig(stem, ("html", "md", "csv")))
    names = [path.name.removeprefix("my.report.") for path in paths]
    order = list(csv.DictReader(io.StringIO(paths[3].read_text(encoding="utf-8"))))
    assert order[0]["tau_low"] != ""
    assert float(order[0]["tau_low"]) <= float(order[0]["tau"]) <= float(order[0]["tau_high"])
    assert {row["pd"] for row in order} == {"test loss", "train loss"}
    assert names == ["html", "md", "csv", "order.csv"]
    assert sorted(paths) == sorted(stem.parent.iterdir())
    assert paths[0].read_text(encoding="utf-8") == html(copy.deepcopy(records)), "the same page twice"


@pytest.mark.slow
@pytest.mark.parametrize("beside", [True, False])
def test_filters_are_in_the_table_and_not_on_the_page(make_grid, tmp_path, beside):
    records = variant(make_grid(seeds=(0,), epochs=0, sparsities=(0.1, 0.3)), "ap2")
    filters = [replace(r, layer="fc", filter=n, value=12345.0 + n) for r in records if r.layer == "*" for n in range(9)]
    given = [*records, *filters] if beside else filters
    page, markdown, table, *_ = make(given, ReportConfig(tmp_path / "r", ("html", "md", "csv")))
    for path in (page, markdown):
        text = path.read_text(encoding="utf-8").replace("\\", "")
        assert f"{len(filters)} records of single filters (fc) are not shown here: --format csv has them" in text
        assert "12345" not in text.replace("apcli-records", "")
    rows = list(csv.DictReader(io.StringIO(table.read_text(encoding="utf-8"))))
    assert [(row["layer"], row["filter"], float(row["value"])) for row in rows] == [
        (r.layer, "" if r.filter is None else str(r.filter), r.value) for r in given
    ]


def test_make_refuses_what_is_there_and_writes_nothing(small, tmp_path):
    (tmp_path / "r.csv").write_text("mine")
    with pytest.raises(UsageError, match="--overwrite"):
        make(small, ReportConfig(tmp_path / "r", ("md", "csv")))
    assert [p.name for p in tmp_path.iterdir()] == ["r.csv"]
    assert (tmp_path / "r.csv").read_text() == "mine"
    make(small, ReportConfig(tmp_path / "r", ("md", "csv"), overwrite=True))
    assert (tmp_path / "r.csv").read_text().startswith("model,")


@pytest.mark.slow
def test_a_report_of_fewer_records_is_replaced(small, tmp_path, caplog):
    stem, half = tmp_path / "r", small[: len(small) // 2]
    make(half, ReportConfig(stem, ("md", "csv")))
    with caplog.at_level(logging.INFO, "apcli"):
        make(small, ReportConfig(stem, ("md", "csv")))
    assert "r.md is replaced: all of its records are in the new report" in caplog.text
    assert len((tmp_path / "r.csv").read_text().splitlines()) == len(small) + 1
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    with pytest.raises(UsageError, match=rf"r\.md exists and has {len(small) - len(half)} records that the new report"):
        make(half, ReportConfig(stem, ("md", "csv")))
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_a_report_of_bounds_grows_by_divergence(small, tmp_path):
    """Its records then stand in another file, and none is lost."""
    config = ReportConfig(tmp_path / "r", ("csv",))
    assert make([bound_record()], config) == [tmp_path / "r.csv"]
    grown = make([*small, bound_record(), bound_record(file="b")], config)
    assert [path.name for path in grown] == ["r.csv", "r.bounds.csv", "r.order.csv"]
    with pytest.raises(UsageError, match=r"r\.bounds\.csv exists and has 1 record that the new report lacks"):
        make([*small, bound_record()], config)
    (tmp_path / "r.bounds.csv").write_text("mine")
    with pytest.raises(UsageError, match=r"r\.bounds\.csv exists and is not known to be a report"):
        make(iter(lambda: pytest.fail("read before it is refused"), None), config)


def test_what_no_report_vouches_for_is_not_replaced(small, tmp_path):
    """The table of orders beside a CSV file of records is apcli's; alone, or beside someone's file, it may not be."""
    (tmp_path / "r.order.csv").write_text("mine")
    with pytest.raises(UsageError, match=r"r\.order\.csv exists and differs"):
        make(small, ReportConfig(tmp_path / "r", ("csv",)))
    assert [path.name for path in tmp_path.iterdir()] == ["r.order.csv"]


def test_make_refuses_nonsense(small, tmp_path):
    with pytest.raises(UsageError, match="unknown format 'docx': known are html, md, csv"):
        make(small, ReportConfig(tmp_path / "r", ("docx",)))
    with pytest.raises(UsageError, match=r"--format png: .* --figures DIR"):
        make(small, ReportConfig(tmp_path / "r", ("html", "png")))
    with pytest.raises(ApcliError, match="no divergence record"):
        make([], ReportConfig(tmp_path / "r", ("md",)))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_each_figure_is_written_in_three_formats(make_grid, tmp_path):
    records = variant(make_grid(seeds=(0,), epochs=0, sparsities=(0.1, 0.3)), "ap2")
    paths = make(records, ReportConfig(tmp_path / "r", ("md",), figures=tmp_path / "figures"))
    drawn = [f"{name}.{form}" for name in FIGURES_OF_FILES for form in ("svg", "png", "pdf")]
    assert [path.relative_to(tmp_path).as_posix() for path in paths] == ["r.md", *(f"figures/{name}" for name in drawn)]
    starts = {".svg": b"<?xml", ".png": b"\x89PNG", ".pdf": b"%PDF"}
    assert all(path.read_bytes().startswith(starts[path.suffix]) for path in paths[1:])
    paths[1].write_text("old")
    assert make(records, ReportConfig(tmp_path / "r", ("md",), figures=tmp_path / "figures")) == paths
    assert paths[1].read_bytes().startswith(b"<?xml"), "replaced beside the report of the same records"


FIGURES_OF_FILES = ("overview", "accuracy", "over-sparsity", "against-pd")


def test_figures_replace_nothing_that_no_report_vouches_for(small, tmp_path):
    (tmp_path / "f").mkdir()
    (tmp_path / "f" / "overview.svg").write_text("mine")
    with pytest.raises(UsageError, match=r"overview\.svg exists and differs: --overwrite .* --figures names"):
        make(small, ReportConfig(tmp_path / "r", ("csv",), figures=tmp_path / "f"))
    with pytest.raises(UsageError, match="is a file: expected a folder"):
        make(small, ReportConfig(tmp_path / "r", ("csv",), figures=tmp_path / "f" / "overview.svg"))
    assert [path.name for path in tmp_path.rglob("*")] == ["f", "overview.svg"]


@pytest.mark.slow
def test_figure_names_never_leave_the_folder(make_grid, tmp_path):
    names = {"lowest": "../../x", "random": "x", "highest": "X"}
    grid = variant(make_grid(seeds=(0,), epochs=1, sparsities=(0.1,)), "ap2")
    records = [replace(r, method=names[r.method]) for r in grid]
    paths = make(records, ReportConfig(tmp_path / "r", ("csv",), figures=tmp_path / "f"))
    figures = [path for path in paths if path.suffix == ".svg"]
    assert all(path.parent == tmp_path / "f" for path in figures)
    assert len({path.name.lower() for path in figures}) == len(figures) > 3


def test_records_of_another_kind_are_told_in_one_line(small, tmp_path, caplog):
    other = OtherRecord({"kind": "spectrum"})
    make([other, *small, other], ReportConfig(tmp_path / "r", ("csv",)))
    assert caplog.messages == ["2 records of kind spectrum left out: the report has no section for that kind"]


@pytest.mark.slow
def test_the_published_scale_is_in_figures_only_and_told_apart(small, tmp_path):
    make(small, ReportConfig(tmp_path / "r", ("html", "md"), scale="published"))
    page, text = ((tmp_path / f"r.{form}").read_text(encoding="utf-8") for form in ("html", "md"))
    assert "(published scale, σ² = " in page
    assert "1/σ² = 3.8 / largest AP2" in page
    assert "published scale" not in text
    make(small, ReportConfig(tmp_path / "r", ("html",)))
    assert "published scale" not in (tmp_path / "r.html").read_text(encoding="utf-8")
    with pytest.raises(UsageError, match="unknown scale 'paper': known are measured, published"):
        make(small, ReportConfig(tmp_path / "r", ("html",), scale="paper"))
    with pytest.raises(UsageError, match="unknown scale"):
        ReportConfig(scale="paper")
