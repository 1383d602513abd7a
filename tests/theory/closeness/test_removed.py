"""Theorem B: reference values, and every bound against the norm."""

import math

import numpy as np
import pytest

from apcli.theory.closeness.removed import highest, lowest, removed_part

REFERENCE = {  # lowest 30 %: e, |E|_F, tau sqrt(k), tau sqrt(r c), t; highest 30 %: e
    0: (0.30664713800367, 0.93118824303295, 1.6267489092052, 1.4140140535402, 1.3749667791416, 1.1335260224246),
    1: (0.30194530373958, 0.91705740844702, 1.5618929277013, 1.2470714965358, 1.2796197982345, 1.0190006130242),
    2: (0.20204783324641, 0.45005586675473, 0.77874149185232, 0.75902331688543, 0.89610453908771, 0.70469862721972),
}


@pytest.mark.parametrize("index", REFERENCE)
def test_reference_values(weights, index):
    weight = weights[index]
    count = math.floor(0.3 * weight.size)
    removed = lowest(weight, count)
    part = removed_part(weight, removed)
    found = (
        np.linalg.norm(weight * removed, 2),
        part.frobenius,
        part.by_count,
        part.by_rows_and_columns,
        np.linalg.norm(weight * ~removed, 2),
        np.linalg.norm(weight * highest(weight, count), 2),
    )
    assert found == pytest.approx(REFERENCE[index], rel=1e-12)
    assert (part.count, part.bound) == (count, part.frobenius)
    assert part.share == pytest.approx(part.frobenius / np.linalg.norm(weight), rel=1e-15)


def test_no_bound_is_below_the_norm():
    tightest = set()
    for seed in range(300):
        random = np.random.default_rng(seed)
        weight = random.standard_t(2, size=random.integers(1, 12, size=2)).round(1)
        count = int(random.integers(0, weight.size + 1))
        for removed in (lowest(weight, count), highest(weight, count), random.random(weight.shape) < 0.1):
            part = removed_part(weight, removed)
            norm = np.linalg.norm(weight * removed, 2)
            bounds = (part.frobenius, part.by_count, part.by_rows_and_columns)
            assert all(norm <= bound * (1 + 1e-12) for bound in bounds), seed
            tightest.add(int(np.argmin(bounds)))
    assert tightest >= {0, 2}


def test_of_equal_magnitudes_the_first_go():
    weight = np.array([[0.5, -0.5, 2.0], [0.5, 0.1, -2.0]])
    assert lowest(weight, 3).tolist() == [[True, True, False], [False, True, False]]
    assert highest(weight, 1).tolist() == [[False, False, True], [False, False, False]]
    part = removed_part(weight, lowest(weight, 3))
    assert (part.count, part.in_a_row, part.in_a_column, part.largest, part.tied) == (3, 2, 2, 0.5, 3)


def test_none_and_all():
    weight = np.arange(6.0).reshape(2, 3) - 2
    none, everything = (removed_part(weight, lowest(weight, count)) for count in (0, 6))
    assert (none.count, none.bound, none.tied, none.largest, none.share) == (0, 0, 0, 0, 0)
    assert (everything.count, everything.share, everything.largest) == (6, 1, 3)
    assert removed_part(np.zeros((2, 3)), lowest(weight, 6)).share == 0


@pytest.mark.parametrize(
    "call",
    [
        lambda: lowest(np.ones((2, 2)), 5),
        lambda: highest(np.ones((2, 2)), -1),
        lambda: removed_part(np.ones((2, 2)), np.ones((2, 3), bool)),
        lambda: removed_part(np.ones(2), np.ones(2, bool)),
    ],
)
def test_what_is_refused(call):
    with pytest.raises(ValueError, match="expected"):
        call()
