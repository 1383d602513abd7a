"""Learning-rate schedules, stepped once an epoch, or once a step where their row says so (``steps``)."""

from torch.optim import Optimizer
from torch.optim import lr_scheduler as torch_schedules
from torch.optim.lr_scheduler import LRScheduler

from apcli.errors import UsageError


def cosine(optimiser: Optimizer, epochs: int, *, min_lr: float) -> LRScheduler:
    """min_lr + (lr - min_lr) (1 + cos(pi e / epochs)) / 2 (arXiv:1608.03983, equation 5, without restarts)."""
    return torch_schedules.CosineAnnealingLR(optimiser, max(1, epochs), min_lr)


def step(optimiser: Optimizer, epochs: int, *, milestones: str, gamma: float) -> LRScheduler:
    """lr times gamma for each milestone that e has reached."""
    try:
        reached = sorted(int(epoch) for epoch in milestones.split("+"))
    except ValueError:
        raise UsageError(f"step:milestones is {milestones!r}: expected epochs joined by +, as in 80+120") from None
    return torch_schedules.MultiStepLR(optimiser, reached, gamma)


def exponential(optimiser: Optimizer, epochs: int, *, gamma: float) -> LRScheduler:
    """lr gamma^e."""
    return torch_schedules.ExponentialLR(optimiser, gamma)


def linear(optimiser: Optimizer, epochs: int) -> LRScheduler:
    """lr (1 - e / epochs)."""
    return torch_schedules.LinearLR(optimiser, 1.0, 0.0, max(1, epochs))


def polynomial(optimiser: Optimizer, epochs: int, *, power: float) -> LRScheduler:
    """lr (1 - e / epochs)^power."""
    return torch_schedules.PolynomialLR(optimiser, max(1, epochs), power)


def constant(optimiser: Optimizer, epochs: int) -> LRScheduler:
    """lr."""
    return torch_schedules.ConstantLR(optimiser, 1.0)


def one_cycle(optimiser: Optimizer, steps: int, *, up: float, start: float, end: float) -> LRScheduler:
    """From lr / start to lr over the share ``up`` of all steps, then to lr / start / end, both by half a cosine."""
    if not (0 < up < 1 and start >= 1 and end >= 1):
        raise UsageError(f"one-cycle: up={up:g}, start={start:g}, end={end:g}: expected up in (0, 1), the others >= 1")
    cycles = bool(optimiser.defaults.get("momentum"))
    peak = optimiser.param_groups[0]["lr"]
    return torch_schedules.OneCycleLR(
        optimiser, peak, max(2, steps), pct_start=up, div_factor=start, final_div_factor=end, cycle_momentum=cycles
    )


def plateau(optimiser: Optimizer, epochs: int, *, factor: float, patience: int, min_lr: float) -> LRScheduler:
    """lr times factor whenever the loss has not been smaller than its least for more than ``patience`` epochs."""
    if not 0 < factor < 1:
        raise UsageError(f"plateau:factor is {factor:g}: expected a number in (0, 1)")
    return torch_schedules.ReduceLROnPlateau(optimiser, factor=factor, patience=patience, min_lr=min_lr)
