"""The convex program: its published values, a second solver, and the certificate."""

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize

from apcli.theory.widths.costs import WidthCost
from apcli.theory.widths.program import Program, loss, solve
from tests.theory.widths.test_published import chain, mobilenet_v1, mobilenet_v2, resnet50, resnet_cifar, vgg16

CONVEX = WidthCost(0.0, np.array([1.0, 2, 3]), np.array([[4.0, 1, 0], [1, 6, 1], [0, 1, 8]]))
NET = WidthCost(
    0.0, np.array([55296.0, 0, 320]), np.array([[0.0, 73728, 0], [73728, 0, 73728], [0, 73728, 0]])
)  # RGB -> 8 (3x3, 16x16) -> 16 (3x3, 8x8) -> 32 (3x3, 4x4) -> linear 10


def program(cost, values, limit, power=1.0):
    return Program(np.array(values, float), cost, limit, np.full(len(values), 1e-3), power)


def normal(values):
    return np.array(values, float) / np.sum(values)


@pytest.mark.parametrize(
    "given, shares",
    [
        (program(CONVEX, (1, 0.8, 0.6), 8.5), (0.8594009011, 0.6433594733, 0.5334849720)),
        (program(chain(), (1, 1, 1, 1), 12), (0.7970457949, 0.6100332009, 0.6100332009, 0.7970457949)),
        (program(chain(), (1, 0.9, 0.8, 0.7), 12), (0.8625941966, 0.6179445085, 0.6042501103, 0.7269495591)),
        (program(NET, (1, 1, 1), 101536), (0.6260065817, 0.5744185270, 0.9469841660)),
        (program(NET, (1, 0.5, 0.25), 101536), (0.8043865862, 0.5419962062, 0.6184937874)),
        (program(NET, NET.slope(np.ones(3)), 101536), (0.6202662417, 0.7025993739, 0.6735677980)),
        (program(NET, (1, 1, 1), 101536, power=2), (0.6317130786, 0.6193917218, 0.8210376873)),
        (program(NET, (1, 0.5, 0.25), 101536, power=0), (1, 0.315697134, 0.973239357)),
    ],
)
def test_the_published_optima(given, shares):
    found = solve(given)
    np.testing.assert_allclose(found.shares, shares, atol=2e-9)
    assert found.residual < 1e-9
    assert abs(found.slack) < 1e-12


@pytest.mark.parametrize(
    "values, objective",
    [((1, 1, 1), 1.4647673611), ((1, 0.5, 0.25), 1.4685181700), (NET.slope(np.ones(3)), 1.5057855235)],
)
def test_their_objective(values, objective):
    """Theirs is the sum of c / x with c adding up to 1, which is larger by 1."""
    given = program(NET, normal(values), 101536)
    assert given.objective(solve(given).shares) + 1 == pytest.approx(objective, abs=1e-9)


def test_a_utility_of_logarithms_runs_into_a_corner():
    """Which is why it is not used: equally important layers get 0.68, 0.51 and all."""
    even = solve(program(NET, (1, 1, 1), 101536, power=0))
    assert even.shares[2] == 1
    assert -np.log(even.shares).sum() < -np.log((0.5, 1, 0.5)).sum()  # which costs the same
    assert NET.at(np.array([0.5, 1, 0.5])) == 101536


COSTS = {
    "resnet50": resnet50,
    "mobilenet_v1": mobilenet_v1,
    "mobilenet_v2": mobilenet_v2,
    "vgg16": vgg16,
    "resnet20": lambda: resnet_cifar(3),
    "resnet56": lambda: resnet_cifar(9),
}


def by_slsqp(given):
    """A second solver: SLSQP in log x, in units of the full cost, from full widths."""
    full = given.full

    def cost(u):
        return 1 - given.cost.at(np.exp(u)) / given.limit

    def cost_slope(u):
        return -np.exp(u) * given.cost.slope(np.exp(u)) / given.limit

    values = given.values / given.values.sum()
    found = minimize(
        lambda u: values @ np.exp(-u),
        np.full(len(values), np.log(given.limit / full) / 2),
        jac=lambda u: -values * np.exp(-u),
        bounds=[(low, 0.0) for low in np.log(given.lower)],
        constraints={"type": "ineq", "fun": cost, "jac": cost_slope},
        method="SLSQP",
        options={"ftol": 1e-15, "maxiter": 1000},
    )
    return np.exp(found.x)


