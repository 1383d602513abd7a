"""Searches: the reference network's percentages, layers alone, probabilities, and bounds that do not grow."""

import math

import numpy as np
import pytest

from apcli.theory.closeness.largest import Largest, largest_certified
from apcli.theory.closeness.norms import spectral_norm
from apcli.theory.closeness.propagation import Layer, propagate
from apcli.theory.closeness.random_masks import Entries, bernoulli
from apcli.theory.closeness.removed import lowest


def lowest_layer(weight: np.ndarray, count: int) -> Layer:
    removed = lowest(weight, count)
    parts = (weight, np.where(removed, 0, weight), np.where(removed, weight, 0))
    return Layer(*(spectral_norm(part).upper for part in parts))


@pytest.mark.parametrize(
    ("epsilon", "percent", "bound"),
    [
        (0.05, 3, 0.048791864772),
        (0.1, 5, 0.091607461878),
        (0.5, 17, 0.46727739183),
        (1.0, 28, 0.98544509415),
    ],
)
def test_reference_percentages(weights, epsilon, percent, bound):
    def of(percentage: float) -> float:
        return propagate([lowest_layer(w, math.floor(percentage * w.size / 100)) for w in weights], 1).difference

    assert largest_certified(of, range(101), epsilon) == Largest(percent, pytest.approx(bound, rel=1e-11))


def test_one_layer_alone_may_lose_more(weights):
    """Counts of the second layer: the next one is too many."""

    def of(count: float) -> float:
        layers = [lowest_layer(weights[0], 0), lowest_layer(weights[1], int(count)), lowest_layer(weights[2], 0)]
        return propagate(layers, 1).difference

    found = largest_certified(of, range(weights[1].size + 1), 0.1)
    assert found is not None
    assert found.amount > 0.05 * weights[1].size
    assert of(found.amount) == found.bound <= 0.1 < of(found.amount + 1)


def test_the_largest_probability_of_random_masks():
    """Two layers of 200 x 200. Where the bound on |F| is within epsilon, all weights may go."""
    random = np.random.default_rng(0)
    entries = [Entries.of(random.uniform(-1, 1, size=(200, 200)) / 10) for _ in range(2)]

    def of(fraction: float) -> float:
        masks = [bernoulli(each, fraction, 0.05 / 2) for each in entries]
        return propagate([Layer(e.norm, m.kept, m.removed) for e, m in zip(entries, masks, strict=True)], 1).difference

    fractions = np.linspace(0, 1, 10**6 + 1)
    found = largest_certified(of, fractions, 2.2)
    assert found is not None
    assert 0 < found.amount < 0.1
    assert found.bound <= 2.2 < of(found.amount + 1e-6)
    assert of(1) == pytest.approx(entries[0].norm * entries[1].norm, rel=1e-14)
    assert largest_certified(of, fractions, 0.1) == Largest(0, 0)
    assert largest_certified(of, fractions, 3.0) == Largest(1, of(1))


def test_a_bound_that_does_not_grow():
    """The answer is certified, and the next amount is not; a larger one is."""
    bounds = [0, 1, 2, 5, 2, 6, 7, 8]
    found = largest_certified(bounds.__getitem__, range(8), 2)
    assert found == Largest(2, 2)


def test_ends():
    for size in range(1, 6):
        for largest in range(size):
            found = largest_certified(float, range(size), largest)
            assert found is not None
            assert found.amount == largest
    assert largest_certified(lambda _: 1.0, range(4), 0.5) is None


@pytest.mark.parametrize(("amounts", "epsilon"), [([], 1), ([0], -1), ([0], math.nan)])
def test_what_is_refused(amounts, epsilon):
    with pytest.raises(ValueError, match="expected an amount or more, and epsilon >= 0"):
        largest_certified(lambda _: 0.0, amounts, epsilon)
