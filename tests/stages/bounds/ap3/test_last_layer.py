"""Certificates of a last layer that alone differs: reference values, and no violation in random prunings."""

import numpy as np
import pytest
import torch
from measured_pairs import by_statement, linear, measured_on, two_layers
from oracles import REFERENCE, REFERENCE_WEIGHTS, smallest_removed, softmax_regressions

from apcli.stages.bounds.ap3.last_layer import statements
from apcli.stages.bounds.ap3.setting import Setting


def stated(folder, dense, pruned, images, labels, layers=None):
    return list(statements(Setting(measured_on(folder, (dense, pruned), images, labels, layers=layers))))


@pytest.mark.parametrize(
    ("removed", "change", "lower", "upper", "crude", "size", "certified"),
    [
        (2, -0.037708036128313, -0.039736998904165, -0.031181444888672, -0.020377397131686, 0.25662901123482, 1 / 12),
        (4, -0.040971735385814, -0.050168813312971, -0.022958848198499, 0.026757005272738, 0.46014629746332, 1 / 12),
        (8, -0.14225677118741, -0.29803407710284, 0.061667206301712, 0.19689276884514, 1.6926546324906, 7 / 12),
    ],
)
def test_reference_values(tmp_path, removed, change, lower, upper, crude, size, certified):
    networks = linear(REFERENCE_WEIGHTS), linear(smallest_removed(removed))
    found = by_statement(stated(tmp_path, *networks, torch.as_tensor(REFERENCE.h), torch.as_tensor(REFERENCE.y)), "fc")
    values = {
        "loss from below": lower, "loss from above": upper, "loss from above by moments": crude,
        "loss by a Lipschitz constant": size, "loss, tightest": min(size, max(upper, -lower)),
        "corollary 2, last layer": abs(lower) + crude - lower, "accuracy by margins": certified,
    }  # fmt: skip
    assert {name: bound.value for name, bound in found.items()} == pytest.approx(values, rel=1e-10)
    assert found["loss from above"].measured == pytest.approx(change, rel=1e-10)
    assert found["loss, tightest"].measured == pytest.approx(abs(change), rel=1e-10)
    assert {bound.standing for bound in found.values()} == {"proven"}
    assert {bound.verdict for bound in found.values()} == {"holds"}


@pytest.mark.slow
def test_every_bound_bounds(tmp_path):
    """Random softmax regressions and prunings of them, small and large, with and without a bias."""
    draw = np.random.default_rng(7)
    for tried, (problem, weights, change) in enumerate(softmax_regressions(250, seed=3)):
        biases = (draw.normal(size=3), draw.normal(size=3)) if tried % 3 == 0 else (None, None)
        networks = [linear(w, b) for w, b in zip((weights, weights + change), biases, strict=True)]
        images = torch.as_tensor(problem.h), torch.as_tensor(problem.y)
        found = stated(tmp_path, *networks, *images, layers="fc")  # also of a single input
        assert len(found) == 7
        assert all(one.bound.holds for one in found), (tried, found)
        assert {one.bound.verdict for one in found} <= {"holds", "vacuous"}
        assert {one.bound.quantity for one in found if one.bound.verdict == "vacuous"} <= {"PD (accuracy)"}


def test_a_certificate_is_not_given_where_another_layer_differs(tmp_path):
    images, labels = torch.randn(20, 6).double(), torch.arange(20) % 3
    dense = two_layers()
    a, b = dense.a.weight.detach(), dense.b.weight.detach()
    assert stated(tmp_path, dense, two_layers(a_weight=a / 2, b_weight=b / 2), images, labels) == []
    assert len(stated(tmp_path, dense, two_layers(b_weight=b / 2), images, labels)) == 7
