"""Pictures of a report: what the table of figures lists, and whatever is added to it."""

from dataclasses import replace

import pytest
from studies import only_group, variant

from apcli.figures import FIGURES, FigureRow
from apcli.records.divergence import PerformanceDifference
from apcli.stages.report.page.document import page
from apcli.stages.report.page.pictures import pictures, study_of
from apcli.stages.report.runs.experiment import build


@pytest.mark.slow
def test_pictures_stand_in_the_order_of_the_table_and_carry_its_captions(small):
    drawn = pictures(build(small))
    assert list(dict.fromkeys(picture.row.name for picture in drawn)) == [
        *("accuracy", "by-sparsity", "by-method", "ap-against-pd")
    ]
    captions = {picture.name: picture.caption for picture in drawn}
    assert captions["by-sparsity.lowest-layer"].startswith("Method lowest (layer): each measure over the epochs")
    assert captions["by-method.0.5"].startswith("Sparsity 0.5: each measure over the epochs")
    assert "bands ± 1 standard deviation" in captions["by-method.0.5"]
    assert "± 1 sd over seeds" in captions["accuracy"]


@pytest.mark.slow
def test_one_seed_has_no_word_of_a_spread(make_grid):
    drawn = pictures(build(make_grid(seeds=(0,), epochs=1, sparsities=(0.1, 0.5))))
    assert not any("±" in picture.caption or "over seeds" in picture.caption for picture in drawn)


def test_a_study_has_a_series_for_each_run_and_measure(small):
    group = only_group(small)
    study = study_of(group)
    assert len(study.series) == len(group.runs) * len(group.quantities)
    first, run = study.series[0], group.runs[0]
    assert (first.method, first.sparsity, first.epochs) == (run.method, run.sparsity, (0, 1, 2))
    assert first.final.mean == run.final(group.measures[0].key).mean


@pytest.mark.slow
def test_a_new_row_is_drawn_and_shown(make_grid):
    """A new figure is a function and a row: the report needs no change."""
    caption = "As high as there are series of {}."
    row = FigureRow("one-bar", "studies:one_bar", caption, "a test", ("ap",), title="Bars", per="method")
    report = build(make_grid(seeds=(0,), epochs=0, sparsities=(0.1,)))
    with FIGURES.adding(row):
        drawn = [picture for picture in pictures(report) if picture.row is row]
        text = page(report, drawn)
    assert [picture.name for picture in drawn] == [f"one-bar.{m}-layer" for m in ("lowest", "random", "highest")]
    assert "<h2>Bars</h2>" in text
    assert "<figcaption>As high as there are series of random (layer).</figcaption>" in text


@pytest.mark.parametrize("need", ["epochs", "pd"])
def test_a_figure_whose_need_is_not_met_is_left_out(make_grid, need):
    records = variant(make_grid(seeds=(0,), epochs=0, sparsities=(0.1, 0.3)), "ap2")
    if need == "pd":
        records = [replace(record, pd=PerformanceDifference()) for record in records]
    drawn = pictures(build(records))
    assert drawn
    assert not any(need in picture.row.needs for picture in drawn)
