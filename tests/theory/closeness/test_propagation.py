"""Theorem A: reference values, residual sums, and a thousand networks of which none is further apart than it says."""

import math

import numpy as np
import pytest
import torch

from apcli.theory.closeness.propagation import Closeness, Layer, Network, Sum, propagate
from apcli.theory.closeness.removed import highest, lowest


def masked(weight: np.ndarray, removed: np.ndarray, **more: float) -> Layer:
    """The layer of a mask, of norms by NumPy."""
    norms = (np.linalg.norm(part, 2) for part in (weight, np.where(removed, 0, weight), np.where(removed, weight, 0)))
    return Layer(*map(float, norms), **more)


@pytest.mark.parametrize(
    ("norms", "lipschitz", "radius", "expected"),
    [
        (((1.2, 1.1, 0.2), (0.9, 0.8, 0.3)), (1, 1), 1, 0.51),
        (((2, 1.5, 1), (0.5, 0.6, 0.2), (3, 2, 1.5)), (1, 1, 1), 1, 3.1),
        (((1, 1, 0.1), (1, 1, 0.1)), (0.25, 1), 3, 0.15),
    ],
)
def test_reference_values(norms, lipschitz, radius, expected):
    layers = [Layer(*three, lipschitz=constant) for three, constant in zip(norms, lipschitz, strict=True)]
    assert propagate(layers, radius).difference == pytest.approx(expected, rel=1e-14)


@pytest.mark.parametrize(
    ("order", "difference", "by_product"),
    [(lowest, 1.0732146885609, 1.3564371930937), (highest, 2.7252773211809, None)],
)
def test_reference_network(weights, order, difference, by_product):
    """30 % of every layer; of the lowest the bound is below that on |F|, of the highest above the trivial one."""
    bounds = propagate([masked(w, order(w, math.floor(0.3 * w.size))) for w in weights], 1)
    assert bounds.difference == pytest.approx(difference, rel=1e-13)
    assert bounds.dense == pytest.approx(1.6015004572511, rel=1e-13)
    assert by_product is None or bounds.by_product == pytest.approx(by_product, rel=1e-13)
    assert (bounds.dense < bounds.difference) == (order is highest)
    assert (bounds.trivial < bounds.difference) == (order is highest)


@pytest.mark.parametrize(("share", "expected"), [(0.1, 0.2192085), (0.5, 2.0481549)])
def test_other_shares_of_the_reference_network(weights, share, expected):
    bounds = propagate([masked(w, lowest(w, math.floor(share * w.size))) for w in weights], 1)
    assert bounds.difference == pytest.approx(expected, abs=5e-8)


