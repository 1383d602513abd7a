"""Rates step by step against closed forms, and after they were saved and taken up again."""

import copy
import math

import pytest
import torch
from torch.optim import SGD, Adam

from apcli.errors import UsageError
from apcli.training.optim.optimisers import optimiser_of
from apcli.training.optim.rates import Rates

STEPS = 5  # an epoch


def sgd(momentum: float = 0.9) -> SGD:
    return SGD([torch.zeros(1, requires_grad=True)], lr=0.5, momentum=momentum)


def followed(rates: Rates, optimiser, epochs: int, losses=None, first: int = 0) -> list[float]:
    found = []
    for epoch in range(first, epochs):
        for step in range(STEPS):
            rates.before_step(epoch * STEPS + step)
            found.append(optimiser.param_groups[0]["lr"])
            rates.after_step()
        rates.after_epoch(None if losses is None else losses[epoch])
    return found


def by_epoch(rate) -> list[float]:
    return [rate(epoch) for epoch in range(4) for _ in range(STEPS)]


@pytest.mark.parametrize(
    ("sched", "rate"),
    [
        ("cosine", lambda e: 0.1 * (1 + math.cos(math.pi * e / 4)) / 2),
        ("cosine:min_lr=0.01", lambda e: 0.01 + 0.09 * (1 + math.cos(math.pi * e / 4)) / 2),
        ("linear", lambda e: 0.1 * (1 - e / 4)),
        ("polynomial:power=3", lambda e: 0.1 * (1 - e / 4) ** 3),
        ("exponential:gamma=0.5", lambda e: 0.1 * 0.5**e),
        ("step:milestones=1+3:gamma=0.1", lambda e: 0.1 * 0.1 ** ((e >= 1) + (e >= 3))),
        ("constant", lambda e: 0.1),
    ],
)
def test_schedules_by_epoch(recipe, sched, rate):
    optimiser = sgd()
    assert followed(Rates(optimiser, recipe(sched=sched), STEPS), optimiser, 4) == pytest.approx(by_epoch(rate))
    assert optimiser.param_groups[0]["momentum"] == 0.9


@pytest.mark.parametrize("epochs", [1.0, 1.5, 0.2])
def test_warm_up_rises_step_by_step_and_leaves_the_schedule_as_it_is(recipe, epochs):
    optimiser, steps = sgd(), round(epochs * STEPS)
    found = followed(Rates(optimiser, recipe(sched="linear", warmup_epochs=epochs), STEPS), optimiser, 4)
    plain = by_epoch(lambda e: 0.1 * (1 - e / 4))
    assert found == pytest.approx([rate * min(1, (step + 1) / steps) for step, rate in enumerate(plain)])


@pytest.mark.parametrize("kind", [sgd, lambda: Adam([torch.zeros(1, requires_grad=True)])])
def test_one_cycle_goes_up_and_down_and_momentum_against_it(recipe, kind):
    optimiser, total = kind(), 4 * STEPS
    rates = Rates(optimiser, recipe(sched="one-cycle:up=0.4:start=10:end=100"), STEPS)

    def between(start: float, end: float, share: float) -> float:
        return end + (start - end) * (1 + math.cos(math.pi * share)) / 2

    top = 0.4 * total - 1
    for step in range(total):
        rates.before_step(step)
        group = optimiser.param_groups[0]
        momentum = group["momentum"] if "momentum" in group else group["betas"][0]
        if step <= top:
            expected = between(0.01, 0.1, step / top), between(0.95, 0.85, step / top)
        else:
            share = (step - top) / (total - 1 - top)
            expected = between(0.1, 0.0001, share), between(0.85, 0.95, share)
        assert (group["lr"], momentum) == pytest.approx(expected), step
        rates.after_step()
    assert optimiser.param_groups[0].get("betas", (0, 0.999))[1] == 0.999


def test_plateau_falls_where_the_loss_does_not(recipe):
    optimiser = sgd()
    rates = Rates(optimiser, recipe(sched="plateau:patience=1:factor=0.5"), STEPS)
    losses = [1.0, 0.9, 0.95, None, 0.93, 0.91, 0.5, 0.4]  # two worse than 0.9, then two again; None: not measured
    found = followed(rates, optimiser, 8, losses)[::STEPS]
    assert found == pytest.approx([0.1, 0.1, 0.1, 0.1, 0.1, 0.05, 0.05, 0.05])


@pytest.mark.parametrize("every", [1, 2, 3])
@pytest.mark.parametrize("patience", range(7))
def test_plateau_waits_for_epochs_whatever_the_evaluations_are(recipe, every, patience):
    """The loss is least at the first evaluation; the rate falls once more than ``patience`` epochs came after it."""
    optimiser = sgd()
    how = recipe(sched=f"plateau:patience={patience}:factor=0.5", eval_every=every)
    losses = [1.0 + epoch if epoch % every == 0 else None for epoch in range(1, 21)]
    found = followed(Rates(optimiser, how, STEPS), optimiser, 20, losses)[::STEPS]
    falls = next(epoch for epoch in range(every, 20, every) if epoch - every > patience)
    assert found.index(0.05) == falls


def test_one_cycle_has_its_own_momentum_and_none_where_none_is_asked_for(recipe):
    model = torch.nn.Linear(2, 2)
    found = []
    for options in ({}, {"momentum": 0.0}):
        how = recipe(sched="one-cycle", **options)
        optimiser, _ = optimiser_of(model, how, captured=False)
        followed(Rates(optimiser, how, STEPS), optimiser, 2)
        found.append(optimiser.param_groups[0]["momentum"])
    assert 0.85 <= found[0] < 0.95
    assert found[1] == 0.0


@pytest.mark.parametrize("sched", ["cosine", "step:milestones=1+2", "one-cycle", "plateau:patience=0", "exponential"])
def test_the_saved_state_goes_on_alike(recipe, sched):
    losses, how = [1.0, 2.0, 3.0, 4.0], {"sched": sched}
    whole = sgd()
    expected = followed(Rates(whole, recipe(**how), STEPS), whole, 4, losses)
    first, second = sgd(), sgd()
    half = Rates(first, recipe(**how), STEPS)
    found = followed(half, first, 2, losses)
    rest = Rates(second, recipe(**how), STEPS)
    rest.load_state_dict(copy.deepcopy(half.state_dict()))
    assert found + followed(rest, second, 4, losses, first=2) == expected


def test_a_rate_in_a_tensor_stays_in_its_place(recipe):
    optimiser = SGD([torch.zeros(1, requires_grad=True)], lr=torch.tensor(0.5))
    place = optimiser.param_groups[0]["lr"]
    Rates(optimiser, recipe(sched="constant"), STEPS).before_step(0)
    assert optimiser.param_groups[0]["lr"] is place
    assert place.item() == pytest.approx(0.1)


@pytest.mark.parametrize("sched", ["one-cycle:up=1", "plateau:factor=1", "step:milestones=a", "one-cycle:start=0.5"])
def test_parameters_out_of_range(recipe, sched):
    with pytest.raises(UsageError, match=sched.partition(":")[0]):
        Rates(sgd(), recipe(sched=sched), STEPS)
