"""Paths in a plane of two quantities."""

from studies import LOOKS

from apcli.figures.canvas.marks import Dots, Line
from apcli.figures.canvas.panels import Box, Sheet
from apcli.figures.canvas.planes import Path, are_distinct, plane

BOX = Box(50, 10, 100, 100)


def path(*points, name="lowest"):
    return Path(name, LOOKS[name], points)


def test_a_path_goes_from_a_hollow_sign_to_a_filled_one():
    sheet = Sheet()
    assert plane(sheet, BOX, [path((1, 1), (2, 3), (4, 4)), path((5, 5), name="random")], "AP2") == 0
    lowest = [mark for mark in sheet.marks if getattr(mark, "name", "") == "lowest"]
    assert [len(mark.places) for mark in lowest if isinstance(mark, Line)] == [3]
    signs = [(mark.hollow, mark.size) for mark in lowest if isinstance(mark, Dots)]
    assert signs == [(True, 3.2), (False, 1.6), (False, 3.2)]
    assert [mark.hollow for mark in sheet.marks if getattr(mark, "name", "") == "random"] == [False]


def test_what_is_not_positive_is_counted_and_left_out():
    sheet = Sheet()
    assert plane(sheet, BOX, [path((0.0, 1), (2, 3), (4, -1.0)), path((0.0, 0.0))], "AP2") == 3
    (signs,) = [mark for mark in sheet.marks if isinstance(mark, Dots)]
    assert len(signs.places) == 1


def test_two_distinct_points_are_needed():
    assert are_distinct([path((1, 1)), path((2, 2))])
    assert not are_distinct([path((1, 1)), path((1, 2))])
    assert not are_distinct([path((1, 1), (2, 0.0))])
    assert not are_distinct([])
