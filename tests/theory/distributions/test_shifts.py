"""What two elliptical laws differ by: joined layers, turned round, of one scale."""

import math

import numpy as np
import pytest
from oracles import shift_of
from scipy.linalg import block_diag

from apcli.theory.distributions.shifts import Shift

DRAW = np.random.default_rng(5)


def scale(dim: int) -> np.ndarray:
    root = DRAW.normal(size=(dim, dim + 2))
    return root @ root.T


@pytest.fixture(scope="module")
def layers():
    return [(DRAW.normal(size=dim), scale(dim), scale(dim)) for dim in (2, 1, 4)]


def same(found: Shift, expected: Shift) -> None:
    """Up to the order of the eigenvalues."""
    mine, other = np.argsort(found.log_eigenvalues), np.argsort(expected.log_eigenvalues)
    for name in ("log_eigenvalues", "multiplicity", "distance"):
        assert getattr(found, name)[mine] == pytest.approx(getattr(expected, name)[other], rel=1e-9, abs=1e-12)
    for name in ("length", "traces", "bures2", "delta", "dim"):
        assert getattr(found, name) == pytest.approx(getattr(expected, name), rel=1e-9)


def test_pooled_layers_are_the_block_diagonal_law(layers):
    found = Shift.pooled([shift_of(*layer) for layer in layers])
    difference, first, second = zip(*layers, strict=True)
    same(found, shift_of(np.concatenate(difference), block_diag(*first), block_diag(*second)))


def test_reversed_is_the_other_law_first(layers):
    for difference, first, second in layers:
        shift = shift_of(difference, first, second)
        same(shift.reversed(), shift_of(difference, second, first))
        same(shift.reversed().reversed(), shift)


def test_one_layer_pooled_is_itself(layers):
    shift = shift_of(*layers[0])
    assert Shift.pooled([shift]) is shift


def test_of_one_scale_is_the_identity_unless_more_is_said():
    found = Shift.of_one_scale(5.0, 2)
    same(found, Shift(np.zeros(1), np.array([2]), np.array([5.0]), 5.0, (2.0, 2.0), 0.0))
    assert found.one_scale
    assert found.reversed().one_scale
    assert found.reversed().delta == 5.0
    narrow = Shift.of_one_scale(5.0, 2, length=1.0, trace=0.08)
    assert (narrow.length, narrow.traces, narrow.bures2) == (1.0, (0.08, 0.08), 0.0)
    unknown = Shift.of_one_scale(5.0, 2, known=False)
    assert unknown.traces is unknown.bures2 is None
    assert unknown.reversed().traces is None


def test_pooled_layers_of_one_scale_stay_of_one_scale():
    parts = [Shift.of_one_scale(3.0, 10, trace=1.0), Shift.of_one_scale(4.0, 5, trace=2.0)]
    found = Shift.pooled(parts)
    same(found, Shift(np.zeros(1), np.array([15]), np.array([5.0]), 5.0, (3.0, 3.0), 0.0))
    assert found.one_scale
    assert len(found.log_eigenvalues) == 1


def test_a_layer_of_unknown_scale_leaves_the_whole_unknown():
    found = Shift.pooled([Shift.of_one_scale(1.0, 2), Shift.of_one_scale(2.0, 3, known=False)])
    assert found.traces is found.bures2 is None
    assert found.delta == pytest.approx(math.sqrt(5), rel=1e-15)


def test_distances_that_squared_overflow():
    assert Shift.pooled([Shift.of_one_scale(3e200, 1), Shift.of_one_scale(4e200, 1)]).delta == pytest.approx(5e200)
    assert Shift(np.zeros(2), np.ones(2, dtype=int), np.array([3e-200, 4e-200]), 1.0).delta == pytest.approx(5e-200)
