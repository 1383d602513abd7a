"""The loss around a dense network, against the matrices of its last layer."""

import numpy as np
import pytest
import torch
from measured_pairs import measured
from torch import nn

from apcli.probes.outputs import outputs_of
from apcli.stages.bounds.limit.theory import trained_of
from apcli.stages.limits.landscape import Landscape, Trained


@pytest.mark.parametrize("kind", ["gauss-newton", "hessian"])
def test_the_curvature_and_the_gradient_are_the_last_layers(subject, oracle, kind):
    landscape = Landscape(subject, kind)
    assert landscape.trained == pytest.approx(oracle.weights)
    assert landscape.gradient == pytest.approx(oracle.gradient, abs=1e-6)
    for seed in range(3):
        vector = np.random.default_rng(seed).normal(size=landscape.trained.size)
        assert landscape.product(vector) == pytest.approx(oracle.hessian @ vector, abs=1e-5)


def test_the_loss_is_that_of_the_network_at_a_point(subject, oracle):
    landscape = Landscape(subject, "gauss-newton")
    assert landscape.loss == pytest.approx(oracle.loss(oracle.weights), rel=1e-6)
    assert landscape.rise(landscape.trained) == 0
    for scale in (0.01, 0.3):
        point = landscape.trained + scale * np.random.default_rng(0).normal(size=landscape.trained.size)
        assert landscape.rise(point) == pytest.approx(oracle.loss(point) - landscape.loss, rel=1e-4, abs=1e-6)
    assert landscape.rise(landscape.trained) == 0, "the network is as it was"


def test_biases_are_never_removed(subject):
    landscape = Landscape(subject, "gauss-newton")
    weights, biases = landscape.removable, 10
    assert (landscape.order.size, landscape.order.fixed, landscape.lost) == (weights + biases, biases, 0)
    assert landscape.biases == ["fc5.bias"]
    assert not landscape.removed(0)[-biases:].any()
    assert np.array_equal(landscape.removed(0)[:-biases], landscape.trained[:-biases])
    assert np.count_nonzero(landscape.removed(7)) == weights - 7


def test_within_the_mask_of_a_pruned_file_what_is_lost_stays_so(pruned):
    landscape = Landscape(trained_of(measured(pruned, pruned, layers="fc5", images=20)), "gauss-newton")
    assert landscape.lost == landscape.removable // 2 == len(landscape.order.order)
    assert landscape.trained.all()
    vector = np.ones(landscape.trained.size)
    assert landscape.product(vector).shape == vector.shape
    assert landscape.rise(landscape.trained) == 0
    assert np.array_equal(landscape.point(landscape.tensors(landscape.trained)), landscape.trained)
    assert landscape.rise(np.zeros_like(vector)) == pytest.approx(np.log(10) - landscape.loss, abs=0.5)


@pytest.mark.filterwarnings("ignore:.*weight_norm. is deprecated")
def test_a_network_that_keeps_a_computed_weight_is_run_at_other_points():
    """The old weight norm leaves the weight of the last product behind, which a plain copy refuses."""
    torch.manual_seed(0)
    network = nn.Sequential(nn.utils.weight_norm(nn.Linear(4, 3))).double().eval()
    images, labels = torch.randn(20, 4).double(), torch.arange(20) % 3

    def batches():
        return iter([(images, labels)])

    outputs = outputs_of(network, batches, "net")
    run = lambda other, label: outputs_of(other, batches, label)  # noqa: E731
    landscape = Landscape(Trained(network, "net", ("0.weight_v",), (), batches, run, outputs), "hessian")
    landscape.product(np.ones(landscape.trained.size))
    assert landscape.rise(landscape.trained) == 0
    point = landscape.trained.copy()
    point[:2] = 0
    kept = {name: torch.as_tensor(each) for name, each in landscape.tensors(point).items()}
    with torch.no_grad():
        logits = torch.func.functional_call(network, kept, (images,))
    assert landscape.rise(point) == pytest.approx(nn.functional.cross_entropy(logits, labels).item() - landscape.loss)
