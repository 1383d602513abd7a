"""Final values over sparsity."""

import pytest
from studies import LOOKS, METHODS, drawn_study, lines, rows, words

from apcli.figures.canvas.marks import Missing
from apcli.figures.over_sparsity import over_sparsity
from apcli.figures.study import Point, Series, Study


def test_final_values_without_epochs():
    drawing = over_sparsity(drawn_study(epochs=()))
    assert {"AP2", "PD, test loss", "0.1", "0.3", "0.8", *METHODS} <= set(words(drawing))
    assert [len(line.places) for line in lines(drawing, "random")] == [3, 3, 3]
    assert len(rows(drawing)) == 3 * 3 * 3
    assert {row["mean"] for row in rows(drawing) if row["method"] == "lowest"} == {0.1, 0.3, 0.8}


def test_zeros_are_said():
    series = tuple(Series("lowest", s, "AP2", "", "ap2", (), (), Point((0.0,))) for s in (0.1, 0.5))
    assert any("2 left out" in text for text in words(over_sparsity(Study(LOOKS, series))))


@pytest.mark.parametrize("sparsity", [None, 0.5])
def test_one_sparsity_is_no_figure(sparsity):
    with pytest.raises(Missing, match="fewer than two sparsities"):
        over_sparsity(Study(LOOKS, (Series("m", sparsity, "AP2", "", "ap2", (), (), Point((2.0,))),)))
