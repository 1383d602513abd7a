"""Theorems B and D of a layer's matrix, and the verdict on its independence."""

import numpy as np
import pytest
from measured_pairs import by_statement

from apcli.stages.bounds.probabilistic.each_layer import independences, matrix_of, random_signs, statements
from apcli.theory.closeness.independence import independence
from apcli.theory.closeness.random_signs import sign_bound


def asked(name, make):
    return make()


def test_the_statements_of_a_layer(pair, settings):
    verdicts = independences(pair, settings, asked)
    every = list(statements(pair, settings, verdicts))
    for weights, verdict in zip(pair.weights, verdicts, strict=True):
        bounds = by_statement(every, weights.layer.name)
        removed = weights.dense * (weights.pruned == 0)
        norm = np.linalg.norm(removed, 2)
        of_b, of_d = bounds["theorem B"], bounds["theorem D"]
        assert of_b.measured == of_d.measured == pytest.approx(norm, rel=1e-12)
        assert norm <= of_b.value <= np.linalg.norm(removed) * (1 + 1e-12)
        assert of_b.verdict == "holds"
        assert of_d.value == pytest.approx(sign_bound(removed, 0.05), rel=1e-14)
        constants = {one.name: one.value for one in of_b.constants}
        assert (constants["rows"], constants["columns"]) == weights.dense.shape
        assert constants["k"] == np.count_nonzero(removed) == weights.dense.size // 2
        assert constants["tau"] == np.abs(removed).max()
        assert constants["r"] == (removed != 0).sum(axis=1).max()
        assert constants["c"] == (removed != 0).sum(axis=0).max()
        assert of_d.assumptions[0].holds is (False if verdict.rejected else None)
        assert (of_d.verdict == "assumption fails") == verdict.rejected
        assert of_d.assumptions[1].holds, "lowest"


def test_kernels_are_matrices_of_their_windows():
    kernel = np.arange(24.0).reshape(2, 3, 2, 2)
    assert np.array_equal(matrix_of(kernel), kernel.reshape(2, 12))


def test_weights_that_depend_on_each_other_are_found_out():
    random = np.random.default_rng(1)
    free = random.normal(size=(20, 30))
    bound = np.outer(random.normal(size=20), random.normal(size=30))
    verdicts = [independence(one, random, 99) for one in (free, bound)]
    assert random_signs(verdicts[:1]).holds is None, "what is not rejected is not proven"
    both = random_signs(verdicts)
    assert both.holds is False
    assert "rejected for 1 of 2 layers" in both.reason
    assert "99 shuffles (p = 0.01)" in both.reason


def test_shuffles_are_of_the_seed_and_kept_by_name(pair, settings):
    names = []

    def kept(name, make):
        names.append(name)
        return make()

    first, second = (independences(pair, settings, kept) for _ in range(2))
    assert first == second
    assert [name[1] for name in names] == ["fc4.weight", "fc5.weight"] * 2
    assert all(name[2:] == (19, 0) for name in names)
