"""Theorems D and E: reference values, random signs and networks that are drawn, and the smallest widths."""

import math

import numpy as np
import pytest

from apcli.theory.closeness.random_signs import (
    RandomNetwork,
    lowest_pruning,
    random_pruning,
    sign_bound,
    smallest_width,
)
from apcli.theory.closeness.removed import lowest


def test_reference_values_of_signs(weights):
    expected = (0.7949984432215, 0.78984070410132, 0.62257243535991)
    for weight, value in zip(weights, expected, strict=True):
        part = weight * lowest(weight, math.floor(0.3 * weight.size))
        assert sign_bound(part, 0.05) == pytest.approx(value, rel=1e-13)
        assert np.linalg.norm(part, 2) < value


def test_random_signs_are_covered():
    """Also of a matrix of one row, whose norm does not depend on signs, and of one that is removed whole."""
    random = np.random.default_rng(0)
    for shape in ((1, 8), (6, 6), (20, 5)):
        weight = random.standard_t(3, size=shape)
        part = weight * lowest(weight, weight.size // 2)
        signs = random.choice([-1, 1], size=(500, *shape))
        assert np.mean(np.linalg.norm(signs * part, 2, axis=(1, 2)) > sign_bound(part, 0.3)) <= 0.3
    assert sign_bound(np.zeros((3, 4)), 0.5) == 0


@pytest.mark.parametrize(
    ("width", "depth", "scale", "fraction", "delta", "at_random", "of_lowest"),
    [
        (1000, 2, 0.5, 1e-3, 0.05, 1.3080606679574, 0.0015480895443671),
        (100000, 3, 0.5, 1e-5, 0.01, 1.0333125172591, 1.0741812833004e-5),
        (64, 2, 1, 0.1, 0.05, 28.181678420598, 3.1354303897046),
    ],
)
def test_reference_values_of_widths(width, depth, scale, fraction, delta, at_random, of_lowest):
    network = RandomNetwork(depth, scale, delta)
    assert random_pruning(network, width, fraction).difference == pytest.approx(at_random, rel=1e-12)
    found = lowest_pruning(network, width, fraction)
    assert found.difference == pytest.approx(of_lowest, rel=1e-12)
    assert found.difference == pytest.approx((found.norm + found.removed) ** depth - found.norm**depth, rel=1e-9)
    if width == 1000:
        assert (found.level, found.removed) == pytest.approx((0.0011724034548273, 0.00030744125243915), rel=1e-12)
        assert lowest_pruning(RandomNetwork(depth, scale, delta, 2.0), width, fraction).difference == pytest.approx(
            2 * of_lowest, rel=1e-12
        )


@pytest.mark.parametrize(
    ("depth", "scale", "at_random", "of_lowest"),
    [(2, 0.5, 1.01e4, 28), (2, 1.0, 2.71e5, 60), (3, 0.5, 4.05e5, 57)],
)
def test_smallest_widths(depth, scale, at_random, of_lowest):
    """p = 1 / d: one weight in 10^4 to 10^6 at random, a few in a hundred of the lowest."""
    network = RandomNetwork(depth, scale, 0.05)
    for pruning, expected, rounding in ((random_pruning, at_random, 0.003), (lowest_pruning, of_lowest, 0)):
        found = smallest_width(network, 0.5, lambda width: 1 / width, pruning)
        assert found == pytest.approx(expected, rel=rounding)
        assert pruning(network, found, 1 / found).difference <= 0.5
        assert pruning(network, found - 1, 1 / (found - 1)).difference > 0.5


def test_a_constant_fraction_needs_no_finite_width():
    network = RandomNetwork(2, 1.0, 0.05)
    for pruning in (random_pruning, lowest_pruning):
        assert smallest_width(network, 0.5, lambda _: 0.5, pruning, most=10**7) is None
        assert smallest_width(network, 0.5, lambda _: 0.0, pruning) == 1


@pytest.mark.parametrize("fraction", [0.02, 0.3])
def test_networks_that_are_drawn_are_as_close_as_it_says(fraction):
    """Norms of 50 pairs of uniform layers, and the distance of ReLU networks on inputs of the sphere."""
    network, width = RandomNetwork(2, 1.0, 0.5), 64
    for seed in range(50):
        random = np.random.default_rng(seed)
        layers = random.uniform(-1, 1, size=(2, width, width)) / math.sqrt(width)
        inputs = random.normal(size=(width, 20))
        inputs /= np.linalg.norm(inputs, axis=0)
        chosen = np.array([lowest(layer, math.floor(fraction * width**2)) for layer in layers])
        for bound, removed in (
            (lowest_pruning(network, width, fraction), chosen),
            (random_pruning(network, width, fraction), random.random(layers.shape) < fraction),
        ):
            parts = np.where(removed, layers, 0)
            assert np.linalg.norm(layers, 2, axis=(1, 2)).max() < bound.norm
            assert np.linalg.norm(parts, 2, axis=(1, 2)).max() < bound.removed
            assert np.abs(parts).max() * math.sqrt(width) <= bound.level
            first, second = layers - parts
            dense = layers[1] @ np.maximum(layers[0] @ inputs, 0)
            pruned = second @ np.maximum(first @ inputs, 0)
            assert np.linalg.norm(dense - pruned, axis=0).max() < bound.difference


def test_ends():
    network = RandomNetwork(3, 1.0, 0.05)
    for pruning in (random_pruning, lowest_pruning):
        assert pruning(network, 100, 0).difference == 0
        everything = pruning(network, 100, 1)
        assert (everything.removed, everything.level) == (everything.norm, 1)
        assert pruning(RandomNetwork(10000, 1.0, 0.05), 100, 0.5).difference == math.inf
        assert pruning(RandomNetwork(10000, 1.0, 0.05), 100, 0).difference == 0


@pytest.mark.parametrize(
    "call",
    [
        lambda: RandomNetwork(0, 1, 0.5),
        lambda: RandomNetwork(1, 0, 0.5),
        lambda: RandomNetwork(1, 1, 1),
        lambda: RandomNetwork(1, 1, math.nan),
        lambda: random_pruning(RandomNetwork(1, 1, 0.5), 0, 0.5),
        lambda: lowest_pruning(RandomNetwork(1, 1, 0.5), 8, 1.5),
        lambda: sign_bound(np.ones((2, 2)), 0),
        lambda: sign_bound(np.ones(2), 0.5),
    ],
)
def test_what_is_refused(call):
    with pytest.raises(ValueError, match="expected"):
        call()
