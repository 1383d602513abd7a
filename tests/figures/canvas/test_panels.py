"""Panels: what is drawn stays within a column, and names do not cover each other."""

from itertools import pairwise

import pytest
from studies import LOOKS

from apcli.figures.canvas.marks import Area, Dots, Line, Words
from apcli.figures.canvas.panels import ROW, WIDTH, Box, Head, Key, Panel, Sheet
from apcli.figures.canvas.scales import linear
from apcli.figures.canvas.words import width_of

LONG = [f"a method of a rather long name, number {number}" for number in range(14)]


def panel(sheet):
    return Panel(sheet, Box(50, 10, 100, 100), linear([0, 10]), linear([0, 100]), "x")


@pytest.mark.parametrize("names", [["lowest", "random"], LONG])
def test_a_legend_stays_within_the_column(names):
    sheet = Sheet()
    sheet.legend([Key(name, "ink", "o") for name in names])
    texts = [mark for mark in sheet.marks if isinstance(mark, Words)]
    assert [text.text for text in texts] == names
    for text in texts:
        assert text.place[0] + width_of(text.text) <= WIDTH
        assert text.place[1] < sheet.bottom
    places = [text.place for text in texts]
    assert len(set(places)) == len(names)
    assert len({left for left, _ in places}) <= 2, "columns, or one row"


@pytest.mark.parametrize("count", [1, 2, 3, 5, 12])
def test_panels_stand_in_rows_within_the_column(count):
    sheet = Sheet()
    boxes = sheet.rows([Head(f"AP3 {number}", "nats") for number in range(count)], 3, 100)
    assert len(boxes) == count
    assert all(0 < box.left < box.right < WIDTH for box in boxes)
    assert len({box.top for box in boxes}) == -(-count // 3)
    for box, below in zip(boxes, boxes[3:], strict=False):
        assert below.top > box.bottom + 2 * ROW
    drawing = sheet.drawing("t", "d", {})
    assert drawing.width == WIDTH
    assert drawing.height >= boxes[-1].bottom


def test_titles_wrap_above_their_panels():
    sheet = Sheet()
    (box, _, _) = sheet.rows([Head("AP3 student-t cov=gauss-newton groups=100", "nats"), Head("a"), Head("b")], 3, 100)
    titles = [mark for mark in sheet.marks if mark.bold]
    assert len([t for t in titles if t.place[0] < WIDTH / 3]) > 1
    assert all(title.place[1] < box.top for title in titles)


def test_the_name_of_an_axis_stays_within_the_figure():
    sheet = Sheet()
    for box in sheet.rows([Head("PD")] * 3, 3, 100):
        Panel(sheet, box, linear([0, 1]), linear([0, 1]), "AP3 student-t groups=100 df=3, nats")
    names = [mark for mark in sheet.marks if isinstance(mark, Words) and "groups" in mark.text]
    half = width_of(names[0].text) / 2
    assert [mark.anchor for mark in names] == ["middle"] * 3
    assert all(half <= mark.place[0] <= WIDTH - half for mark in names)


def test_points_that_are_not_known_are_gaps():
    sheet = Sheet()
    panel(sheet).line([0, 1, 2, 3, 4, 5], [1.0, 2.0, None, 4.0, None, 6.0], "ink", name="a")
    parts = [mark for mark in sheet.marks if isinstance(mark, Line) and mark.name == "a"]
    assert [len(part.places) for part in parts] == [2]
    panel(sheet).dots([0, 1, 2], [1.0, None, 3.0], LOOKS["lowest"])
    assert [len(mark.places) for mark in sheet.marks if isinstance(mark, Dots)] == [2]


def test_a_band_encloses_its_line():
    sheet = Sheet()
    axes = panel(sheet)
    axes.band([(0, 10, 30), (10, 20, 40)], "ink")
    (area,) = [mark for mark in sheet.marks if isinstance(mark, Area)]
    assert area.places == [axes.at(0, 10), axes.at(10, 20), axes.at(10, 40), axes.at(0, 30)]


def test_names_at_the_ends_of_lines_do_not_cover_each_other():
    sheet = Sheet()
    panel(sheet).ends(
        [(9.0, 50.0, name, "ink") for name in ("b", "a long name of two lines", "c")] + [(9.0, 0.0, "d", "ink")], 100
    )
    texts = sorted(mark.place[1] for mark in sheet.marks if isinstance(mark, Words) and mark.place[0] > 150)
    assert all(low + ROW <= high + 1e-6 for low, high in pairwise(texts))
    assert max(texts) <= 110 + 8


def test_numbers_below_do_not_cover_each_other():
    sheet = Sheet()
    Panel(sheet, Box(50, 10, 60, 100), linear([0, 1000], most=50), linear([0, 1]))
    below = [m for m in sheet.marks if isinstance(m, Words) and m.anchor == "middle"]
    edges = sorted((m.place[0] - width_of(m.text) / 2, m.place[0] + width_of(m.text) / 2) for m in below)
    assert len(edges) > 1
    assert all(right < left for (_, right), (left, _) in pairwise(edges))


def test_what_has_no_place_is_said():
    sheet = Sheet()
    sheet.lost(0)
    assert not sheet.marks
    sheet.lost(3)
    assert "3 left out" in sheet.marks[0].text
