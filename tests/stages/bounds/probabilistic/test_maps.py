"""Affine maps of layers: what they compute, with the batch norm behind them, and how long that makes a bias."""

import numpy as np
import pytest
import torch
from described_networks import settled
from torch import nn

from apcli.probes.traced.operations import operations
from apcli.stages.bounds.probabilistic.maps import Map, sliding_of
from apcli.stages.bounds.probabilistic.network import steps_of

EXAMPLE = torch.zeros(1, 4, 6, 6)


def maps(network, example=EXAMPLE):
    return [step for step in steps_of(operations(network, example)) if isinstance(step, Map)]


@pytest.mark.parametrize(
    "layers",
    [
        (nn.Conv2d(4, 6, 3, padding=1, groups=2), nn.BatchNorm2d(6)),
        (nn.Conv2d(4, 6, 3, stride=2, bias=False), nn.BatchNorm2d(6, affine=False)),
        (nn.Conv2d(4, 6, (2, 3), padding="same"),),
        (nn.Flatten(), nn.Linear(144, 7), nn.BatchNorm1d(7)),
    ],
)
def test_a_map_computes_what_the_layers_do(layers):
    network = settled(nn.Sequential(*layers), EXAMPLE).double()
    (one,) = maps(network.float())
    found = one.of(network.double())
    images = torch.randn(3, 4, 6, 6).double()
    outputs = one.applied(network, torch.from_numpy(found.kernel), images if one.sliding.window else images.flatten(1))
    bias = torch.from_numpy(found.bias).reshape(-1, *[1] * (outputs.dim() - 2))
    with torch.no_grad():
        assert (outputs + bias).numpy() == pytest.approx(network(images).numpy(), abs=1e-12)
    whole = bias.expand(outputs.shape[1:]).flatten()
    assert one.length(found.bias) == pytest.approx(float(whole.norm()), rel=1e-12)
    assert one.weight.endswith(".weight")


def test_the_norm_is_that_of_the_map():
    network = nn.Sequential(nn.Conv2d(4, 5, 3, stride=2, padding=1, bias=False), nn.BatchNorm2d(5))
    network = settled(network, EXAMPLE)
    (one,) = maps(network)
    kernel = one.of(network).kernel
    basis = torch.eye(144).double().reshape(144, 4, 6, 6)
    matrix = one.applied(network, torch.from_numpy(kernel), basis).flatten(1)
    exact = float(torch.linalg.matrix_norm(matrix, 2))
    assert exact <= one.norm_of(kernel).upper <= 1.2 * exact
    known = one.entries_of(kernel, one.norm_of(kernel))
    assert (known.count, known.norm) == (kernel.size, one.norm_of(kernel).upper)
    assert known.largest == pytest.approx(np.abs(kernel).max(), rel=1e-15)


def test_a_batch_norm_by_itself_is_a_map():
    network = settled(nn.Sequential(nn.BatchNorm2d(4), nn.ReLU()), EXAMPLE)
    (one,) = maps(network)
    found = one.of(network)
    images = torch.randn(2, 4, 6, 6)
    expected = network[0](images).detach().double().numpy()
    assert found.kernel * images.double().numpy()[1].reshape(4, 36) + found.bias[:, None] == pytest.approx(
        expected[1].reshape(4, 36), abs=1e-5
    )
    assert one.norm_of(found.kernel).upper == pytest.approx(np.abs(found.kernel).max(), rel=1e-12)
    assert one.applied(network, torch.from_numpy(found.kernel), images) is None
    assert one.outputs == 36


def test_how_windows_slide():
    pool = sliding_of(nn.MaxPool2d(3, 2, padding=1), (8, 8))
    assert (pool.window, pool.stride, pool.padding, pool.copies) == ((3, 3), (2, 2), (1, 1), 4)
    same = sliding_of(nn.Conv1d(2, 2, 4, padding="same", dilation=3), (9,))
    assert (same.padding, same.image) == ((5,), (9,))
    assert sliding_of(nn.Conv1d(2, 2, 4, padding="valid"), (9,)).padding == (0,)