@pytest.mark.parametrize(
    ("order", "share", "reached"),
    [(lowest, 0.1, 0.0262), (lowest, 0.3, 0.1585), (lowest, 0.5, 0.259), (highest, 0.3, 0.339)],
)
def test_what_gradient_ascent_finds_in_the_reference_network(weights, order, share, reached):
    """On the sphere, from 100 random inputs: as far apart as the table has it, and within the bound."""
    masks = [order(w, math.floor(share * w.size)) for w in weights]
    dense = [torch.from_numpy(w) for w in weights]
    pruned = [torch.from_numpy(np.where(removed, 0, w)) for w, removed in zip(weights, masks, strict=True)]

    def apart(x):
        first, second = x, x
        for number, (one, other) in enumerate(zip(dense, pruned, strict=True)):
            first, second = first @ one.T, second @ other.T
            if number < 2:
                first, second = first.relu(), second.relu()
        return (first - second).norm(dim=1)

    x = torch.randn(100, 30, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    for step in range(300):
        x = (x / x.norm(dim=1, keepdim=True)).requires_grad_()
        (gradient,) = torch.autograd.grad(apart(x).sum(), x)
        x = (x + (0.3 if step < 200 else 0.03) * gradient / gradient.norm(dim=1, keepdim=True)).detach()
    found = float(apart(x / x.norm(dim=1, keepdim=True)).max())
    assert found == pytest.approx(reached, rel=0.02)
    bounds = propagate([masked(w, removed) for w, removed in zip(weights, masks, strict=True)], 1)
    assert found < bounds.difference


def test_by_product_is_the_closed_form():
    norms = [(2.0, 0.1), (0.5, 0.3), (3.0, 1e-9)]
    bounds = propagate([Layer(s, s + e, e) for s, e in norms], 2)
    expected = 2 * (math.prod(s + e for s, e in norms) - math.prod(s for s, _ in norms))
    assert bounds.by_product == pytest.approx(expected, rel=1e-14)
    assert bounds.difference == pytest.approx(bounds.by_product, rel=1e-14)  # t = s + e says no more


def test_what_is_the_same_in_both_networks_scales_all_bounds():
    bounds = Closeness(0.5, 0.6, 2.0, 1.5)
    assert Layer.fixed(0.5).after(bounds) == Closeness(0.25, 0.3, 1.0, 0.75)
    assert Layer.fixed(0.5, shift=3.0).after(bounds) == Closeness(0.25, 0.3, 4.0, 3.75)
    sigmoids = Layer(1, 1, 0, lipschitz=0.25, at_zero=1.0)
    assert sigmoids.after(bounds) == Closeness(0.125, 0.15, 1.5, 1.375)


def test_biases():
    """A kept bias makes both outputs longer, and a changed one the difference."""
    layer = Layer(2, 1, 1.5, lipschitz=0.5, bias=3, pruned_bias=1, bias_change=2.5)
    assert layer.after(Closeness(0, 0, 4, 4)) == Closeness(4.25, 4.25, 5.5, 2.5)


def test_a_measured_removed_part_takes_the_place_of_its_bound():
    bounds = Closeness(0.1, 0.1, 4.0, 4.0)
    assert Layer(2, 2, 1, removed_reach=0.3).after(bounds).difference == pytest.approx(0.5, rel=1e-15)
    assert Layer(2, 2, 1).after(bounds).difference == pytest.approx(4.2, rel=1e-15)


def test_a_sum_adds_its_branches():
    first, branch, skip = Layer(1.5, 1.4, 0.1), Layer(2, 1.8, 0.4), Layer(0.7, 0.6, 0.2)
    bounds = propagate([first], 1)
    both = propagate([first, branch, Sum((1,)), skip, Sum((2, 4))], 1)
    beside = propagate([first, branch, Sum((1,)), skip, Sum((2, 4), joined=True)], 1)
    for name in ("difference", "by_product", "dense"):
        apart = [getattr(step.after(bounds), name) for step in (branch, skip)]
        assert getattr(both, name) == pytest.approx(sum(apart), rel=1e-15)
        assert getattr(beside, name) == pytest.approx(math.hypot(*apart), rel=1e-15)
    identity = propagate([first, branch, Sum((1, 2))], 1)
    assert identity.difference == branch.after(bounds).difference + bounds.difference


def test_edges():
    same = [Layer(3, 3, 0), Layer(2, 2, 0)]
    assert propagate(same, 1) == Closeness(0, 0, 6, 6)
    assert propagate([], 0) == Closeness(0, 0, 0, 0)
    gone = propagate([Layer(3, 0, 3), Layer(2, 0, 2)], 1)
    assert (gone.difference, gone.pruned, gone.dense) == (6, 0, 6)
    deep = propagate([Layer(10, 10, 0)] * 400 + [Layer(10, 10, 1)], 1)
    assert (deep.dense, deep.difference) == (math.inf, math.inf)
    assert propagate([Layer(10, 10, 0)] * 400, 1).difference == 0
    assert propagate([Layer(1, 1, 2), Layer(1, 1, 2)], 1).trivial < propagate([Layer(1, 3, 2)] * 2, 1).difference


@pytest.mark.parametrize(
    "call",
    [
        lambda: Layer(-1, 1, 1),
        lambda: Layer(1, math.inf, 1),
        lambda: Layer(1, 1, math.nan),
        lambda: Layer(1, 1, 1, removed_reach=-1),
        lambda: propagate([], -1),
        lambda: propagate([], math.inf),
    ],
)
def test_what_is_no_norm_is_refused(call):
    with pytest.raises(ValueError, match="expected a finite number >= 0"):
        call()


FUNCTIONS = {"relu": lambda x: np.maximum(x, 0), "tanh": np.tanh, "identity": lambda x: x}


class Pair:
    """A random network beside its masked copy, in NumPy, with the steps that describe both."""

    def __init__(self, random: np.random.Generator, depth: int) -> None:
        self.random, self.steps = random, []
        self.width = int(random.integers(1, 9))
        self.maps, self.inputs = [], self.width
        for index in range(depth):
            residual = bool(index and random.random() < 0.4)
            step, function = self._affine(self.width if residual else int(random.integers(1, 9)))
            self.steps.append(step)
            if residual:
                before = len(self.steps) - 1
                self.steps.append(Sum((before, before + 1)))
                function = self._added(function)
            self.maps.append(function)

    def _affine(self, outputs: int):
        random = self.random
        weight = random.normal(size=(outputs, self.width)) * random.choice([0.3, 1.0, 2.0])
        removed = random.random(weight.shape) < random.random()
        bias = random.normal(size=outputs) * (random.random() < 0.5)
        pruned_bias = bias * (random.random(outputs) < 0.8)
        function = FUNCTIONS[str(random.choice(list(FUNCTIONS)))]
        lengths = [float(np.linalg.norm(part)) for part in (bias, pruned_bias, bias - pruned_bias)]
        step = masked(weight, removed, bias=lengths[0], pruned_bias=lengths[1], bias_change=lengths[2])
        kept = np.where(removed, 0, weight)
        self.width = outputs
        return step, lambda dense, pruned: (function(dense @ weight.T + bias), function(pruned @ kept.T + pruned_bias))

    def _added(self, function):
        def added(dense, pruned):
            branch = function(dense, pruned)
            return branch[0] + dense, branch[1] + pruned

        return added

    def __call__(self, inputs: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        dense = pruned = inputs
        for function in self.maps:
            dense, pruned = function(dense, pruned)
        return dense, pruned


def longest(rows: np.ndarray) -> float:
    return float(np.linalg.norm(rows, axis=1).max())


def test_no_network_is_further_apart_than_the_bound():
    """1,000 networks, masks and balls, 50 inputs each, of which half are on the sphere."""
    slack = []
    for seed in range(1000):
        random = np.random.default_rng(seed)
        pair = Pair(random, int(random.integers(1, 5)))
        radius = float(random.choice([0.1, 1.0, 5.0]))
        inputs = random.normal(size=(50, pair.inputs))
        inputs *= radius / np.linalg.norm(inputs, axis=1, keepdims=True)
        inputs[:25] *= random.random((25, 1))
        dense, pruned = pair(inputs)
        network: Network = pair.steps
        bounds = propagate(network, radius)
        room = 1 + 1e-12
        apart = longest(dense - pruned)
        assert apart <= bounds.difference * room + 1e-14, seed
        assert bounds.difference <= bounds.by_product * room, seed
        assert longest(dense) <= bounds.dense * room, seed
        assert longest(pruned) <= bounds.pruned * room, seed
        slack.append(apart / bounds.difference if bounds.difference else 1)
    assert max(slack) > 0.95  # and some are as far apart as it says
