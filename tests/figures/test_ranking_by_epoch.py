"""Rank correlations by epoch: a line for each order of the measures, gaps where no tau is known."""

import pytest
from studies import areas, lines, rows, words

from apcli.figures.canvas.marks import Missing
from apcli.figures.ranking_by_epoch import ranking_by_epoch
from apcli.figures.study import PlottedEstimate, Study


def curve(*taus, epochs=None, interval=None):
    return tuple((epoch, PlottedEstimate(tau, interval)) for epoch, tau in zip(epochs or range(9), taus, strict=False))


def test_measures_of_one_order_share_a_line():
    panels = {
        "PD, test loss, all runs": {"AP2": curve(0.1, 0.5), "AP3": curve(0.1, 0.5), "other": curve(-0.2, 0.4)},
        "PD, test loss, runs at one sparsity": {"AP2": curve(0.3, 0.9), "AP3": curve(0.3, 0.9)},
    }
    drawing = ranking_by_epoch(Study(taus_by_epoch=panels))
    assert {*panels, "AP2, AP3", "other", "epoch"} <= set(words(drawing))
    assert (len(lines(drawing, "AP2")), len(lines(drawing, "AP3")), len(lines(drawing, "other"))) == (2, 0, 1)
    assert [row["tau"] for row in rows(drawing) if row["measure"] == "AP3"] == [0.1, 0.5, 0.3, 0.9], "all in the data"
    apart = {**panels, "PD, train loss, all runs": {"AP2": curve(0.0, 0.1), "AP3": curve(0.0, 0.2)}}
    assert {"AP2", "AP3"} <= set(words(ranking_by_epoch(Study(taus_by_epoch=apart)))), "they differ in one panel"


def test_bands_are_intervals_and_higher_is_up():
    drawing = ranking_by_epoch(Study(taus_by_epoch={"PD": {"AP2": curve(0.0, 0.5, interval=(-0.2, 0.6))}}))
    (line,) = lines(drawing, "AP2")
    assert line.places[0][0] < line.places[1][0]
    assert line.places[0][1] > line.places[1][1]
    assert areas(drawing), "the band"
    assert not areas(ranking_by_epoch(Study(taus_by_epoch={"PD": {"AP2": curve(0.0, 0.5)}})))
    assert [(row["epoch"], row["low"], row["high"]) for row in rows(drawing)] == [(0, -0.2, 0.6), (1, -0.2, 0.6)]


@pytest.mark.parametrize("panels", [{}, {"PD": {}}, {"PD": {"AP2": curve(0.4)}}])
def test_one_epoch_is_no_figure(panels):
    with pytest.raises(Missing):
        ranking_by_epoch(Study(taus_by_epoch=panels))
