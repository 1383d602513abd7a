"""Rank correlations: what is best, what is lower, and what has no interval."""

import pytest
from studies import dots, lines, rows, words

from apcli.figures.canvas.marks import Missing
from apcli.figures.ranking import ranking
from apcli.figures.study import PlottedEstimate, Study


def test_the_best_and_the_lower_are_marked():
    first = {"a": PlottedEstimate(0.9, (0.5, 1.0), best=True), "b": PlottedEstimate(0.2, (-0.1, 0.4), lower=True)}
    drawing = ranking(Study(rankings={"PD, test": first, "PD, train": {"c": PlottedEstimate(0.3, None)}}))
    assert {"PD, test", "PD, train", "a", "b", "c", "the best", "lower"} <= set(words(drawing))
    (best,), (lower,), (alone,) = dots(drawing, "a: τ 0.9"), dots(drawing, "b: τ 0.2"), dots(drawing, "c: τ 0.3")
    assert best.color != lower.color
    assert (best.hollow, lower.hollow, alone.hollow) == (False, True, False)
    assert best.places[0][1] < lower.places[0][1] < alone.places[0][1], "the first on top"
    assert lines(drawing, "a")
    assert not lines(drawing, "c"), "no bar without an interval"
    assert [row["verdict"] for row in rows(drawing)] == ["best", "lower", ""]
    assert (rows(drawing)[0]["low"], rows(drawing)[2]["high"]) == (0.5, None)


def test_nothing_to_rank_is_no_figure():
    with pytest.raises(Missing):
        ranking(Study())
