"""Widths by information, under a budget: layers on which the others depend little keep more.

The importances are those of Zheng et al. 2025 (IJCV 133:5455, arXiv:2108.08532). Their allocation is not convex, and
its optimum deletes layers, so ``mode=convex`` solves another program, whose optimum is unique.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from apcli.allocations.budgets import Allowance, Budget
from apcli.allocations.units import Context, Counts, Grams, Unit
from apcli.theory.dependence import gaussian, importances, nhsic, shares
from apcli.theory.widths.costs import WidthCost
from apcli.theory.widths.program import solve
from apcli.theory.widths.published import walked
from apcli.theory.widths.whole import Grid, complete
from apcli.words import few

log = logging.getLogger("apcli")

INPUT, LABELS = "input", "labels"  # rows of the map beside the units
_LEAST = 1e-9  # of the largest value: a unit that costs nothing keeps everything
_DIGITS = 5


def itpruner(
    units: Sequence[Unit],
    budget: Budget,
    context: Context,
    *,
    estimator: str,
    kernel: str,
    spread: float,
    weight: str,
    mode: str,
    step: int,
) -> Counts:
    """The counts that lose the least utility, -sum w c / x of the kept shares x, within the budget.

    c is a unit's importance and w its weight, by ``weight``: what it costs in the whole network (``cost``: then equally
    important units get about the same share), or 1 (``one``). Counts are whole, use the budget and keep to it.

    Args:
        estimator: of nHSIC, ``debiased`` or ``biased``.
        kernel: of nHSIC, ``linear`` or ``rbf``.
        spread: the largest importance over the least; 1: no importance.
        mode: ``released`` stops where the published solver does, with no importance: its widths are rounded to the
            nearest and so may cost a little more than is left.
        step: widths are multiples of it, or a unit's whole size.
    """
    grams = context.grams()
    dependence = _Dependence.of(units, grams, estimator, kernel)
    if dead := [name for name, own in zip(dependence.names, np.diag(dependence.map), strict=True) if not own]:
        log.warning("%s: the same on all images, and so no other layer depends on it", few(dead))
    importance = importances(dependence.shares, spread)
    cost, left = _program_of(units, budget)
    sizes = np.array([unit.size for unit in units])
    grid = Grid(cost, sizes, np.array([max(1, unit.least) for unit in units]), step)
    if mode == "released":
        kept = np.rint(walked(cost.of_shares(sizes), left) * sizes).astype(int)
        proof: dict[str, Any] = {}
    else:
        price = cost.slope(sizes.astype(float)) * sizes if weight == "cost" else np.ones(len(sizes))
        program = grid.program(np.maximum(price, _LEAST * price.max()) * importance, left)
        optimum = solve(program)
        kept = complete(program, grid, optimum.shares)
        proof = {
            "shares": _rounded(optimum.shares),
            "multiplier": float(f"{optimum.multiplier:.6g}"),
            "residual": float(f"{optimum.residual:.1g}"),
            "slack": (left - cost.at(kept.astype(float))) / cost.at(sizes.astype(float)),
        }
    context.note(
        {
            "images": len(grams.images),
            "importance": _rounded(importance),
            "dependence": _rounded(dependence.shares),
            "names": dependence.names,
            "nhsic": [_rounded(row) for row in dependence.map],
            **proof,
        }
    )
    return {unit.name: unit.size - int(width) for unit, width in zip(units, kept, strict=True)}


@dataclass(frozen=True, eq=False)
class _Dependence:
    """nHSIC between units, and the rows of the images and the labels below them.

    Attributes:
        shares: of each unit, its share of the dependence between units.
    """

    names: list[str]
    map: np.ndarray
    shares: np.ndarray

    @classmethod
    def of(cls, units: Sequence[Unit], grams: Grams, estimator: str, kernel: str) -> "_Dependence":
        """A unit that is read at several places has the mean of their rows (Zheng et al. 2025, of residual stages)."""
        owners = [place for place, unit in enumerate(units) for _ in grams.features[unit.name]]
        owners += [len(units), len(units) + 1]
        places = [*(gram for unit in units for gram in grams.features[unit.name]), grams.images, grams.labels]
        found = nhsic([gaussian(gram) for gram in places] if kernel == "rbf" else places, estimator)
        mean = np.zeros((len(units) + 2, len(places)))
        mean[owners, np.arange(len(places))] = 1.0
        mean /= mean.sum(axis=1, keepdims=True)
        averaged = mean @ found @ mean.T
        np.fill_diagonal(averaged, np.diag(found)[[owners.index(place) for place in range(len(mean))]])
        own = averaged[: len(units), : len(units)]
        return cls([*(unit.name for unit in units), INPUT, LABELS], averaged, shares(own))


def _program_of(units: Sequence[Unit], budget: Budget) -> tuple[WidthCost, float]:
    """The cost of the units' widths, in their order, and what may be left of it; a sparsity is of elements."""
    if isinstance(budget, Allowance):
        order = [list(budget.costs.sizes).index(unit.name) for unit in units]
        by_width = budget.costs.by_width
        cost = WidthCost(by_width.constant, by_width.linear[order], by_width.products[np.ix_(order, order)])
        return cost, budget.left
    size = sum(unit.size for unit in units)
    return WidthCost.additive(np.ones(len(units))), float(size - round(budget.removed * size))


def _rounded(values: np.ndarray) -> list[float]:
    return [round(float(value), _DIGITS) for value in values]
