"""Whole widths from shares: as many channels as the budget pays for, and never more."""

import math
from dataclasses import dataclass

import numpy as np

from apcli.theory.widths.costs import WidthCost
from apcli.theory.widths.program import Program, loss

FEW = 1 << 16  # choices that are compared one by one
_FREE = 1e-300  # stands for a cost of 0
_BETTER = 1e-12  # of the objective: a smaller gain is rounding


@dataclass(frozen=True, eq=False)
class Grid:
    """The widths that groups may have, multiples of ``step`` from ``least`` on and their whole size, and their cost.

    Attributes:
        cost: of widths.
        sizes: int64 [n].
        least: int64 [n], the fewest elements that a group may keep, 1 or more.
    """

    cost: WidthCost
    sizes: np.ndarray
    least: np.ndarray
    step: int = 1

    def program(self, values: np.ndarray, limit: float) -> Program:
        """The program of shares of the sizes, for ``values`` (float64 [n]) and the most that all may cost."""
        return Program(values, self.cost.of_shares(self.sizes), limit, self.lowest / self.sizes)

    @property
    def lowest(self) -> np.ndarray:
        """The least allowed width of each group: int64 [n]."""
        lowest: np.ndarray = np.minimum(-(-self.least // self.step) * self.step, self.sizes)
        return lowest

    def below(self, widths: np.ndarray) -> np.ndarray:
        """The next allowed width at or below each of ``widths`` (float [n], ``lowest`` or more): int64 [n]."""
        down = np.floor(widths).astype(np.int64) // self.step * self.step
        return np.where(widths >= self.sizes, self.sizes, np.maximum(down, self.lowest))

    def next(self, widths: np.ndarray) -> np.ndarray:
        """The next allowed width above, the same where there is none: int64 [n]."""
        return np.minimum((widths // self.step + 1) * self.step, self.sizes)

    def previous(self, widths: np.ndarray) -> np.ndarray:
        """The next allowed width below, the same where there is none: int64 [n]."""
        return np.maximum((widths - 1) // self.step * self.step, self.lowest)


def complete(program: Program, grid: Grid, shares: np.ndarray) -> np.ndarray:
    """Whole widths that cost the limit or less, and leave no step that fits.

    If there are few choices, the best of all. Otherwise shares are rounded down; then the step with the largest gain
    for its cost is taken as long as one fits, and a step down for one up as long as the sum gains.

    Args:
        shares: float64 [n], between the program's bounds, which are ``grid.lowest`` of the sizes or more.

    Returns:
        int64 [n].

    """
    if math.prod((grid.sizes // grid.step + 1).tolist()) <= FEW:
        return _best(program, grid)
    search = _Search(program, grid)
    widths = grid.below(shares * grid.sizes * (1 + 1e-12))
    if search.cost(widths) > program.limit:  # shares at the limit, but for rounding
        widths = grid.below(shares * grid.sizes)
    while True:
        widths = search.filled(widths)
        exchanged = search.exchanged(widths)
        if exchanged is None:
            return widths
        widths = exchanged


def _best(program: Program, grid: Grid) -> np.ndarray:
    """The best of all allowed widths."""
    allowed = []
    for size, lowest in zip(grid.sizes, grid.lowest, strict=True):
        allowed.append(np.unique(np.append(np.arange(lowest, size, grid.step), size)))
    choices = np.stack(np.meshgrid(*allowed, indexing="ij"), axis=-1).reshape(-1, len(allowed))
    each = choices.astype(float)
    costs = grid.cost.constant + each @ grid.cost.linear + np.einsum("ci,ij,cj->c", each, grid.cost.products, each) / 2
    losses = loss(choices / grid.sizes, program.power) @ program.values
    return choices[np.where(costs <= program.limit, losses, np.inf).argmin()]


class _Search:
    """Steps from widths to better ones. Costs are computed of whole widths, so that equality is exact."""

    def __init__(self, program: Program, grid: Grid) -> None:
        self.program, self.grid = program, grid

    def cost(self, widths: np.ndarray) -> float:
        return self.grid.cost.at(widths.astype(float))

    def filled(self, widths: np.ndarray) -> np.ndarray:
        """Widths with every step up that fits, the best first."""
        widths = widths.copy()
        while True:
            up = self.grid.next(widths)
            more = self._more(widths, up)
            fits = (up > widths) & (more <= self.program.limit - self.cost(widths))
            if not fits.any():
                return widths
            rate = np.where(fits, self._gain(widths, up) / np.maximum(more, _FREE), -np.inf)
            best = int(rate.argmax())
            widths[best] = up[best]

    def exchanged(self, widths: np.ndarray) -> np.ndarray | None:
        """The best of the steps down of one group and up of another that fit; None if none gains."""
        up, down = self.grid.next(widths), self.grid.previous(widths)
        both = np.outer(down - widths, up - widths) * self.grid.cost.products  # the product of the two changes
        more = self._more(widths, down)[:, None] + self._more(widths, up) + both
        gain = self._gain(widths, down)[:, None] + self._gain(widths, up)
        fits = (more <= self.program.limit - self.cost(widths)) & (down < widths)[:, None] & (up > widths)
        np.fill_diagonal(fits, False)
        gain = np.where(fits, gain, -np.inf)
        first, second = np.unravel_index(gain.argmax(), gain.shape)
        if not gain[first, second] > _BETTER * self.program.values.sum():
            return None
        changed = widths.copy()
        changed[first], changed[second] = down[first], up[second]
        return changed

    def _more(self, widths: np.ndarray, others: np.ndarray) -> np.ndarray:
        """The further cost if one group has another width: float64 [n], one for each group alone."""
        change = (others - widths).astype(float)
        more: np.ndarray = change * (
            self.grid.cost.slope(widths.astype(float)) + change * np.diag(self.grid.cost.products) / 2
        )
        return more

    def _gain(self, widths: np.ndarray, others: np.ndarray) -> np.ndarray:
        sizes, power = self.grid.sizes, self.program.power
        gain: np.ndarray = self.program.values * (loss(widths / sizes, power) - loss(others / sizes, power))
        return gain
