"""Theorem C at the file's counts: random masks are within it."""

import numpy as np
import pytest
import torch
from measured_pairs import by_statement

from apcli.stages.bounds.probabilistic.random_masks import statements
from apcli.stages.bounds.probabilistic.simulation import bounded, drawn
from apcli.theory.closeness.random_masks import Entries, exactly


def test_the_statements(found):
    every = list(statements(found))
    for weights in found.pair.weights:
        bound = by_statement(every, weights.layer.name)["theorem C"]
        removal = exactly(Entries.of(weights.dense), weights.dense.size // 2, 0.025)
        assert bound.value == pytest.approx(removal.removed, rel=1e-9)
        constants = {one.name: one.value for one in bound.constants}
        assert (constants["k"], constants["p"], constants["delta"]) == (weights.dense.size // 2, 0.5, 0.025)
        assert constants["T"] == pytest.approx(removal.tail, rel=1e-9)
        assert constants["s"] == pytest.approx(np.linalg.norm(weights.dense, 2), rel=1e-9)
    whole = by_statement(every)["theorem C"]
    assert whole.trivial == found.longest_output
    assert whole.quantity.endswith("random masks")


def test_random_masks_are_within_it(found):
    every = list(statements(found))
    whole = by_statement(every)["theorem C"].value
    layers = {
        weights.layer.tensor: by_statement(every, weights.layer.name)["theorem C"].value
        for weights in found.pair.weights
    }
    generator = np.random.default_rng(1)
    tensors = {weights.layer.tensor: torch.tensor(weights.dense) for weights in found.pair.weights}
    for _ in range(50):
        masks = drawn(tensors, found.counts, generator)
        assert bounded(found, masks).difference <= whole
        for tensor, mask in masks.items():
            assert np.linalg.norm(tensors[tensor].numpy() * mask, 2) <= layers[tensor]
