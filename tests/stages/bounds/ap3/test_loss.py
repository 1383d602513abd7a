"""PD by AP3: values by their formulas, R1 on whole networks, and W2, W4 and W5 by name."""

import numpy as np
import pytest
import torch
from measured_pairs import by_statement, latents_of, linear, measured, measured_on, two_layers
from oracles import REFERENCE, REFERENCE_WEIGHTS, smallest_removed

from apcli.stages.bounds.ap3.loss import statements
from apcli.stages.bounds.ap3.setting import Setting
from apcli.theory.bounds import inversions

IMAGES, LABELS = torch.randn(60, 6, generator=torch.Generator().manual_seed(1)).double(), torch.arange(60) % 3


def stated(folder, dense, pruned, images=IMAGES, labels=LABELS, **options):
    pair = measured_on(folder, (dense, pruned), images, labels, **options)
    return list(statements(Setting(pair), latents_of(pair)))


def on_reference(folder, pruned):
    problem = torch.as_tensor(REFERENCE.h), torch.as_tensor(REFERENCE.y)
    return by_statement(stated(folder, linear(REFERENCE_WEIGHTS), linear(pruned), *problem), "fc")


def assumption(bound, start):
    (found,) = [one for one in bound.assumptions if one.name.startswith(start)]
    return found


def test_reference_problem(tmp_path):
    found = on_reference(tmp_path, smallest_removed(4))
    square, curvature = 0.2710804610881, 0.2701234616069
    t = np.sqrt(square / 4)
    assert found["lemma 2"].measured == pytest.approx(0.040971735385814, rel=1e-10)
    assert found["lemma 2"].value == pytest.approx(curvature / 2 * 48 * t / (1 - t), rel=1e-6)
    assert found["theorem 1"].value == found["lemma 2"].value
    assert found["corollary 2"].value == pytest.approx(curvature * square / 2, rel=1e-6)
    assert found["corollary 2"].value == pytest.approx(0.036612596261556, rel=1e-6)
    constants = {one.name: one for one in found["lemma 2"].constants}
    assert constants["lambda_max(H)"].value == pytest.approx(curvature, rel=1e-6)
    assert constants["lambda_max(H)"].error < 1e-6
    assert constants["gradient term"].value == pytest.approx(-0.050168813312971, rel=1e-10)
    assert {bound.standing for bound in found.values()} == {"published"}


def test_w5_without_the_gradient_term_corollary_2_is_broken(tmp_path):
    """Its value 0.0366 is below the measured 0.0410, and the tool says which assumption fails."""
    found = on_reference(tmp_path, smallest_removed(4))["corollary 2"]
    assert found.holds is False
    assert found.verdict == "assumption fails"
    gradient = assumption(found, "the gradient's term")
    assert gradient.holds is False
    assert "W5" in gradient.reason
    assert assumption(found, "only").holds


def test_w2_a_layer_that_stays_says_nothing_of_the_others(tmp_path):
    """The first layer is identical and the output layer is 0: Theorem 1 for the first layer claims PD = 0."""
    dense = two_layers()
    pruned = two_layers(b_weight=0 * dense.b.weight.detach())
    found = by_statement(stated(tmp_path, dense, pruned), "a")["theorem 1"]
    assert found.value == 0 < found.measured
    assert (found.holds, found.verdict) == (False, "assumption fails")
    only = assumption(found, "only")
    assert only.holds is False
    assert "beside a b.weight differs too (W2" in only.reason
    assert assumption(found, "the gradient's term").reason == "it is 0", "not that of the layer that differs"


def test_w4_layers_before_the_last_one_may_differ(tmp_path):
    """The last layer is identical and the first one 0: Lemma 2 claims PD = 0."""
    dense = two_layers()
    found = by_statement(stated(tmp_path, dense, two_layers(a_weight=0 * dense.a.weight.detach())), "b")
    for name in ("lemma 2", "corollary 2"):
        assert found[name].value == 0 < found[name].measured
        assert found[name].verdict == "assumption fails"
        assert "beside b a.weight differs too (W4" in assumption(found[name], "only").reason


def test_all_layers_that_differ_are_in_the_sum(tmp_path):
    dense = two_layers()
    a, b = dense.a.weight.detach(), dense.b.weight.detach()
    bound = by_statement(stated(tmp_path, dense, two_layers(a_weight=0.9 * a, b_weight=0.8 * b)))[
        "corollary 2, all layers"
    ]
    constants = {one.name: one.value for one in bound.constants}
    square = float((0.01 * a**2).sum() + (0.04 * b**2).sum())
    assert constants["AP2"] == pytest.approx(square)
    assert bound.value == pytest.approx(abs(constants["gradient term"]) + constants["Lambda"] / 2 * square, rel=0.02)
    assert (bound.standing, bound.verdict) == ("estimate", "not contradicted")
    assert assumption(bound, "Lambda").holds is None


@pytest.mark.slow
def test_the_estimate_bounds_random_changes(tmp_path):
    draw = np.random.default_rng(2)
    for seed in range(12):
        dense = two_layers(seed)
        factors = [torch.as_tensor(draw.random(size) < draw.uniform(0.3, 1)) for size in ((5, 6), (3, 5))]
        weights = {f"{n}_weight": getattr(dense, n).weight.detach() * f for n, f in zip("ab", factors, strict=True)}
        bound = by_statement(stated(tmp_path, dense, two_layers(seed, **weights)))["corollary 2, all layers"]
        assert bound.verdict == "not contradicted", seed


def test_a_tensor_outside_of_the_sum_is_named(tmp_path):
    dense = two_layers()
    pruned = two_layers(a_weight=0.5 * dense.a.weight.detach(), a_bias=dense.a.bias.detach() + 1)
    bound = by_statement(stated(tmp_path, dense, pruned))["corollary 2, all layers"]
    assert bound.verdict == "assumption fails"
    assert assumption(bound, "nothing else").reason.startswith("a.bias differs too (W14")
    for name in ("only", "the remainder"):
        published = by_statement(stated(tmp_path, dense, pruned), "a")["theorem 1"]
        assert assumption(published, name).holds in (False, None)


def test_equal_networks_break_nothing(tmp_path):
    found = stated(tmp_path, two_layers(), two_layers())
    assert {one.bound.verdict for one in found} == {"holds", "not contradicted"}  # curvature is measured at points
    assert {one.bound.value for one in found} == {0}


def test_of_files(dense, pruned):
    pair = measured(dense, pruned, images=50)
    found = list(statements(Setting(pair), latents_of(pair, 0.5)))
    assert {one.layer for one in found} == {"fc4", "fc5", "*"}
    assert all(one.evaluated == pair.on_data.evaluated for one in found)
    lemma = by_statement(found, "fc5")["lemma 2"]
    constants = {one.name: one.value for one in lemma.constants}
    size = pair.weights[1].dense.size
    kl = 2 * pair.weights[1].ap2
    assert constants["AP3"] == pytest.approx(kl)
    assert lemma.value is None or lemma.value == pytest.approx(
        constants["lambda_max(H)"] / 2 * inversions.corollary_1(kl, size), rel=1e-12
    )
    assert lemma.verdict == "assumption fails"
