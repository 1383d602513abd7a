"""What a study says of its numbers."""

import pytest
from studies import LOOKS, METHODS, SPARSITIES, drawn_study

from apcli.figures.study import Network, Point, Series, Study


def test_methods_sparsities_and_measures_are_those_of_the_series():
    assert drawn_study().methods == list(METHODS)
    assert drawn_study().sparsities == list(SPARSITIES)
    assert drawn_study().measures("ap2", "pd") == [("AP2", "nats"), ("PD, test loss", "nats")]


def test_a_point_has_the_range_of_its_networks():
    assert Point((1.0, 4.0)).cells == (2.5, pytest.approx(4.5**0.5), 1.0, 4.0, 2)
    assert Point((3.0,)).cells == (3.0, None, 3.0, 3.0, 1)
    assert Point.of([None, 1.0, 4.0]) == Point((1.0, 4.0))
    assert Point.of([None]) is None


def test_the_first_point_is_that_of_epoch_0():
    first, last = Point((2.0,)), Point((1.0,))
    assert Series("m", 0.1, "AP2", "", "ap2", (0, 1), (first, last), last).first is first
    assert Series("m", 0.1, "AP2", "", "ap2", (1, 2), (first, last), last).first is None
    assert Series("m", 0.1, "AP2", "", "ap2", (), (), last).first is None


def test_paths_are_of_networks_that_have_both():
    whole = Network("lowest", 0.5, "a", (0, 1), {"AP2": (1.0, 2.0), "PD": (3.0, None)})
    half = Network("lowest", None, "b", (0,), {"AP2": (1.0,)})
    (path,) = Study(LOOKS, networks=(whole, half)).paths("AP2", "PD")
    assert (path.name, path.points) == ("lowest at 0.5", ((1.0, 3.0),))
