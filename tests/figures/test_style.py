"""Figures look the same wherever they are made, and leave nothing behind."""

import pytest
from matplotlib import pyplot, rc_context
from studies import drawn_study

from apcli.figures.ap_against_pd import ap_against_pd
from apcli.figures.by_epoch import by_method
from apcli.figures.study import Point, Series, Study
from apcli.figures.style import MARKERS, PALETTE, mark, png, svg


@pytest.mark.slow
@pytest.mark.parametrize("form", [svg, png])
def test_the_same_numbers_give_the_same_bytes(form):
    first = form(by_method(drawn_study(), 0.3))
    with rc_context({"font.size": 30, "axes.facecolor": "black", "svg.hashsalt": None}):
        second = form(by_method(drawn_study(), 0.3))
    assert first == second
    assert first != form(by_method(drawn_study(), 0.8))
    assert not any(word in first for word in (b"<dc:date>", b"Software", b"matplotlib.org", b"Matplotlib v"))


def test_no_figure_is_left_open_and_settings_are_restored():
    before = dict(pyplot.rcParams)
    svg(ap_against_pd(drawn_study()))
    assert pyplot.get_fignums() == []
    assert dict(pyplot.rcParams) == before


def test_names_are_not_mathematics():
    study = Study(
        tuple(Series(name, 0.1, "AP2", "", "ap", (0,), (Point(1.0),), Point(1.0)) for name in (r"$\frac", r"$x$"))
    )
    assert b"<svg" in svg(by_method(study, 0.1))


def test_colours_and_markers_come_again_only_after_all_pairs():
    methods = [str(index) for index in range(len(PALETTE) * len(MARKERS))]
    assert len({mark(methods, method) for method in methods}) == len(methods)
