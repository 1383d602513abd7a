"""The least loss on a mask, against dense solves."""

import numpy as np
import pytest

from apcli.theory.limit.magnitudes import magnitudes
from apcli.theory.limit.quadratic import (
    ALL_STEPS,
    CONVERGED,
    ENOUGH,
    NEGATIVE,
    adjusted,
    quadratic_kept,
)

COUPLED = np.array([[4.0, 1, 0, 0], [1, 3, 1, 0], [0, 1, 2, 1], [0, 0, 1, 1.5]])
COUPLED_WEIGHTS = np.array([1, -0.8, 0.3, 0.1])
TOY = np.diag([4, 1, 0.25, 0.0625, 0, 0])
TOY_WEIGHTS = np.array([2, -1, 0.5, 0.25, -0.1, 0.05])


class Case:
    """A matrix with eigenvalues over four decades, weights, and a mask; it counts the products."""

    def __init__(self, seed=0, size=60):
        draw = np.random.default_rng(seed)
        vectors, _ = np.linalg.qr(draw.normal(size=(size, size)))
        self.matrix = (vectors * np.geomspace(1e-3, 10, size)) @ vectors.T
        self.weights = draw.laplace(scale=0.1, size=size)
        self.kept = draw.random(size) < 0.4
        self.products = 0

    def product(self, vector):
        self.products += 1
        return self.matrix @ vector

    def change(self, weights):
        d = weights - self.weights
        return float(d @ self.matrix @ d) / 2

    def least(self, kept):
        """By a dense solve: the point, and its change."""
        x = np.where(kept, 0, self.weights)
        point = self.weights - x
        right = (self.matrix @ x)[kept]
        point[kept] += np.linalg.solve(self.matrix[np.ix_(kept, kept)], right)
        return point, self.change(point)


@pytest.fixture
def case():
    return Case()


@pytest.mark.parametrize(
    "k, unadjusted, change",
    [
        (0, 8.533203125, 8.533203125),
        (1, *2 * [0.533203125]),
        (2, *2 * [0.033203125]),
        (3, *2 * [0.001953125]),
        (4, 0, 0),
    ],
)
def test_a_diagonal_matrix_needs_no_adjustment(k, unadjusted, change):
    found = adjusted(lambda v: TOY @ v, TOY_WEIGHTS, magnitudes(TOY_WEIGHTS).kept(k))
    assert (found.unadjusted, found.change) == (unadjusted, change)
    assert (found.products, found.stopped) == (1, CONVERGED)


@pytest.mark.parametrize(
    "k, unadjusted, change",
    [(0, 2.0475, 2.0475), (1, 0.8475, 0.7675), (2, 0.1275, 0.111136363636), (3, 0.0075, 0.004444444444), (4, 0, 0)],
)
def test_four_coupled_weights(k, unadjusted, change):
    found = adjusted(lambda v: COUPLED @ v, COUPLED_WEIGHTS, magnitudes(COUPLED_WEIGHTS).kept(k))
    assert found.unadjusted == pytest.approx(unadjusted, abs=1e-15)
    assert found.change == pytest.approx(change, abs=6e-13)


def test_the_fewest_of_the_digits():
    order = magnitudes(COUPLED_WEIGHTS)
    assert [quadratic_kept(lambda v: COUPLED @ v, order, eps).kept for eps in (0.05, 0.5)] == [3, 2]
    assert quadratic_kept(lambda v: TOY @ v, magnitudes(TOY_WEIGHTS), 0.02).kept == 3


def test_the_least_change_is_that_of_a_dense_solve(case):
    found = adjusted(case.product, case.weights, case.kept, steps=500, tolerance=1e-12)
    point, least = case.least(case.kept)
    assert found.stopped == CONVERGED
    assert found.change == pytest.approx(least, rel=1e-9)
    np.testing.assert_allclose(found.weights, point, rtol=1e-6, atol=1e-8)
    assert not found.weights[~case.kept].any()
    assert found.products == case.products
    pruned = np.where(case.kept, case.weights, 0)
    assert found.unadjusted == pytest.approx(case.change(pruned), rel=1e-12)


def test_the_least_change_is_the_optimal_brain_surgeons(case):
    """1/2 w_P' ([H^-1]_PP)^-1 w_P."""
    removed = ~case.kept
    inverse = np.linalg.inv(case.matrix)[np.ix_(removed, removed)]
    expected = case.weights[removed] @ np.linalg.solve(inverse, case.weights[removed]) / 2
    found = adjusted(case.product, case.weights, case.kept, steps=500, tolerance=1e-12)
    assert found.change == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("with_start", [False, True])
