"""Bounds against the measured PD: above the line an upper bound is kept, below it is broken."""

import pytest
from studies import dots, lines, rows, words

from apcli.figures.bounds_against_pd import bounds_against_pd
from apcli.figures.canvas.marks import Missing
from apcli.figures.study import PlottedBound, Study


def bound(statement, value, verdict="holds", of="PD", measured=0.1, sparsity=0.5):
    slack = value and measured and value / measured
    return PlottedBound(statement, of, "lowest", sparsity, value, measured, slack, verdict)


def height_of_the_line(line, x):
    (x0, y0), (x1, y1) = line.places
    return y0 + (y1 - y0) * (x - x0) / (x1 - x0)


def test_a_bound_is_above_the_line_if_and_only_if_it_is_larger_than_the_measurement():
    drawn = (
        bound("a", 1.0, measured=0.2), bound("a", 0.05, "broken"), bound("a", 0.1, "vacuous"),
        bound("b", 9.0, "not contradicted"),
    )  # fmt: skip
    drawing = bounds_against_pd(Study(bounds=drawn))
    assert {"a", "b", "holds", "broken", "vacuous", "not contradicted", "PD, loss, nats"} <= set(words(drawing))
    first, second = lines(drawing, "bound = measurement")
    for verdict, line, sign in (
        ("holds", first, 1), ("broken", first, -1), ("vacuous", first, 0), ("not contradicted", second, 1),
    ):  # fmt: skip
        (dot,) = dots(drawing, f"lowest at 0.5: {verdict}")
        ((x, y),) = dot.places
        above = height_of_the_line(line, x) - y  # downwards
        assert above == pytest.approx(0, abs=1e-6) if sign == 0 else above * sign > 1
        assert dot.hollow == (verdict == "vacuous")


def test_loss_and_accuracy_have_axes_of_their_own_and_other_quantities_no_panel():
    drawn = (
        bound("margins", 0.5, of="PD (accuracy)", measured=0.25), bound("lemma", 1e6), bound("other", 2.0, of="AP2"),
    )  # fmt: skip
    drawing = bounds_against_pd(Study(bounds=drawn))
    assert "other" not in words(drawing)
    assert words(drawing).index("lemma") < words(drawing).index("margins"), "loss is first"
    assert {"PD, loss, nats", "PD, accuracy"} <= set(words(drawing))
    assert [row["statement"] for row in rows(drawing)] == ["margins", "lemma"]


def test_what_has_no_place_is_said_and_in_the_data():
    drawn = (bound("a", 1.0), bound("a", 1.0, measured=0.0), bound("a", None, "vacuous"))
    drawing = bounds_against_pd(Study(bounds=drawn))
    assert any("1 left out" in text for text in words(drawing))
    assert "1 of the bounds are infinite, and left out." in words(drawing)
    assert [row["bound"] for row in rows(drawing)] == [1.0, 1.0, None]


@pytest.mark.parametrize("bounds", [(), (bound("a", 1.0, of="AP2"),), (bound("a", 1.0, measured=None),)])
def test_without_a_measured_pd_there_is_no_figure(bounds):
    with pytest.raises(Missing):
        bounds_against_pd(Study(bounds=bounds))
