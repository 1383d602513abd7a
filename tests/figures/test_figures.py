"""The table of figures."""

import pytest
from studies import BEHAVED, accuracies, drawn_study

from apcli.figures import FIGURES
from apcli.figures.canvas.marks import Missing
from apcli.figures.study import (
    Cost,
    Dependence,
    DependenceByEpoch,
    LayerValues,
    LossPoint,
    PlottedBound,
    PlottedEstimate,
    PlottedLimit,
    Point,
    Series,
    Study,
    Weights,
)

SECTIONS = {
    "overview",
    "trust",
    "accuracy",
    "cost",
    "divergence",
    "epochs",
    "order",
    "layers",
    "bounds",
    "limit",
    "behaviour",
    "widths",
}
POINTS = (Point((1.0,)), Point((2.0,)))
CURVES = ("test loss", "test accuracy")
FULL = drawn_study(
    training=tuple(Series("lowest", 0.3, name, "", "network", (0, 1), POINTS, None) for name in CURVES),
    costs=tuple(Cost("lowest", s, Point((90.0,)), {"parameters": Point((1 / (1 - s),))}) for s in (0.1, 0.5)),
    rankings={"PD": {name: PlottedEstimate(0.9, (0.5, 1.0)) for name in ("AP2", "AP3")}},
    bounds=tuple(PlottedBound("a", "PD", "lowest", 0.3, slack, 1.0, slack, "holds") for slack in (2.0, 9.0)),
    limits=(
        PlottedLimit(
            "net",
            {"one-shot": 0.3, "published": 0.9},
            0.01,
            (LossPoint(0.3, 0.01, 0.005), LossPoint(0.9, 1.0, 2.0)),
            ((1e-4, 0.9), (2.0, 0.1)),
            1e-3,
        ),
    ),
    behaved=BEHAVED,
    widths=tuple(LayerValues("lowest", 0.3, layer, {"kept share": 0.5}) for layer in ("conv1", "fc")),
    dependences=(Dependence("256 images", ("conv1", "fc"), ((1.0, 0.5), (0.5, 1.0))),),
    dependence_by_epoch=tuple(
        DependenceByEpoch("a", target, {"conv1": ((0, 0.1), (1, 0.2))}) for target in ("images", "labels")
    ),
    taus_by_epoch={"PD": {"AP2": tuple((epoch, PlottedEstimate(0.5, (0.2, 0.7))) for epoch in (0, 1))}},
    layers=tuple(LayerValues("lowest", 0.3, layer, {"AP2": 1.0}) for layer in ("conv1", "fc")),
    single_layers=tuple(LayerValues("lowest", 0.3, layer, {"share of PD": 0.5}) for layer in ("conv1", "fc")),
    weights=(Weights("lowest", 0.3, "a", (-1.0, 0.0, 1.0), {"dense": ((0.5, 0.5), 0.0), "pruned": ((0.5, 0.2), 0.3)}),),
    **accuracies(2),
)


def test_every_row_is_a_figure_with_a_title_and_a_caption():
    assert all(row.title for row in FIGURES)
    assert all(("{}" in row.summary) == (row.per is not None) for row in FIGURES)
    assert {row.section for row in FIGURES} <= SECTIONS


@pytest.mark.parametrize("row", list(FIGURES), ids=lambda row: row.name)
def test_a_row_draws_the_study_with_its_numbers(row):
    subject = {None: (), "method": ("random",), "sparsity": (0.3,)}[row.per]
    drawing = row.load()(FULL, *subject)
    assert drawing.title
    assert drawing.description.endswith(".")
    assert len({len(column) for column in drawing.columns.values()}) == 1
    assert all(len(column) > 1 for column in drawing.columns.values())
    assert row.load()(FULL, *subject) == drawing, "the same numbers give the same figure"
    assert drawing.width == 660


@pytest.mark.parametrize("row", list(FIGURES), ids=lambda row: row.name)
def test_nothing_known_is_no_figure_and_a_reason(row):
    subject = {None: (), "method": ("random",), "sparsity": (0.3,)}[row.per]
    with pytest.raises(Missing) as missing:
        row.load()(Study(), *subject)
    assert not str(missing.value).endswith(".")
    assert "\n" not in str(missing.value)