def test_every_step_lowers_the_change_and_bounds_the_least_one(case, with_start):
    start = Case(seed=0).least(magnitudes(case.weights).kept(20))[0] if with_start else None
    least = case.least(case.kept)[1]
    before = np.inf
    for steps in range(12):
        found = adjusted(case.product, case.weights, case.kept, start=start, steps=steps)
        own = case.change(found.weights)
        assert found.change == pytest.approx(own, rel=1e-9)  # of the very point
        assert least <= found.change <= min(before, found.unadjusted) + 1e-15
        assert found.stopped == ALL_STEPS
        assert found.products == 1 + steps + with_start
        before = found.change


def test_turning_everything_leaves_the_change_without_adjustment(case):
    turn, _ = np.linalg.qr(np.random.default_rng(9).normal(size=(60, 60)))
    nothing = np.zeros(60, bool)
    turned = turn @ case.matrix @ turn.T
    one = adjusted(case.product, case.weights, nothing).unadjusted
    assert adjusted(lambda v: turned @ v, turn @ case.weights, nothing).unadjusted == pytest.approx(one, rel=1e-12)


def test_a_target_ends_the_steps(case):
    best = adjusted(case.product, case.weights, case.kept, steps=500)
    target = 0.7 * best.change + 0.3 * best.unadjusted
    found = adjusted(case.product, case.weights, case.kept, steps=500, target=target)
    assert found.stopped == ENOUGH
    assert best.change < found.change <= target
    assert found.products < best.products


def test_a_start_saves_steps(case):
    order = magnitudes(case.weights)
    near = adjusted(case.product, case.weights, order.kept(31), steps=500).weights
    target = 1.01 * case.least(order.kept(30))[1]
    cold, warm = (
        adjusted(case.product, case.weights, order.kept(30), start=start, steps=500, target=target).products
        for start in (None, near)
    )
    assert warm < cold


def test_negative_curvature_ends_the_steps(case):
    case.matrix -= 0.5 * np.eye(60)
    found = adjusted(case.product, case.weights, case.kept, steps=500)
    assert found.stopped == NEGATIVE
    assert found.change <= found.unadjusted
    assert not quadratic_kept(case.product, magnitudes(case.weights), -10).convex


def test_nothing_to_remove_and_nothing_to_keep(case):
    everything, nothing = np.ones(60, bool), np.zeros(60, bool)
    found = adjusted(case.product, case.weights, everything)
    assert (found.change, found.stopped) == (0, CONVERGED)
    np.testing.assert_array_equal(found.weights, case.weights)
    assert adjusted(case.product, case.weights, nothing).change == pytest.approx(case.change(0 * case.weights))


@pytest.mark.parametrize("eps", [1e-6, 1e-3, 0.03, 10])
def test_the_fewest_are_those_of_dense_solves_on_every_mask(case, eps):
    order = magnitudes(case.weights, np.arange(60) % 5 > 0)
    found = quadratic_kept(case.product, order, eps, steps=200)
    masks = [order.kept(k) for k in range(49)]
    expected = [case.least(mask)[1] <= eps for mask in masks]
    assert expected == [False] * found.kept + [True] * (49 - found.kept)
    assert found.products == case.products
    assert found.convex
    assert found.point.change == pytest.approx(case.least(masks[found.kept])[1], rel=1e-5, abs=1e-14)
    np.testing.assert_array_equal(found.point.weights != 0, masks[found.kept])
    one_shot = order.fewest(lambda k: case.change(np.where(order.kept(k), case.weights, 0)) <= eps)
    assert found.kept <= one_shot
    assert case.change(np.where(order.kept(one_shot), case.weights, 0)) <= eps


def test_damping_is_that_of_the_kept_weights_alone(case):
    """The least of 1/2 d' H d + damping/2 |change of the kept|^2, by a dense solve."""
    removed = np.where(case.kept, 0, case.weights)
    for damping in (1e-3, 0.1, 10):
        found = adjusted(case.product, case.weights, case.kept, damping=damping, steps=500, tolerance=1e-12)
        within = case.matrix[np.ix_(case.kept, case.kept)] + damping * np.eye(case.kept.sum())
        change = np.linalg.solve(within, (case.matrix @ removed)[case.kept])
        np.testing.assert_allclose(found.weights[case.kept] - case.weights[case.kept], change, rtol=1e-6, atol=1e-9)
        own = case.change(found.weights)
        assert found.change == pytest.approx(own + damping / 2 * change @ change, rel=1e-9)
        assert found.unadjusted == pytest.approx(case.change(case.weights - removed), rel=1e-12)
    case.matrix -= 0.5 * np.eye(60)
    assert adjusted(case.product, case.weights, case.kept, damping=0.51, steps=500).stopped == CONVERGED


def test_a_guess_saves_products_and_an_early_stop_saves_more(case):
    order = magnitudes(case.weights)
    exact, near, early = (
        quadratic_kept(case.product, order, 0.03, steps=200, **more)
        for more in ({}, {"guess": 17}, {"guess": 17, "within": 0.2})
    )
    assert exact.kept == near.kept <= early.kept <= exact.kept / 0.8
    assert exact.products > near.products > early.products
    assert early.point.change <= 0.03
