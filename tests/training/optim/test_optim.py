"""Every optimiser and schedule of the tables: that it does its work, and the published closed forms."""

import math

import pytest
import torch
from torch import nn

from apcli.errors import UsageError
from apcli.training.optim import OPTIMISERS, SCHEDULES

EPOCHS = 12
FORMS = {
    "cosine": lambda e: (1 + math.cos(math.pi * e / EPOCHS)) / 2,
    "cosine:min_lr=0.2": lambda e: 0.1 + (1 - 0.1) * (1 + math.cos(math.pi * e / EPOCHS)) / 2,  # 0.2 of a rate of 2
    "step:milestones=4+9": lambda e: 0.1 ** ((e >= 4) + (e >= 9)),
    "step:milestones=9+4:gamma=0.5": lambda e: 0.5 ** ((e >= 4) + (e >= 9)),
    "step": lambda e: 1.0,
    "exponential": lambda e: 0.95**e,
    "exponential:gamma=0.5": lambda e: 0.5**e,
    "linear": lambda e: 1 - e / EPOCHS,
    "polynomial": lambda e: (1 - e / EPOCHS) ** 2,
    "polynomial:power=0.5": lambda e: (1 - e / EPOCHS) ** 0.5,
    "constant": lambda e: 1.0,
}


def rates(spec: str, epochs: int = EPOCHS, rate: float = 2.0) -> list[float]:
    optimiser = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=rate)
    schedule = SCHEDULES.parse(spec)(optimiser, epochs)
    found = []
    for _ in range(epochs):
        found.append(optimiser.param_groups[0]["lr"])
        optimiser.step()
        schedule.step()
    return found


@pytest.mark.parametrize("spec", FORMS)
def test_schedules_are_their_closed_forms(spec):
    assert rates(spec) == pytest.approx([2 * FORMS[spec](epoch) for epoch in range(EPOCHS)], rel=1e-12)


def test_every_schedule_has_a_form_here():
    """By epoch and by its number alone: the rate by step, and the one by progress, are followed in ``Rates``' tests."""
    assert {spec.partition(":")[0] for spec in FORMS} == set(SCHEDULES.names) - {"one-cycle", "plateau"}


@pytest.mark.parametrize("row", [row for row in SCHEDULES if row.name in FORMS], ids=lambda row: row.name)
def test_schedules_of_few_epochs(row):
    assert rates(row.name, epochs=1) == [2.0]
    assert rates(row.name, epochs=0) == []
    assert SCHEDULES.parse(row.name)(torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=1.0), 0) is not None


@pytest.mark.parametrize("milestones", ["a", "3+", "3 4", "1.5", "+"])
def test_milestones_that_are_no_epochs(milestones):
    with pytest.raises(UsageError, match=r"step:milestones is .* expected whole numbers joined by"):
        rates(f"step:milestones={milestones}")


@pytest.mark.parametrize("steps", range(1, 12))
def test_one_cycle_of_few_steps_whose_way_up_is_one_of_them(steps):
    """torch divides by the way's length, which is zero steps then: the rate begins at its peak."""
    for rising in (1 / steps, 0.2) if steps > 1 else (0.2,):
        found = rates(f"one-cycle:up={rising!r}", epochs=steps)
        assert all(0 < rate <= 2 for rate in found)
        if rising * steps == 1:
            assert found[0] == pytest.approx(2)


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
