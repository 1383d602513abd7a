"""Lemma 3 and Corollary 3 between two layers: values by their formulas, and W3 by name."""

import math

import numpy as np
import pytest
from measured_pairs import latents_of, measured
from safetensors.numpy import save_file

from apcli.stages.bounds.ap3.neighbours import statements


@pytest.fixture
def stated(tmp_path):
    def of(*squares, scale=1.0):
        """The statements about layers ``a``, ``b``, ... of 2 x 3 weights that differ by these squared lengths."""
        for name, factor in (("dense", 1.0), ("pruned", 0.0)):
            tensors = {}
            for layer, square in zip("abc", squares, strict=False):
                tensors[f"{layer}.weight"] = np.zeros((2, 3))
                tensors[f"{layer}.weight"][0, 0] = factor * math.sqrt(square)
            save_file(tensors, tmp_path / f"{name}.safetensors")
        pair = measured(tmp_path / "dense.safetensors", tmp_path / "pruned.safetensors")
        return {(one.layer, one.bound.statement): one.bound for one in statements(pair, latents_of(pair, scale))}

    return of


def test_values(stated):
    """Of AP2 0.5 and 1: AP3 is 0.25 and 0.5 nats, R is 2, C is 24 and K is e - 1."""
    found = stated(0.5, 1.0)
    lemma, corollary = found["b", "lemma 3"], found["b", "corollary 3"]
    t = math.sqrt(0.25 / 2)
    follows = 24 * t / (1 - t)
    assert lemma.measured == corollary.measured == pytest.approx(0.5)
    assert lemma.value == pytest.approx(math.log1p((math.e - 1) * 2 * follows))
    assert corollary.value == pytest.approx(0.5)
    constants = {one.name: one.value for one in lemma.constants}
    assert constants["AP3 of a"] == pytest.approx(0.25)
    assert constants["R"] == pytest.approx(2)
    assert constants["K"] == pytest.approx(math.e - 1)
    needed = constants["K that is needed"]
    assert math.log1p(needed * 2 * follows) == pytest.approx(0.5)
    assert {one.standing for one in found.values()} == {"diagnostic"}


def test_w3_the_next_layer_is_pruned_freely(stated):
    """The first layer stays, so that both statements claim AP3 = 0 for the second, whose AP3 is 8 nats."""
    found = stated(0.0, 16.0)
    for bound in found.values():
        assert bound.value == 0 < bound.measured == 8
        assert (bound.holds, bound.verdict) == (False, "assumption fails")
        assert "W3" in bound.assumptions[0].reason
    assert {one.name: one.value for one in found["b", "lemma 3"].constants}["R"] is None


def test_no_diagnostic_is_printed_as_holding(stated):
    assert {bound.verdict for bound in stated(0.5, 1.0, 2.0).values()} == {"assumption fails"}


def test_large_and_no_differences(stated):
    found = stated(0.5, 5000.0, 0.0)
    assert found["b", "lemma 3"].value is None, "chi2 is beyond floats"
    assert found["c", "lemma 3"].value == 0 == found["c", "lemma 3"].measured
    assert {layer for layer, _ in found} == {"b", "c"}
    assert stated(1.0) == {}
