"""The table of figures."""

import pytest
from studies import drawn_study

from apcli.figures import FIGURES


def test_every_row_is_a_figure_with_a_title_and_a_caption():
    assert all(row.title for row in FIGURES)
    assert all(("{}" in row.summary) == (row.per is not None) for row in FIGURES)


@pytest.mark.slow
@pytest.mark.parametrize("name", [row.name for row in FIGURES if drawn_study().holds >= set(row.needs)])
def test_a_row_draws_the_study_and_what_it_is_drawn_for(name):
    row = FIGURES.row(name)
    subject = {None: (), "method": ("random",), "sparsity": (0.3,)}[row.per]
    assert row.load()(drawn_study(), *subject).axes
