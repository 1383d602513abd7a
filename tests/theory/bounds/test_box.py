"""Bounds over a box of inputs: reference values, and functions sampled on random boxes."""

import math

import numpy as np
import pytest

from apcli.theory.bounds.box import affine

SLOPES = 0.1 * np.sin(np.arange(1, 51))


@pytest.mark.parametrize(("delta", "bernstein"), [(0.05, 0.081509858903557), (0.001, 0.1330092078861)])
def test_reference_values(delta, bernstein):
    found = affine(SLOPES, 0.1, delta=delta)
    assert found.worst == pytest.approx(0.31859917843608, rel=1e-13)
    assert found.bernstein == pytest.approx(bernstein, rel=1e-13)
    assert found.least == found.bernstein
    assert affine(SLOPES, 0.1, delta=0.001).hoeffding == pytest.approx(0.18627567461252, rel=1e-13)
    assert np.sum((SLOPES * 0.1) ** 2) / 3 == pytest.approx(0.00083719012305693, rel=1e-12)
    assert np.abs(SLOPES * 0.1).max() == pytest.approx(0.0099999020655, rel=1e-10)


@pytest.mark.parametrize(("law", "variance"), [("uniform", 1 / 3), ("signs", 1.0), ("rare", 0.1)])
def test_every_bound_bounds_on_sampled_boxes(law, variance):
    """The worst case always; the others but for a share delta of the points."""
    rng = np.random.default_rng(8)
    for _ in range(1000):
        inputs, delta = int(rng.integers(1, 20)), float(10 ** rng.uniform(-2, -0.1))
        slopes, centre = rng.normal(size=(2, inputs))
        radius, constant = rng.exponential(size=inputs), float(rng.normal())
        u = rng.uniform(-1, 1, (500, inputs)) if law == "uniform" else rng.choice([-1.0, 1.0], (500, inputs))
        u = u * (rng.random(u.shape) < 0.1) if law == "rare" else u
        values = constant + (centre + radius * u) @ slopes
        found = affine(slopes, radius, delta=delta, constant=constant, centre=centre, variance=variance)
        assert values.max() <= found.worst + 1e-12
        for bound in (found.bernstein, found.hoeffding, found.least):
            assert np.mean(values > bound + 1e-12) <= delta


def test_which_is_least():
    assert affine(np.ones(1), 1.0, delta=0.01).least == 1  # one input: the worst case
    many = affine(np.ones(100), 1.0, delta=0.05, variance=1.0)
    assert many.least == many.hoeffding < many.bernstein
    corner = affine(np.array([2.0, -1.0]), np.array([0.5, 3.0]), delta=0.5, constant=7, centre=np.array([1.0, 1.0]))
    assert corner.worst == 7 + 2 - 1 + 1 + 3
    assert affine(np.zeros(0), 1.0, delta=0.5, constant=2.0).least == 2


def test_delta_is_a_probability():
    for delta in (0.0, 1.0, math.nan):
        with pytest.raises(ValueError, match="expected a number in"):
            affine(SLOPES, 0.1, delta=delta)
