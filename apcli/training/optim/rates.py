"""The learning rate of every step."""

from typing import Any

import torch
from torch import Tensor
from torch.optim import SGD, Optimizer
from torch.optim.lr_scheduler import ReduceLROnPlateau

from apcli.training.recipe import Recipe


class Rates:
    """A schedule of torch's, by epoch or by step, after a linear warm-up, which sets an optimiser's learning rate.

    The schedule changes a stand-in for the optimiser: the warm-up then does not disturb the schedule's own state, and a
    captured step finds its rate in the tensor that was recorded.

    Args:
        steps: optimiser steps in an epoch.

    Raises:
        ValueError: the schedule's parameters are out of range.
    """

    def __init__(self, optimiser: Optimizer, recipe: Recipe, steps: int) -> None:
        self._optimiser = optimiser
        self._cycles = next((name for name in ("momentum", "betas") if optimiser.defaults.get(name)), None)
        momentum: dict[str, Any] = {"momentum": recipe.momentum or 0.9} if self._cycles else {}
        self._rate = SGD([torch.zeros(1)], lr=recipe.lr, **momentum)
        by_step = "steps" in recipe.sched.row.needs
        self._schedule = recipe.sched(self._rate, recipe.epochs * steps if by_step else recipe.epochs)
        if isinstance(self._schedule, ReduceLROnPlateau):
            self._schedule.patience //= recipe.eval_every  # torch counts evaluations, patience counts epochs
        self._by_step = by_step
        self._warmup = round(recipe.warmup_epochs * steps)
        self._rate.step()  # otherwise torch warns that the schedule moves before its optimiser
        self.now = recipe.lr

    def before_step(self, step: int) -> None:
        """Set the rate of step ``step``, from 0 over all epochs; warm-up is as in arXiv:1706.02677, section 2.2."""
        (group,) = self._rate.param_groups
        self.now = float(group["lr"]) * min(1.0, (step + 1) / (self._warmup or 1))
        for own in self._optimiser.param_groups:
            rate = self.now * own.get("scale", 1.0)
            if isinstance(own["lr"], Tensor):
                own["lr"].fill_(rate)
            else:
                own["lr"] = rate
            if self._by_step and self._cycles == "momentum":
                own["momentum"] = group["momentum"]
            elif self._by_step and self._cycles:
                own["betas"] = (group["momentum"], *own["betas"][1:])

    def after_step(self) -> None:
        if self._by_step:
            self._schedule.step()

    def after_epoch(self, loss: float | None) -> None:
        """Advance a schedule by epoch; ``loss`` is for one that watches progress, None if it was not measured."""
        if isinstance(self._schedule, ReduceLROnPlateau):
            if loss is not None:
                self._schedule.step(loss)
        elif not self._by_step:
            self._schedule.step()

    def state_dict(self) -> dict[str, Any]:
        return {"rate": self._rate.state_dict(), "schedule": self._schedule.state_dict(), "now": self.now}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self._rate.load_state_dict(state["rate"])
        self._schedule.load_state_dict(state["schedule"])
        self.now = state.get("now", self.now)  # absent from states of earlier versions of apcli
