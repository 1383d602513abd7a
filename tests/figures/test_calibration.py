"""Calibration over sparsity: panels, lines and the dense networks' level."""

import pytest
from studies import BEHAVED, drawn_study

from apcli.figures.calibration import calibration
from apcli.figures.canvas.marks import Line, Missing, Words
from apcli.figures.study import PlottedBehaviour


def test_a_panel_before_and_after_with_a_line_for_each_method():
    drawing = calibration(drawn_study(behaved=BEHAVED))
    texts = [mark.text for mark in drawing.marks if isinstance(mark, Words)]
    assert {"As the networks are", "With a fitted temperature"} <= set(texts)
    lines = [mark.name for mark in drawing.marks if isinstance(mark, Line) and mark.name]
    assert lines.count("dense") == 2
    assert lines.count("lowest") == 2
    assert drawing.columns["temperature"] == ("none", "fitted") * 2
    assert drawing.columns["pruned"][0] == 0.05


def test_without_temperatures_there_is_one_panel():
    bare = tuple(PlottedBehaviour("lowest", s, {}, (0.1, 0.2), None, {}) for s in (0.1, 0.5))
    texts = [m.text for m in calibration(drawn_study(behaved=bare)).marks if isinstance(m, Words)]
    assert "With a fitted temperature" not in texts
    with pytest.raises(Missing, match="no calibration error"):
        calibration(drawn_study(behaved=(PlottedBehaviour("lowest", None, {}, (0.1, 0.2), None, {}),)))
