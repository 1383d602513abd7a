"""Whole widths: within the budget always, and as good as a search through all of few."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from apcli.theory.widths import whole
from apcli.theory.widths.costs import WidthCost
from apcli.theory.widths.program import Program, solve
from apcli.theory.widths.whole import Grid, complete
from tests.theory.widths.test_published import resnet50, resnet_cifar

SIZES = np.array([8, 16, 32])
NET = WidthCost(
    0.0, np.array([27.0 * 256, 0, 10]), np.array([[0.0, 576, 0], [576, 0, 144], [0, 144, 0]])
)  # RGB -> 8 (3x3, 16x16) -> 16 (3x3, 8x8) -> 32 (3x3, 4x4) -> linear 10


def drawn(seed):
    """A small instance: a program and its grid."""
    draws = np.random.default_rng(seed)
    n = int(draws.integers(2, 5))
    sizes = draws.integers(3, 11, n)
    products = np.triu(draws.integers(0, 40, (n, n)) * (draws.random((n, n)) < 0.6)).astype(float)
    cost = WidthCost(float(draws.integers(0, 50)), draws.integers(1, 100, n).astype(float), products + products.T)
    grid = Grid(cost, sizes, np.ones(n, np.int64), int(draws.integers(1, 3)))
    least, full = cost.at(grid.lowest.astype(float)), cost.at(sizes.astype(float))
    return grid.program(draws.uniform(0.3, 3, n), least + (full - least) * draws.uniform(0.02, 0.98)), grid


def searched(program, grid):
    """The best objective of all widths, one by one."""
    allowed = [sorted({*range(low, size, grid.step), size}) for low, size in zip(grid.lowest, grid.sizes, strict=True)]
    widths = (np.array(choice, float) for choice in itertools.product(*allowed))
    return min(program.objective(x / grid.sizes) for x in widths if grid.cost.at(x) <= program.limit)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_of_few_choices_the_best(seed):
    program, grid = drawn(seed)
    optimum = solve(program)
    widths = complete(program, grid, optimum.shares)
    assert grid.cost.at(widths.astype(float)) <= program.limit
    assert program.objective(widths / grid.sizes) == pytest.approx(searched(program, grid))
    assert program.objective(optimum.shares) <= searched(program, grid) + 1e-9


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_of_many_choices_none_that_fits_is_left(seed):
    """The search that large networks need, on instances small enough to look at every neighbour."""
    program, grid = drawn(seed)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(whole, "FEW", 0)
        widths = complete(program, grid, solve(program).shares)
    assert grid.cost.at(widths.astype(float)) <= program.limit
    assert (widths >= grid.lowest).all()
    assert ((widths % grid.step == 0) | (widths == grid.sizes)).all()
    for group, up in enumerate(grid.next(widths)):
        larger = widths.copy()
        larger[group] = up
        assert up == widths[group] or grid.cost.at(larger.astype(float)) > program.limit
    assert program.objective(widths / grid.sizes) >= searched(program, grid) * (1 - 1e-12)


def test_most_often_it_is_the_best_of_all_too(monkeypatch):
    monkeypatch.setattr(whole, "FEW", 0)
    instances = [drawn(seed) for seed in range(100)]
    found = [
        program.objective(complete(program, grid, solve(program).shares) / grid.sizes) for program, grid in instances
    ]
    best = [searched(program, grid) for program, grid in instances]
    assert np.mean(np.isclose(found, best)) > 0.8


@pytest.mark.parametrize("few", [0, whole.FEW])
def test_the_three_convolutions(few, monkeypatch):
    """Spread by logarithms, as the source's example is: the best of 4096."""
    monkeypatch.setattr(whole, "FEW", few)
    grid = Grid(NET, SIZES, np.ones(3, np.int64))
    given = Program(np.array([1, 0.5, 0.25]), NET.of_shares(SIZES), 101536, 1 / SIZES, power=0)
    assert complete(given, grid, solve(given).shares).tolist() == [8, 5, 31]


@pytest.mark.parametrize("network", [resnet50, lambda: resnet_cifar(9)])
@pytest.mark.parametrize("step", [1, 8])
@pytest.mark.parametrize("share", [0.3, 0.5, 0.9])
def test_real_networks_use_their_budget(network, step, share):
    of_shares, sizes = network()
    sizes = np.array(sizes)
    cost = of_shares.of_shares(1 / sizes)
    grid = Grid(cost, sizes, np.ones(len(sizes), np.int64), step)
    program = grid.program(cost.slope(sizes.astype(float)) * sizes, share * cost.at(sizes.astype(float)))
    optimum = solve(program)
    widths = complete(program, grid, optimum.shares)
    got = cost.at(widths.astype(float))
    cheapest = min(cost.at(np.where(np.arange(len(sizes)) == i, grid.next(widths), widths).astype(float)) - got
                   for i in range(len(sizes)) if widths[i] < sizes[i])  # fmt: skip
    assert program.limit - cheapest < got <= program.limit
    assert program.objective(widths / sizes) < program.objective(optimum.shares) * (1.02 if step == 1 else 1.5)


def test_widths_in_steps():
    grid = Grid(NET, np.array([8, 17, 32]), np.array([1, 3, 9]), 8)
    assert grid.lowest.tolist() == [8, 8, 16]
    assert grid.below(np.array([8.0, 16.9, 31.9])).tolist() == [8, 16, 24]
    assert grid.next(np.array([8, 16, 24])).tolist() == [8, 17, 32]
    assert grid.previous(np.array([8, 17, 32])).tolist() == [8, 16, 24]
