"""Theorem 5 beside the exact information."""

import math

import numpy as np
import pytest
from measured_pairs import by_statement

from apcli.checkpoints.layers import Layer
from apcli.stages.bounds.information.weights import statements
from apcli.stages.bounds.measured import Weights


def layers(*pairs):
    made = [(f"l{number}", np.array(dense), np.array(pruned)) for number, (dense, pruned) in enumerate(pairs)]
    return [Weights(Layer(name, f"{name}.weight", a.shape), a.astype(float), b.astype(float)) for name, a, b in made]


def test_the_specified_values():
    stated = list(statements(layers(([[1, 0], [0, 2]], [[1, 0], [0, 0]])), 1.0))
    found = by_statement(stated, "l0")
    assert found["theorem 5, dense"].measured == pytest.approx(1.151292546497023)
    assert found["theorem 5, dense"].value == pytest.approx(2.5)
    assert found["theorem 5, pruned"].measured == pytest.approx(math.log(2) / 2)
    assert {one.bound.standing for one in stated} == {"diagnostic"}
    assert by_statement(stated) == {}, "one layer has no order"
    (dense, _) = statements(layers(([[1, 0], [0, 2]], [[1, 0], [0, 0]])), 10.0)
    assert dense.bound.value == pytest.approx(0.025), "the noise divides the weights"


def test_an_equal_norm_can_hold_more_or_less_information():
    """|W|_F^2 is 8 in one direction, and 6 in three: the order of the two is not that of their information."""
    long, wide = [[math.sqrt(8), 0, 0], [0, 0, 0], [0, 0, 0]], (math.sqrt(2) * np.eye(3)).tolist()
    found = by_statement(statements(layers((long, long), (wide, wide)), 1.0))
    tau = found["theorem 5, order of layers, dense"]
    assert (tau.measured, tau.value, tau.verdict) == (-1, 1, "broken")


def test_convolutions_are_matrices_of_their_patches():
    draw = np.random.default_rng(0)
    weight = draw.normal(size=(4, 2, 3, 3))
    (one, _) = statements(layers((weight, weight)), 0.5)
    matrix = weight.reshape(4, 18) / 0.5
    assert one.bound.measured == pytest.approx(np.linalg.slogdet(np.eye(4) + matrix @ matrix.T)[1] / 2)


def test_information_is_never_above_its_first_order():
    draw = np.random.default_rng(1)
    pairs = [(10 ** draw.uniform(-3, 1) * draw.normal(size=(3, 5)), draw.normal(size=(3, 5))) for _ in range(500)]
    stated = [one.bound for one in statements(layers(*pairs), 1.0) if one.layer != "*"]
    assert len(stated) == 1000
    assert all(bound.holds for bound in stated)
