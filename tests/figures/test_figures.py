"""The table of figures."""

import pytest
from studies import accuracies, drawn_study

from apcli.figures import FIGURES
from apcli.figures.canvas.marks import Missing
from apcli.figures.study import PlottedEstimate, Study

SECTIONS = {"overview", "trust", "accuracy", "cost", "divergence", "epochs", "order", "layers"}
FULL = drawn_study(
    rankings={"PD": {name: PlottedEstimate(0.9, (0.5, 1.0)) for name in ("AP2", "AP3")}}, **accuracies(2)
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
