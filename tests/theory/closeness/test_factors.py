"""Factors of activations, pools and batch norm against PyTorch's functions."""

import math

import numpy as np
import pytest
import torch
from torch.nn import functional

from apcli.theory.closeness.convolutions import Sliding
from apcli.theory.closeness.factors import (
    ACTIVATIONS,
    activation,
    adaptive_average_pool,
    average_pool,
    max_pool,
)
from apcli.theory.closeness.propagation import Layer


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_lipschitz_constants(name):
    """The largest slope on a fine grid is the constant, to the digits given; and the value at 0."""
    function = getattr(functional, name, None) or (lambda x: x)
    x = torch.linspace(-8, 8, 160001, dtype=torch.float64)
    y = function(x)
    slope = float(((y[1:] - y[:-1]) / (x[1:] - x[:-1])).abs().max())
    found = activation(name, 9)
    assert slope <= found.lipschitz * (1 + 1e-9)
    assert slope == pytest.approx(found.lipschitz, rel=1e-3)
    assert found.at_zero == pytest.approx(3 * abs(float(function(torch.zeros(1, dtype=torch.float64)))), rel=1e-12)
    assert (found.norm, found.pruned, found.removed) == (1, 1, 0)


def test_what_has_no_constant_is_refused():
    with pytest.raises(ValueError, match="no Lipschitz constant is known of softmax: expected one of identity, relu"):
        activation("softmax", 3)


@pytest.mark.parametrize(("window", "stride", "padding"), [(2, 2, 0), (3, 2, 1), (3, 2, 0), (3, 1, 1), (5, 2, 2)])
def test_maxima_are_no_further_apart(window, stride, padding):
    sliding = Sliding((window,) * 2, (stride,) * 2, (1, 1), (padding,) * 2)
    factor = max_pool(sliding.copies).norm
    assert factor == -(-window // stride)
    random = torch.Generator().manual_seed(0)
    first, second = torch.randn(2, 300, 1, 8, 8, generator=random, dtype=torch.float64)
    for index in range(64):  # one pixel that all of its windows see
        second[index] = first[index]
        second[index, 0, index // 8, index % 8] += 9
    pooled = [functional.max_pool2d(images, window, stride, padding) for images in (first, second)]
    apart = (pooled[0] - pooled[1]).flatten(1).norm(dim=1) / (first - second).flatten(1).norm(dim=1)
    assert apart.max() <= factor
    assert apart.max() > 0.6 * factor


def matrix_norm(function, image: tuple[int, ...]) -> float:
    units = torch.eye(math.prod(image), dtype=torch.float64).reshape(-1, 1, *image)
    return float(np.linalg.norm(function(units).flatten(1).numpy(), 2))


@pytest.mark.parametrize("counts", [True, False])
@pytest.mark.parametrize(("window", "stride", "padding"), [((2, 2), (2, 2), (0, 0)), ((3, 2), (2, 1), (1, 0))])
def test_average_pools_are_exact(window, stride, padding, counts):
    found = average_pool((7, 6), window, stride, padding, counts)
    keywords = {"kernel_size": window, "stride": stride, "padding": padding, "count_include_pad": counts}
    expected = matrix_norm(lambda x: functional.avg_pool2d(x, **keywords), (7, 6))
    assert found.norm == pytest.approx(expected, rel=1e-12)
    assert found == Layer.fixed(found.norm)
    if window == stride:
        assert found.norm == pytest.approx(1 / math.sqrt(math.prod(window)), rel=1e-14)


@pytest.mark.parametrize(("image", "output"), [((8, 8), (1, 1)), ((7, 5), (3, 5)), ((1, 1), (7, 7)), ((6, 4), (6, 6))])
def test_adaptive_pools_are_exact(image, output):
    expected = matrix_norm(lambda x: functional.adaptive_avg_pool2d(x, output), image)
    assert adaptive_average_pool(image, output).norm == pytest.approx(expected, rel=1e-12)
    if output == (1, 1):
        assert expected == pytest.approx(1 / 8, rel=1e-12)
