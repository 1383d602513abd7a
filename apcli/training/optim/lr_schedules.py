"""Learning-rate schedules, stepped once per epoch, or once per step if their row needs ``steps``."""

from torch.optim import Optimizer
from torch.optim import lr_scheduler as torch_schedules
from torch.optim.lr_scheduler import LRScheduler


def cosine(optimiser: Optimizer, epochs: int, *, min_lr: float) -> LRScheduler:
    """min_lr + (lr - min_lr) (1 + cos(pi e / epochs)) / 2 (arXiv:1608.03983, equation 5, without restarts)."""
    return torch_schedules.CosineAnnealingLR(optimiser, max(1, epochs), min_lr)


def step(optimiser: Optimizer, epochs: int, *, milestones: str, gamma: float) -> LRScheduler:
    """lr times gamma for each milestone <= e."""
    return torch_schedules.MultiStepLR(optimiser, sorted(map(int, milestones.split("+"))), gamma)


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
    if up * steps == 1:  # the rise would take zero steps, by which torch divides
        up *= 1 - 1e-12
    cycles = bool(optimiser.defaults.get("momentum"))
    peak = optimiser.param_groups[0]["lr"]
    return torch_schedules.OneCycleLR(
        optimiser, peak, max(2, steps), pct_start=up, div_factor=start, final_div_factor=end, cycle_momentum=cycles
    )


def plateau(optimiser: Optimizer, epochs: int, *, factor: float, patience: int, min_lr: float) -> LRScheduler:
    """lr times factor whenever the loss has not fallen below its minimum for more than ``patience`` epochs."""
    return torch_schedules.ReduceLROnPlateau(optimiser, factor=factor, patience=patience, min_lr=min_lr)
