"""Logarithmic axes of values that have no place on one."""

import math

import pytest

from apcli.figures.axes import positive
from apcli.figures.by_epoch import by_sparsity
from apcli.figures.over_sparsity import over_sparsity
from apcli.figures.study import Point, Series, Study
from apcli.figures.style import png, svg


def test_only_known_values_count_as_lost():
    means, sds, lost = positive([Point(2.0, 0.5), Point(0.0, 0.1), Point(-1.0), Point(None), Point(3.0)])
    assert (means[0], means[4], sds[0], sds[4]) == (2.0, 3.0, 0.5, 0.0)
    assert all(math.isnan(value) for value in [*means[1:4], *sds[1:4]])
    assert lost == 2


@pytest.mark.slow
def test_nothing_but_zeros_still_draws():
    study = Study((Series("m", 0.1, "AP2", "", "ap", (0,), (Point(0.0),), Point(0.0)),))
    assert svg(by_sparsity(study, "m"))
    assert png(over_sparsity(study)).startswith(b"\x89PNG")
