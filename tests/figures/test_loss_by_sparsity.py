"""The loss over the sparsity, with the limits: each a vertical line where it belongs."""

import pytest
from studies import dots, lines, rows, words

from apcli.figures.canvas.marks import Missing
from apcli.figures.loss_by_sparsity import loss_by_sparsity
from apcli.figures.study import LossPoint, PlottedLimit, Study

POINTS = (LossPoint(0.2, -1e-4, 1e-4), LossPoint(0.5, 0.01, 0.005), LossPoint(0.9, 1.0, 3.0), LossPoint(1.0, 2.3, 5.0))


def limit(**changed):
    about = {
        "name": "net", "limits": {"one-shot": 0.5, "published": 0.9, "isotropic": 1.0}, "eps": 0.01, "points": POINTS,
        "eigenvalues": (), "threshold": None,
    }  # fmt: skip
    return PlottedLimit(**about | changed)


def test_the_limit_of_one_shot_pruning_crosses_the_measured_curve_where_it_reaches_eps():
    drawing = loss_by_sparsity(Study(limits=(limit(),)))
    (upright,), (level,) = lines(drawing, "one-shot: 50.00% may go"), lines(drawing, "ε = 0.01")
    (measured,) = dots(drawing, "measured")
    crossing = (upright.places[0][0], level.places[0][1])
    assert measured.places[0] == pytest.approx(crossing)
    assert len(measured.places) == 2, "without the fall of the loss, and without the empty network"
    (published,) = lines(drawing, "published: 90.00% may go")
    assert published.places[0][0] == pytest.approx(measured.places[1][0])
    assert (published.color, published.dash) != (upright.color, upright.dash)


def test_what_has_no_place_is_said():
    drawing = loss_by_sparsity(Study(limits=(limit(),)))
    assert any("1 left out" in text for text in words(drawing))
    assert "Not on the axis, as no weight need be kept: isotropic." in words(drawing)
    assert "isotropic" not in words(drawing)[:12], "nor has it a line in the legend"


def test_the_data_say_which_limit_a_point_is_of():
    at = {row["sparsity"]: row["limit"] for row in rows(loss_by_sparsity(Study(limits=(limit(),))))}
    assert at == {0.2: "", 0.5: "one-shot", 0.9: "published", 1.0: "isotropic"}


def test_networks_have_a_panel_each_and_a_limit_one_colour():
    drawing = loss_by_sparsity(Study(limits=(limit(), limit(name="other", limits={"published": 0.8}))))
    assert {"net", "other"} <= set(words(drawing))
    first, second = (lines(drawing, f"published: {share} may go")[0] for share in ("90.00%", "80.00%"))
    assert (first.color, first.dash) == (second.color, second.dash)


def test_without_a_curve_there_is_no_figure():
    with pytest.raises(Missing, match="no loss over the sparsity"):
        loss_by_sparsity(Study(limits=(limit(points=()),)))
