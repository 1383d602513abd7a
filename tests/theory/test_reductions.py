"""Streams of weight differences: the blocks they come in change nothing, and the numbers are those of whole vectors."""

import math

import numpy as np
import pytest

from apcli.theory.covariances.families import ar1, diag, identity
from apcli.theory.covariances.row_samples import Rows
from apcli.theory.distributions import gaussian, student_t
from apcli.theory.reductions import Distances, GroupMeans, dimension

DRAW = np.random.default_rng(3)
DENSE, PRUNED = DRAW.normal(size=(2, 12, 5))


def rows(weights: np.ndarray) -> Rows:
    return Rows(lambda: iter(np.array_split(weights, 3)), *weights.shape)


def stream(reduction, difference, size, offset=0):
    for start in range(0, len(difference), size):
        reduction.absorb(reduction.reduce(offset + start, difference[start : start + size]))
    return reduction


@pytest.mark.parametrize("make", [identity, diag, ar1])
@pytest.mark.parametrize("blocks", [1, 2, 5, 12])
def test_blocks_of_rows_change_nothing(make, blocks):
    options = {"diag": {"pruned_cov": "own"}, "ar1": {"rho": 0.5, "pruned_rho": 0.2}}.get(make.__name__, {})
    covariances = make(rows(DENSE), rows(PRUNED), scale=0.5, pruned_scale=2.0, **options)
    difference = (DENSE - PRUNED).ravel()
    found = stream(Distances(covariances, 12, 5), difference, 5 * blocks).shift()
    whole = stream(Distances(covariances, 12, 5), difference, 60).shift()
    assert found.length == pytest.approx(math.dist(DENSE.ravel(), PRUNED.ravel()), rel=1e-14)
    assert found.distance == pytest.approx(whole.distance, rel=1e-13)
    assert np.array_equal(found.excess, whole.excess)
    assert found.dim == 60


def means(vector: np.ndarray, groups: int) -> list[float]:
    """The published grouping, as its code writes it: slices of n // groups, and whatever is left."""
    each = len(vector) // groups
    return [float(np.mean(vector[start : start + each])) for start in range(0, len(vector), each)]


@pytest.mark.parametrize(("size", "groups"), [(60, 7), (60, 60), (60, 1), (59, 6), (100, 10), (150, 100)])
@pytest.mark.parametrize("block", [1, 7, 8, 64, 1000])
def test_group_means_are_the_published_ones_whatever_the_blocks(size, groups, block):
    vector = np.random.default_rng(size).normal(size=size)
    found = stream(GroupMeans(size, groups, 0.5, "same"), vector, block).shift()
    wanted = means(vector, groups)
    assert found.dim == len(wanted) == dimension(size, groups)
    assert found.length == pytest.approx(math.hypot(*wanted), rel=1e-13)
    assert found.delta == pytest.approx(math.hypot(*wanted) / 0.5, rel=1e-13)


def test_groups_run_through_layers_taken_as_one():
    vector = np.random.default_rng(0).normal(size=50)
    together = GroupMeans(50, 6, 1.0, "same")
    stream(together, vector[:17], 5)
    stream(together, vector[17:], 5, offset=17)
    assert together.shift().length == pytest.approx(math.hypot(*means(vector, 6)), rel=1e-13)


@pytest.mark.parametrize(
    ("size", "order", "ap2", "length", "student", "groups"),
    [
        (2500, 1, 0.12270441555415, 0.013118893723109, 8.4428953431e-5, 100),
        (2500, -1, 1.7402088488384, 0.050223738306065, 0.0012373946061287, 100),
        (2530, 1, None, None, 8.4956613295e-5, 102),
        (2530, -1, None, None, 0.0012424403033912, 102),
    ],
)
def test_reference_values_of_groups(size, order, ap2, length, student, groups):
    """30 % of w_i = 0.05 sin(i^1.3) are removed, the lowest or the highest, and 25 weights are a group."""
    weights = 0.05 * np.sin(np.arange(size) ** 1.3)
    gone = np.argsort(order * np.abs(weights))[: round(0.3 * size)]
    difference = np.zeros(size)
    difference[gone] = weights[gone]
    reduction = GroupMeans(size, 100, 1.0, "same")
    stream(reduction, difference, 100)
    shift = reduction.shift()
    assert shift.dim == groups == dimension(size, 100)
    assert student_t.kl(shift.delta, 4, groups) == pytest.approx(student, rel=1e-9)
    if ap2 is not None:
        assert difference @ difference == pytest.approx(ap2, rel=1e-12)
        assert shift.length == pytest.approx(length, rel=1e-12)
    if (size, order) == (2500, 1):
        assert gaussian.kl(math.sqrt(ap2)) == pytest.approx(0.061352207777076, rel=1e-12)
        assert gaussian.kl(shift.delta) == pytest.approx(8.6052686259e-5, rel=1e-9), "as published"
        assert gaussian.kl(shift.delta * math.sqrt(25)) == pytest.approx(0.002151317156478, rel=1e-12), "pushed forward"


@pytest.mark.parametrize(
    ("size", "groups", "dim"), [(20480, 100, 101), (40960, 100, 101), (204800, 100, 100), (150, 100, 150)]
)
def test_a_hundred_groups_are_not_always_a_hundred(size, groups, dim):
    assert dimension(size, groups) == dim


@pytest.mark.parametrize("groups", [-1, 11])
def test_a_number_of_groups_that_cannot_be(groups):
    with pytest.raises(ValueError, match=f"groups is {groups}: expected .* up to the 10 weights"):
        dimension(10, groups)
