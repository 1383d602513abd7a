"""What differs, which layer is last, and on what the loss is measured."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from measured_pairs import measured, measured_on, two_layers
from torch import nn

from apcli.stages.bounds.ap3.setting import Setting

IMAGES, LABELS = torch.randn(40, 6, generator=torch.Generator().manual_seed(1)).double(), torch.arange(40) % 3
DENSE = two_layers()
A, B = (layer.weight.detach() for layer in (DENSE.a, DENSE.b))


def setting_of(folder, dense, pruned, **options):
    return Setting(measured_on(folder, (dense, pruned), IMAGES, LABELS, **options))


def risk(network):
    with torch.no_grad():
        return nn.functional.cross_entropy(network(IMAGES), LABELS).item()


def test_last_layer_alone(tmp_path):
    pruned = two_layers(b_weight=B / 2, b_bias=DENSE.b.bias.detach() + 0.1)
    setting = setting_of(tmp_path, DENSE, pruned)
    assert [w.layer.name for w in setting.differing] == ["b"]
    assert setting.last.layer.name == "b"
    assert setting.alone is setting.head is not None
    assert setting.others("b.weight") == ("b.bias",)
    assert setting.uncounted == ()
    assert setting.change == pytest.approx(risk(pruned) - risk(DENSE), rel=1e-12)
    assert setting.pd == abs(setting.change)
    assert list(setting.weights.changes) == ["weight"]
    assert list(setting.everything.changes) == ["weight", "bias"]
    assert setting.weights is setting.last_weight
    assert setting.rounding < 1e-13
    weights = {w.layer.name: w for w in setting.pair.weights}
    assert setting.slope_to([weights["b"]]) == setting.weights.slope != 0
    elsewhere = replace(weights["a"], pruned=weights["a"].dense + 1)
    assert setting.slope_to([weights["b"], elsewhere]) == setting.weights.slope, "as of an epoch before a came back"


def test_several_layers(tmp_path):
    setting = setting_of(tmp_path, DENSE, two_layers(a_weight=A / 2, b_weight=B / 2))
    assert setting.alone is None
    assert setting.head is not None
    assert list(setting.weights.changes) == ["a.weight", "b.weight"]
    assert setting.everything is setting.weights
    assert list(setting.last_weight.changes) == ["weight"]
    assert setting.others("b.weight") == ("a.weight",)
    assert setting.uncounted == ()
    assert setting.rounding > 1e-7
    names = {w.layer.name: w for w in setting.differing}
    gradient = torch.autograd.grad(nn.functional.cross_entropy(DENSE(IMAGES), LABELS), DENSE.a.weight)[0]
    assert setting.slope_to([names["a"]]) == pytest.approx(-(gradient * A).sum().item() / 2, rel=1e-10)


def test_what_is_not_compared_is_not_counted(tmp_path):
    pruned = two_layers(a_weight=0 * A, b_bias=DENSE.b.bias.detach() + 1)
    setting = setting_of(tmp_path, DENSE, pruned, layers="b")
    assert setting.differing == ()
    assert setting.alone is None
    assert set(setting.uncounted) == {"a.weight", "b.bias"}
    assert setting.are_one_dimensional(setting.uncounted)
    assert not setting.are_one_dimensional(["a.weight"])
    assert list(setting.weights.changes) == ["b.weight"]


def test_a_last_layer_that_is_not_compared_has_no_risk(tmp_path):
    setting = setting_of(tmp_path, DENSE, two_layers(a_weight=A / 2), layers="a")
    assert setting.last is setting.head is setting.last_weight is None


def test_a_last_layer_that_is_not_linear_is_measured_on_the_network(tmp_path):
    networks = [nn.Sequential(*network.children(), nn.Softsign()) for network in (DENSE, two_layers(b_weight=B / 2))]
    setting = setting_of(tmp_path, *networks)
    assert setting.last is not None
    assert setting.head is None
    assert list(setting.last_weight.changes) == ["2.weight"]


@pytest.mark.parametrize("layer", ["a", "b"])
def test_the_dense_network_with_other_weights(tmp_path, layer):
    after = {"a_weight": A / 2} if layer == "a" else {"b_weight": B / 2}
    setting = setting_of(tmp_path, DENSE, two_layers(**after))
    kept = DENSE.a.weight.clone()
    found = setting.outputs_with(setting.pair.weights, "pruned")
    assert found.logits == pytest.approx(two_layers(**after)(IMAGES).detach().numpy(), abs=1e-14)
    assert torch.equal(DENSE.a.weight, kept)


@pytest.mark.filterwarnings("ignore:.*weight_norm. is deprecated")
def test_a_network_that_keeps_a_computed_weight_is_run_with_other_weights(tmp_path):
    """As the old weight norm does: a plain copy refuses such networks."""
    networks = [two_layers(), two_layers(a_bias=DENSE.a.bias.detach() + 1, b_weight=B / 2)]
    for network in networks:
        network.a = nn.utils.weight_norm(network.a)
    setting = setting_of(tmp_path, *networks, layers="b")
    assert setting.alone is None
    networks[0](IMAGES)
    found = setting.outputs_with(setting.pair.weights, "pruned")
    assert found.logits == pytest.approx(two_layers(b_weight=B / 2)(IMAGES).detach().numpy(), abs=1e-14)


def test_of_files_with_a_lineage(dense, pruned):
    setting = Setting(measured(dense, pruned, images=50))
    assert setting.last.layer.name == "fc5"
    assert setting.alone is None
    assert setting.change == setting.network.pruned_outputs.loss - setting.network.dense_outputs.loss
    assert list(setting.weights.changes) == ["fc4.weight", "fc5.weight"]
    assert np.isfinite(setting.weights.slope)