@pytest.mark.parametrize("network", COSTS)
@pytest.mark.parametrize("share", [0.15, 0.5, 0.8])
@pytest.mark.parametrize("weighted", [False, True])
def test_on_real_costs_it_is_never_worse_than_a_second_solver(network, share, weighted):
    cost, sizes = COSTS[network]()
    values = np.linspace(3, 1, len(sizes)) * (cost.slope(np.ones(len(sizes))) if weighted else 1)
    given = Program(values, cost, share * cost.at(np.ones(len(sizes))), 1 / np.array(sizes, float))
    found = solve(given)
    other = by_slsqp(given)
    assert cost.at(found.shares) <= given.limit * (1 + 1e-12)
    assert given.objective(found.shares) <= given.objective(other) * (1 + 1e-9) + 1e-9 or cost.at(other) > given.limit
    np.testing.assert_allclose(found.shares, other, atol=1e-4)
    assert found.residual < 1e-9


def test_equal_importances_of_each_layer_s_own_cost_give_about_equal_widths():
    cost, sizes = vgg16()
    given = Program(cost.slope(np.ones(13)), cost, 0.5 * cost.at(np.ones(13)), 1 / np.array(sizes, float))
    assert np.ptp(solve(given).shares[1:-1]) < 0.02


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1), st.floats(0.02, 0.98))
@example(1322, 0.96875)  # one free variable of little importance
def test_the_certificate_of_random_programs(seed, share):
    """No feasible direction lowers the objective: complementary slackness, by hand."""
    draws = np.random.default_rng(seed)
    n = int(draws.integers(1, 12))
    products = np.triu(draws.uniform(0, 9, (n, n)) * (draws.random((n, n)) < 0.5))
    cost = WidthCost(draws.uniform(0, 5), draws.uniform(0.1, 5, n), products + products.T)
    lower = draws.uniform(0.01, 0.3, n)
    least, full = cost.at(lower), cost.at(np.ones(n))
    given = Program(draws.uniform(0.01, 5, n), cost, least + share * (full - least), lower)
    found = solve(given)
    price = found.multiplier / full
    by_log = -given.values / found.shares + price * found.shares * cost.slope(found.shares)
    scale = (given.values / found.shares).max()
    inside = (found.shares < 1) & (found.shares > lower * (1 + 1e-12))
    assert np.abs(by_log[inside]).max(initial=0) <= 1e-8 * scale
    assert by_log[found.shares >= 1].max(initial=0) <= 1e-8 * scale
    assert by_log[found.shares <= lower].min(initial=0) >= -1e-8 * scale
    assert found.residual <= 1e-8
    assert cost.at(found.shares) == pytest.approx(given.limit, rel=1e-11)


def test_a_budget_for_everything_and_one_for_nothing():
    assert solve(program(NET, (1, 1, 1), 203072)).shares.tolist() == [1, 1, 1]
    assert solve(program(NET, (1, 1, 1), 406144)).slack == 1
    low = np.array([0.5, 0.5, 0.5])
    at_least = Program(np.ones(3), NET, NET.at(low), low)
    np.testing.assert_allclose(solve(at_least).shares, low)
    with pytest.raises(ValueError, match="the least widths cost 64672: expected a limit of that or more"):
        solve(Program(np.ones(3), NET, 60000.0, low))


def test_the_loss_of_utility():
    assert loss(np.array([0.5, 1.0]), 1.0).tolist() == pytest.approx([1, 0])
    assert loss(np.array([0.5]), 2.0) == pytest.approx(1.5)
    assert loss(np.array([0.5]), 0.0) == pytest.approx(np.log(2))
