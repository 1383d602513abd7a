"""Rows of names: the first on top, beside the panels, and all of them readable."""

import pytest

from apcli.figures.canvas.marks import Words
from apcli.figures.canvas.panels import WIDTH, Head, Sheet
from apcli.figures.canvas.rows import Rows
from apcli.figures.canvas.scales import linear
from apcli.figures.canvas.words import width_of

NAMES = ("lemma", "a corollary", "x")


def test_names_stand_left_of_the_panels_at_the_heights_of_their_rows():
    sheet, rows = Sheet(), Rows.of(NAMES, 200.0)
    first, second = rows.panels(sheet, [Head("a"), Head("b")], linear([0.0, 1.0]), "x", abreast=2)
    placed = {mark.text: mark.place for mark in sheet.marks if isinstance(mark, Words) and mark.text in NAMES}
    heights = [placed[name][1] for name in NAMES]
    assert heights == sorted(heights), "downwards"
    for name in NAMES:
        assert first.at(0.0, rows.height(name))[1] == second.at(0.0, rows.height(name))[1] == placed[name][1]
        assert placed[name][0] - width_of(name) >= 0
        assert placed[name][0] < first.box.left
    assert first.box.right < second.box.left
    assert second.box.right <= WIDTH


def test_a_panel_alone_is_as_wide_as_one_of_several():
    rows = Rows.of(NAMES, 200.0)
    widths = [rows.panels(Sheet(), [Head("")], linear([0.0, 1.0]), "x", n)[0].box.width for n in (1, 2)]
    assert widths[1] < widths[0] / 2 + 20


def test_some_rows_have_the_place_of_all_and_long_names_lose_their_middle():
    rows, sheet = Rows.of([*NAMES, "w" * 100], 150.0), Sheet()
    (panel,) = rows.panels(sheet, [Head("")], linear([0.0, 1.0]), "x")
    (shortened,) = [mark.text for mark in sheet.marks if isinstance(mark, Words) and "…" in mark.text]
    assert width_of(shortened) <= 150
    (part,) = rows.only(["x"]).panels(Sheet(), [Head("")], linear([0.0, 1.0]), "x")
    assert part.box.left == panel.box.left
    assert part.box.height == pytest.approx(panel.box.height / 4)
