"""Every optimiser and schedule of the tables: that it does its work, and the published closed forms."""

import pytest
import torch
from torch import nn

from apcli.training.optim import OPTIMISERS


@pytest.mark.slow
@pytest.mark.parametrize("row", list(OPTIMISERS), ids=lambda row: row.name)
def test_every_optimiser_descends(row):
    target = torch.tensor([1.0, -2.0, 3.0])
    weight = nn.Parameter(torch.zeros(3))
    rate = {"adadelta": 10.0, "adagrad": 0.5}.get(row.name, 0.05)
    momentum = {"momentum": 0.5} if row.has_momentum else {}
    optimiser = OPTIMISERS.parse(row.name)([weight], lr=rate, weight_decay=0.0, **momentum)
    for _ in range(200):
        optimiser.zero_grad()
        (weight - target).square().sum().backward()
        optimiser.step()
    assert (weight - target).square().sum() < 0.05 * target.square().sum()


@pytest.mark.parametrize("row", list(OPTIMISERS), ids=lambda row: row.name)
def test_decay_pulls_towards_zero(row):
    weight = nn.Parameter(torch.full((3,), 2.0))
    optimiser = OPTIMISERS.parse(row.name)([weight], lr=0.1, weight_decay=0.1)
    for _ in range(5):
        optimiser.zero_grad()
        (0 * weight.sum()).backward()
        optimiser.step()
    assert (weight < 2).all()


def test_sgd_is_the_textbook_s():
    """v <- 0.9 v + g + decay w; w <- w - lr v."""
    weight = nn.Parameter(torch.tensor([1.0], dtype=torch.float64))
    optimiser = OPTIMISERS.parse("sgd")([weight], lr=0.1, weight_decay=0.01, momentum=0.9)
    w, v = 1.0, 0.0
    for _ in range(10):
        optimiser.zero_grad()
        weight.square().sum().backward()
        optimiser.step()
        v = 0.9 * v + 2 * w + 0.01 * w
        w -= 0.1 * v
        assert weight.item() == pytest.approx(w, rel=1e-12)


def test_parameters_reach_the_optimiser():
    optimiser = OPTIMISERS.parse("rmsprop:alpha=0.5:eps=0.25")([nn.Parameter(torch.zeros(1))], lr=1.0)
    assert (optimiser.defaults["alpha"], optimiser.defaults["eps"]) == (0.5, 0.25)
    nesterov = OPTIMISERS.parse("sgd:nesterov=1")([nn.Parameter(torch.zeros(1))], lr=1.0, momentum=0.9)
    assert nesterov.defaults["nesterov"]
