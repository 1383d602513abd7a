"""Pictures of a report: what the table of figures lists, and whatever is added to it."""

from dataclasses import replace

import pytest
from studies import variant

from apcli.figures import FIGURES, FigureRow
from apcli.records.divergence import PerformanceDifference
from apcli.records.pair import LayerSparsity
from apcli.stages.report.drawing.pictures import pictures
from apcli.stages.report.page.document import page
from apcli.stages.report.runs.experiment import build

BESIDE = ("bounds", "limit", "behaviour", "widths")  # sections of other records than those of runs


def test_pictures_stand_in_the_order_of_the_table_and_carry_its_captions(small):
    made = pictures(build(small))
    left_out = [missing.row.name for missing in made.missing]
    there = [row.name for row in FIGURES if row.name not in left_out and row.section not in BESIDE]
    assert list(dict.fromkeys(picture.row.name for picture in made.drawn)) == there
    assert {"overview", "accuracy", "by-sparsity", "by-method", "against-pd"} <= set(there)
    captions = {picture.name: picture.caption for picture in made.drawn}
    assert captions["by-sparsity.lowest-layer"].startswith("lowest (layer): each measure over the epochs")
    assert captions["by-method.0.5"].startswith("Sparsity 0.5: each measure over the epochs")
    assert "bands reach from the lowest network" in captions["by-method.0.5"]
    assert captions["by-method.0.5"].endswith("Figures 2–16 of arXiv:2403.00155.")
    assert "from the lowest network" in captions["accuracy"]


def test_one_network_has_no_word_of_a_spread(make_grid):
    made = pictures(build(make_grid(seeds=(0,), epochs=1, sparsities=(0.1, 0.5))))
    assert made.drawn
    assert not any("lowest network" in picture.caption for picture in made.drawn)


def test_a_method_looks_the_same_in_all_groups(make_grid):
    grid = make_grid(seeds=(0,), epochs=1, sparsities=(0.1, 0.5))
    both = [
        *grid,
        *(replace(r, data="other", method=f"{r.method}r") for r in grid),
        *(replace(r, data="third") for r in grid),
    ]
    made = pictures(build(both))
    seen = {}
    for picture in made.drawn:
        for mark in picture.drawing.marks:
            for name in ("lowest (layer)", "lowestr (layer)", "random (layer)", "highest (layer)"):
                if getattr(mark, "name", "").removesuffix(" at 0.1") == name:
                    seen.setdefault(name, set()).add(mark.color)
    assert len(seen) == 4
    assert all(len(colors) == 1 for colors in seen.values())
    assert len(set(map(frozenset, seen.values()))) == 4
    assert len({picture.name for picture in made.drawn}) == len(made.drawn)


def test_a_new_row_is_drawn_and_shown(make_grid):
    """A new figure is a function and a row: the report needs no change."""
    caption = "As high as there are series of {}."
    row = FigureRow("one-bar", "studies:one_bar", caption, "a test", title="Bars", per="method")
    report = build(make_grid(seeds=(0,), epochs=0, sparsities=(0.1,)))
    with FIGURES.adding(row):
        made = pictures(report)
        text = page(report, made)
    assert [p.name for p in made.drawn if p.row is row] == [
        f"one-bar.{m}-layer" for m in ("lowest", "highest", "random")
    ]
    assert "As high as there are series of random (layer)." in text


@pytest.mark.parametrize("need", ["epochs", "pd"])
def test_a_figure_that_has_nothing_to_show_is_left_out_with_a_reason(make_grid, need):
    records = variant(make_grid(seeds=(0,), epochs=0, sparsities=(0.1, 0.3)), "ap2")
    if need == "pd":
        records = [replace(record, pd=PerformanceDifference()) for record in records]
    made = pictures(build(records))
    reasons = {missing.row.name: missing.reason for missing in made.missing}
    assert reasons["by-sparsity"] == "fewer than two epochs of fine-tuning are known"
    lines = made.reasons(made.missing[0].group)
    first = "No “Fixed method, every sparsity” and “Fixed sparsity, every method”: fewer than two epochs of fine-tuning"
    assert any(line.startswith(first) for line in lines)
    assert ("against-pd" in reasons) == (need == "pd")
    assert not {picture.row.name for picture in made.drawn} & set(reasons)
    of_runs = {row.name for row in FIGURES if row.section not in BESIDE}
    assert {picture.row.name for picture in made.drawn} | set(reasons) == of_runs


def test_an_element_is_no_file_and_has_its_own_identifiers(small):
    for picture in pictures(build(small)).drawn:
        assert picture.element.startswith("<svg viewBox")
        assert f'id="{picture.name}-title"' in picture.element
        assert "#" not in picture.element.replace("&#", "")


def test_files_without_a_lineage_share_a_figure(make_grid):
    grid = make_grid(seeds=(0,), epochs=2, sparsities=(0.3,))
    made = pictures(build([replace(r, method=None, sparsity=LayerSparsity()) for r in grid]))
    names = [picture.name for picture in made.drawn]
    assert "by-method.unknown" in names
    assert not any(name.startswith("by-sparsity") for name in names)
    (picture,) = (picture for picture in made.drawn if picture.name == "by-method.unknown")
    assert picture.caption.startswith("Sparsity unknown: each measure")
