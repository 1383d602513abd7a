"""The last layer as a network of its own: when there is one, and that it computes what the network does."""

import numpy as np
import pytest
import torch
from measured_pairs import linear, measured, measured_on, two_layers
from torch import nn

from apcli.stages.bounds.ap3.head import head_of, is_all

IMAGES, LABELS = torch.randn(40, 6, generator=torch.Generator().manual_seed(1)).double(), torch.arange(40) % 3


def head(folder, dense, pruned, tensor="b.weight"):
    network = measured_on(folder, (dense, pruned), IMAGES, LABELS).on_data
    return head_of(network, tensor), network


def test_activations_and_logits_are_the_networks(tmp_path):
    dense = two_layers()
    pruned = two_layers(b_weight=dense.b.weight.detach() * torch.tensor([1.0, 0, 0, 1, 1]))
    found, network = head(tmp_path, dense, pruned)
    with torch.no_grad():
        h = dense.a(IMAGES).relu()
        assert torch.equal(found.h, h)
        assert found.outputs(*found.dense).logits == pytest.approx(dense(IMAGES).numpy(), abs=1e-14)
        assert found.outputs(*found.pruned).logits == pytest.approx(pruned(IMAGES).numpy(), abs=1e-14)
        assert torch.equal(found.module(h), dense(IMAGES))
        change = (pruned.b.weight - dense.b.weight).double()
        assert found.moved == pytest.approx((h @ change.T).norm(dim=1).numpy())
    assert list(found.changes) == ["weight"]
    moments = np.linalg.eigvalsh((h.T @ h / 40).numpy())
    assert found.largest_moment == pytest.approx(moments[-1])
    assert is_all(found, network)


def test_a_bias_that_differs_is_one_more_input(tmp_path):
    dense = two_layers()
    pruned = two_layers(b_bias=dense.b.bias.detach() + 1)
    found, network = head(tmp_path, dense, pruned)
    assert found.bias == "b.bias"
    assert list(found.changes) == ["weight", "bias"]
    assert found.activations.shape == (40, 6)
    assert found.moved == pytest.approx(np.full(40, np.sqrt(3.0)))
    assert is_all(found, network)


def test_fewer_images_than_inputs_give_the_same_moment(tmp_path):
    draw = np.random.default_rng(0)
    weight = draw.normal(size=(3, 6))
    pair = measured_on(tmp_path, (linear(weight), linear(0 * weight)), IMAGES[:4], LABELS[:4])
    found = head_of(pair.on_data, "fc.weight")
    assert found.largest_moment == pytest.approx(np.linalg.eigvalsh((IMAGES[:4].T @ IMAGES[:4] / 4).numpy())[-1])


def test_what_is_no_linear_last_layer_has_no_head(tmp_path):
    dense = two_layers()
    assert head(tmp_path, dense, dense, "a.weight")[0] is None, "logits are not its outputs"
    assert head(tmp_path, dense, dense, "a.bias")[0] is None
    scaled = nn.Sequential(*two_layers().children(), nn.Hardtanh(-0.1, 0.1))
    assert head(tmp_path, scaled, scaled, "2.weight")[0] is None, "something follows it"

    class Standardised(nn.Linear):
        def forward(self, h):
            return nn.functional.linear(h, self.weight / 2)

    other = nn.Sequential(Standardised(6, 3)).double()
    assert head(tmp_path, other, other, "0.weight")[0] is None, "it computes something else"


def test_changed_activations_are_seen(tmp_path):
    dense = two_layers()
    found, network = head(tmp_path, dense, two_layers(a_weight=0 * dense.a.weight.detach()))
    assert not is_all(found, network)


def test_of_a_network_in_single_precision(dense, pruned):
    network = measured(dense, pruned, images=50).on_data
    found = head_of(network, "fc5.weight")
    assert found.h.dtype == torch.float64
    assert found.outputs(*found.dense).logits == pytest.approx(network.dense_outputs.logits, abs=1e-4)
    assert not is_all(found, network), "fc4 differs too"
