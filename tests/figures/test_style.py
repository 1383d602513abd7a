"""Figures look the same wherever they are made, and leave nothing behind."""

import pytest
from matplotlib import pyplot, rc_context
from studies import MEASURES, drawn_study

from apcli.figures.accuracy import accuracy
from apcli.figures.by_epoch import by_method
from apcli.figures.study import Curve, Point, Series, Study
from apcli.figures.style import MARKERS, PALETTE, mark, png, svg

ONE_POINT = (0,), (Point(1.0),), Point(1.0)  # epochs, their points, the final one


@pytest.mark.slow
def test_many_methods_give_the_same_bytes_again():
    curves = tuple(Curve(f"method {i}", False, {0.5: Point(90.0 - i), 0.98: Point(50.0 - i, 1.0)}) for i in range(16))
    study = Study(accuracies={"pruned": curves}, dense_accuracy=92.0)
    assert png(accuracy(study)) == png(accuracy(study))


@pytest.mark.slow
@pytest.mark.parametrize("form", [svg, png])
def test_the_same_numbers_give_the_same_bytes(form):
    study = drawn_study(measures=MEASURES[:1])
    first = form(by_method(study, 0.3))
    with rc_context({"font.size": 30, "axes.facecolor": "black", "svg.hashsalt": None}):
        second = form(by_method(study, 0.3))
    assert first == second
    assert first != form(by_method(study, 0.8))
    assert not any(word in first for word in (b"<dc:date>", b"Software", b"matplotlib.org", b"Matplotlib v"))


@pytest.mark.slow
def test_no_figure_is_left_open_and_settings_are_restored():
    before = dict(pyplot.rcParams)
    assert png(by_method(Study((Series("m", 0.1, "AP2", "", "ap", *ONE_POINT),)), 0.1))
    assert pyplot.get_fignums() == []
    assert dict(pyplot.rcParams) == before


@pytest.mark.slow
def test_names_are_not_mathematics():
    study = Study(tuple(Series(name, 0.1, "AP2", "", "ap", *ONE_POINT) for name in (r"$\frac", r"$x$")))
    assert b"<svg" in svg(by_method(study, 0.1))


def test_colours_and_markers_come_again_only_after_all_pairs():
    methods = [str(index) for index in range(len(PALETTE) * len(MARKERS))]
    assert len({mark(methods, method) for method in methods}) == len(methods)
