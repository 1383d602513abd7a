"""Slope and curvature along a line, against the definitions on a softmax regression and a convolutional network."""

import numpy as np
import pytest
import torch
from measured_pairs import linear
from oracles import softmax_regressions
from short_trainings import quiet

from apcli.stages.bounds.ap3.risk import EXACT, NETWORK, POINTS, Risk
from apcli.theory.numerics.lanczos import Extremes


def risk_of(problem, weights, change, precision=EXACT):
    batch = torch.as_tensor(problem.h), torch.as_tensor(problem.y)
    return Risk(linear(weights), {"fc.weight": change}, lambda: iter([batch]), precision, 0, quiet)


def test_terms_of_the_taylor_series_are_those_of_the_definitions():
    for problem, weights, change in softmax_regressions(10):
        risk = risk_of(problem, weights, change)
        gradient, hessian = problem.gradient(weights), problem.hessian(weights)
        assert risk.slope == pytest.approx((gradient * change).sum(), rel=1e-9, abs=1e-14)
        assert risk.slopes == {"fc.weight": risk.slope}
        assert risk.lengths["fc.weight"] == pytest.approx(np.linalg.norm(gradient), rel=1e-9, abs=1e-14)
        assert risk.second_order == pytest.approx(change.ravel() @ hessian @ change.ravel() / 2, rel=1e-9, abs=1e-14)
        assert risk.squared_length == pytest.approx((change**2).sum())
        assert risk.slope_to({"fc.weight": 2 * change}) == pytest.approx(2 * risk.slope)


def test_curvature_is_that_of_points_from_the_dense_to_the_pruned_weights():
    for problem, weights, change in softmax_regressions(10):
        risk = risk_of(problem, weights, change)
        shares = np.linspace(0, 1, POINTS)
        expected = [np.linalg.eigvalsh(problem.hessian(weights + share * change))[-1] for share in shares]
        assert [found.norm for found in risk.along] == pytest.approx(expected, rel=1e-6, abs=1e-12)
        assert risk.extremes is risk.along[0]
        assert risk.largest_curvature == pytest.approx(max(expected), rel=1e-5, abs=1e-12)


def test_without_a_change_the_curvature_is_measured_once():
    problem, weights, change = next(softmax_regressions(1))
    assert len(risk_of(problem, weights, 0 * change).along) == 1


def test_what_depends_on_the_dense_weights_alone_is_found_out_once_for_two_changes():
    problem, weights, change = next(softmax_regressions(1))
    kept: dict = {}
    asked = []

    def once(what, make):
        asked.append(what)
        if what not in kept:
            kept[what] = make()
        return kept[what]

    batch = torch.as_tensor(problem.h), torch.as_tensor(problem.y)
    one, other = (
        Risk(linear(weights), {"fc.weight": factor * change}, lambda: iter([batch]), EXACT, 0, quiet, once)
        for factor in (1, 3)
    )
    assert other.slope == pytest.approx(3 * one.slope)
    assert other.extremes is one.extremes
    assert other.along[1] != one.along[1], "only the dense end is the same"
    assert len(kept) == 2 < len(asked)


def test_less_precision_has_a_larger_error_and_fewer_products():
    problem, weights, change = next(softmax_regressions(1, seed=5))
    exact, rough = (risk_of(problem, weights, change, how).extremes for how in (EXACT, NETWORK))
    assert rough.norm_error <= 1e-2 * rough.norm
    assert exact.norm_error <= 1e-6 * exact.norm
    assert rough.steps <= exact.steps


def test_the_error_is_that_of_the_larger_absolute_value():
    assert Extremes(-3.0, 0.1, 2.0, 0.2, 5).norm_error == 0.1
    assert Extremes(-1.0, 0.1, 2.0, 0.2, 5).norm_error == 0.2


def test_the_network_is_left_as_it_is():
    problem, weights, change = next(softmax_regressions(1))
    batch = torch.as_tensor(problem.h), torch.as_tensor(problem.y)
    network = linear(weights)
    risk = Risk(network, {"fc.weight": change}, lambda: iter([batch]), EXACT, 0, quiet)
    assert risk.largest_curvature >= 0
    assert np.array_equal(network.fc.weight.detach().numpy(), weights)
