"""The axes of quantities."""

from studies import lines

from apcli.figures.canvas.panels import Box, Sheet
from apcli.figures.canvas.scales import linear
from apcli.figures.quantities import placed, quantity_panel
from apcli.figures.study import Point

X, BOX = linear([0, 1]), Box(50, 10, 100, 100)


def test_what_has_a_place_depends_on_the_axis():
    assert placed("ap2", Point((0.0,))) is None
    assert placed("pd", None) is None
    assert placed("change", Point((-1.0,))) == Point((-1.0,))
    assert placed("pd", Point((1.0,))) == Point((1.0,))


def test_a_change_has_a_line_at_zero_and_others_are_logarithmic():
    sheet = Sheet()
    panel = quantity_panel(sheet, BOX, X, "change", [Point((-3.0,)), None], "epoch")
    assert panel.y.low < -3 < 0 < panel.y.high
    assert len(lines(sheet, "no change")) == 1
    panel = quantity_panel(sheet, BOX, X, "pd", [Point((0.0, 4.0)), Point((0.0,))], "epoch")
    assert 0 < panel.y.low < 4 < panel.y.high
