"""The certificates of a changed last layer, on softmax regressions in float64."""

import math

import numpy as np
import pytest
from oracles import REFERENCE as PROBLEM
from oracles import REFERENCE_WEIGHTS as WEIGHTS
from oracles import smallest_removed, softmax_regressions

from apcli.theory.bounds.last_layer import accuracy_change, curvature, loss_change


def bounds(problem, weights, change):
    lengths = np.linalg.norm(problem.logits(change), axis=1)
    return loss_change(
        gradient_term=float((problem.gradient(weights) * change).sum()),
        mean_change=float(lengths.mean()),
        mean_squared_change=float((lengths**2).mean()),
        largest_moment=problem.largest_moment,
        squared_length=float((change**2).sum()),
    )


def test_reference_problem():
    assert PROBLEM.risk(WEIGHTS) == pytest.approx(1.4885428583308, rel=1e-13)
    values = np.linalg.eigvalsh(PROBLEM.hessian(WEIGHTS))
    assert values[[-1, -2]] == pytest.approx([0.2701234616069, 0.20967155142346], rel=1e-12)
    assert abs(values[0]) < 1e-15
    assert values.sum() == pytest.approx(0.77079007287068, rel=1e-12)
    assert PROBLEM.largest_moment == pytest.approx(1.135099420695, rel=1e-12)
    assert curvature(PROBLEM.largest_moment) == pytest.approx(0.5675497103475, rel=1e-12)
    assert values[-1] <= curvature(PROBLEM.largest_moment)


@pytest.mark.parametrize(
    ("removed", "square", "change", "second", "crude_second", "lower", "upper", "crude", "size", "certified"),
    [
        (
            *(2, 0.068221695543196, -0.037708036128313, 0.0020027649166294, 0.0092141402784101),
            *(-0.039736998904165, -0.031181444888672, -0.020377397131686, 0.25662901123482, 1 / 12),
        ),
        (
            *(4, 0.2710804610881, -0.040971735385814, 0.0090383858033073, 0.036612596261556),
            *(-0.050168813312971, -0.022958848198499, 0.026757005272738, 0.46014629746332, 1 / 12),
        ),
        (
            *(8, 1.7440828069314, -0.14225677118741, 0.14037762493118, 0.23555884256869),
            *(-0.29803407710284, 0.061667206301712, 0.19689276884514, 1.6926546324906, 7 / 12),
        ),
    ],
)
def test_reference_values(removed, square, change, second, crude_second, lower, upper, crude, size, certified):
    moved, hessian = smallest_removed(removed) - WEIGHTS, PROBLEM.hessian(WEIGHTS)
    assert float((moved**2).sum()) == pytest.approx(square, rel=1e-12)
    assert PROBLEM.risk(WEIGHTS + moved) - PROBLEM.risk(WEIGHTS) == pytest.approx(change, rel=1e-12)
    assert float(moved.ravel() @ hessian @ moved.ravel()) / 2 == pytest.approx(second, rel=1e-12)
    assert np.linalg.eigvalsh(hessian)[-1] * square / 2 == pytest.approx(crude_second, rel=1e-12)
    found = bounds(PROBLEM, WEIGHTS, moved)
    assert (found.lower, found.upper, found.crude_upper, found.size) == pytest.approx(
        (lower, upper, crude, size), rel=1e-12
    )
    assert found.pd == max(-found.lower, found.upper)
    lengths = np.linalg.norm(PROBLEM.logits(moved), axis=1)
    assert accuracy_change(PROBLEM.margins(WEIGHTS), lengths) == pytest.approx(certified, rel=1e-14)
    assert PROBLEM.accuracy(WEIGHTS) == PROBLEM.accuracy(WEIGHTS + moved) == 5 / 12


def test_every_bound_bounds():
    for problem, weights, change in softmax_regressions(1000):
        found = bounds(problem, weights, change)
        moved = problem.risk(weights + change) - problem.risk(weights)
        room = 1e-11 * (1 + abs(found.lower) + found.size)
        assert found.lower - room <= moved <= found.upper + room
        assert found.upper <= found.crude_upper + room
        assert abs(moved) <= min(found.pd, found.size) + room
        largest = np.linalg.eigvalsh(problem.hessian(weights))[-1]
        assert largest <= curvature(problem.largest_moment) * (1 + 1e-9)


def test_the_accuracy_bound_bounds():
    """R3: no violation in 1,000 draws, and prediction by prediction."""
    for problem, weights, change in softmax_regressions(1000, seed=2):
        margins, lengths = problem.margins(weights), np.linalg.norm(problem.logits(change), axis=1)
        certified = accuracy_change(margins, lengths)
        assert abs(problem.accuracy(weights + change) - problem.accuracy(weights)) <= certified + 1e-12
        keeps = np.abs(margins) > math.sqrt(2) * lengths
        assert np.all(((margins > 0) == (problem.margins(weights + change) > 0))[keeps])


def test_the_size_wins_for_large_changes():
    found = loss_change(
        gradient_term=-1.0, mean_change=10.0, mean_squared_change=400.0, largest_moment=4, squared_length=200
    )
    assert (found.lower, found.upper, found.crude_upper) == (-1, 99, 199)
    assert found.pd == found.size == pytest.approx(14.142135623731, rel=1e-12)


def test_edges_of_the_accuracy_bound():
    margins = np.array([0.0, 1.0, -1.0, 2.0])
    assert accuracy_change(margins, np.zeros(4)) == 0.25  # a tie may break either way
    assert accuracy_change(margins, np.full(4, math.nan)) == 1
    assert accuracy_change(margins, np.full(4, 1.0)) == 0.75
    for wrong in (np.zeros(0), np.zeros(3), np.zeros((2, 2))):
        with pytest.raises(ValueError, match="expected one number each"):
            accuracy_change(np.zeros(0) if not wrong.size else margins, wrong)


def test_what_is_out_of_range_is_refused():
    with pytest.raises(ValueError, match="mean_change is -1: expected"):
        loss_change(gradient_term=0.0, mean_change=-1, mean_squared_change=1, largest_moment=1, squared_length=1)
    with pytest.raises(ValueError, match="expected"):
        curvature(-1.0)
