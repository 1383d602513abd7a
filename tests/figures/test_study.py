"""What a study holds, in the words of the figures' needs."""

from studies import METHODS, SPARSITIES, drawn_study

from apcli.figures import FIGURES
from apcli.figures.study import Curve, PlottedEstimate, Point, Study


def test_methods_and_sparsities_are_those_of_the_series():
    assert drawn_study().methods == list(METHODS)
    assert drawn_study().sparsities == list(SPARSITIES)


def test_epochs_are_held_or_runs_are_untraced():
    assert drawn_study().holds == {"ap", "pd", "epochs"}
    untraced = drawn_study(epochs=())
    assert untraced.holds == {"ap", "pd", "untraced runs"}
    mixed = Study((*drawn_study().series[:-2], *untraced.series[-2:]))
    assert mixed.holds == {"ap", "pd", "epochs", "untraced runs"}


def test_every_need_can_be_met():
    curves = {"pruned": (Curve("lowest", False, {0.1: Point(90.0)}),)}
    rankings = {"PD": {"AP2": PlottedEstimate(0.9, None)}}
    full = Study((*drawn_study().series[:-2], *drawn_study(epochs=()).series[-2:]), curves, 92.0, rankings)
    assert full.holds == {need for row in FIGURES for need in row.needs}
    assert Study().holds == set()
