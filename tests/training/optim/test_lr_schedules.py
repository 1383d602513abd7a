"""Learning-rate schedules against their published closed forms."""

import math

import pytest
import torch
from torch import nn

from apcli.errors import UsageError
from apcli.training.optim import SCHEDULES

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
