"""Information bounds: reference values, entropies of scipy, and a class of hypotheses drawn and fitted."""

import math
from itertools import product

import numpy as np
import pytest
from scipy import stats

from apcli.theory.bounds.information import gaussian_information, generalization_gap


@pytest.mark.parametrize(
    ("bits", "squared", "gap"),
    [
        ([10], 0.0071347159234749795, 0.08446724763761976),
        ([10, 12], 0.03556291323375148, 0.18858131729774155),
        ([16], 0.4542978250463069, 0.6740161904927113),
    ],
)
def test_reference_values_of_theorem_6(bits, squared, gap):
    found = generalization_gap(bits, 50_000, 0.05)
    assert found == pytest.approx(squared, rel=1e-14)
    assert math.sqrt(found) == pytest.approx(gap, rel=1e-14)


def test_where_theorem_6_becomes_vacuous():
    assert generalization_gap([17.137], 50_000, 0.05) < 1 < generalization_gap([17.1385], 50_000, 0.05)
    assert generalization_gap([2000.0], 50_000, 0.05) == generalization_gap([math.inf], 50_000, 0.05) == math.inf


def test_several_representations_are_never_tighter_than_the_least():
    assert generalization_gap([3.0, 5.0], 100, 0.1) > generalization_gap([5.0], 100, 0.1)
    assert generalization_gap([5.0], 100, 0.1) > generalization_gap([3.0], 100, 0.1)


@pytest.mark.parametrize("delta", [0.5, 0.05])
def test_theorem_6_bounds_all_labellings_of_four_cells(delta):
    """Inputs fall into 4 equal cells, so I is 2 bits; in 1,000 training sets, the worst of all 16 hypotheses."""
    rng, samples = np.random.default_rng(9), 100
    truth = np.array([0.2, 0.5, 0.6, 0.9])  # the chance of the label 1 in each cell
    cells = rng.integers(4, size=(1000, samples))
    labels = rng.random(cells.shape) < truth[cells]
    gaps = []
    for hypothesis in product([0, 1], repeat=4):
        guessed = np.array(hypothesis)
        expected = np.where(guessed == 1, 1 - truth, truth).mean()
        gaps.append(np.abs((guessed[cells] != labels).mean(axis=1) - expected))
    assert np.mean(np.max(gaps, axis=0) ** 2 > generalization_gap([2.0], samples, delta)) <= delta


def test_reference_values_of_theorem_5():
    found = gaussian_information(np.diag([1.0, 2.0]))
    assert found.nats == pytest.approx(1.151292546497023, rel=1e-14)
    assert found.bits == pytest.approx(1.660964047443681, rel=1e-14)
    assert found.first_order == 2.5


@pytest.mark.parametrize("shape", [(2, 5), (5, 2), (4, 4), (1, 1)])
def test_information_is_a_difference_of_entropies(shape):
    weight = np.random.default_rng(10).normal(size=shape)
    outer, noise = weight.T @ weight, 0.49 * np.eye(shape[1])
    entropies = [stats.multivariate_normal(cov=c).entropy() for c in (outer + noise, noise)]
    found = gaussian_information(weight, noise=0.7)
    assert found.nats == pytest.approx(entropies[0] - entropies[1], rel=1e-10)
    assert found.first_order == pytest.approx(np.trace(outer) / (2 * 0.49), rel=1e-12)


def test_information_is_proportional_only_for_small_weights():
    weight = np.random.default_rng(1).normal(size=(6, 4))
    for scale, close in ((1e-6, True), (1.0, False)):
        found = gaussian_information(scale * weight)
        assert found.nats <= found.first_order
        assert (found.nats == pytest.approx(found.first_order, rel=1e-9)) is close
    assert gaussian_information(np.zeros((3, 2))).nats == 0


@pytest.mark.parametrize(
    "call",
    [
        lambda: generalization_gap([], 100, 0.1),
        lambda: generalization_gap([-1.0], 100, 0.1),
        lambda: generalization_gap([1.0], 0, 0.1),
        lambda: generalization_gap([1.0], 100, 1.0),
        lambda: gaussian_information(np.ones((2, 2)), noise=0),
        lambda: gaussian_information(np.ones(3)),
    ],
)
def test_what_is_out_of_range_is_refused(call):
    with pytest.raises(ValueError, match="expected"):
        call()
