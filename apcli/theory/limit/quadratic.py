"""The least loss on a mask, to second order: exact for the mask that it is given, with no random subspace."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np

from apcli.theory.limit.magnitudes import Magnitudes
from apcli.theory.numerics.lanczos import Product
from apcli.theory.numerics.matrices import euclidean

CONVERGED, ENOUGH, ALL_STEPS, NEGATIVE = "converged", "target reached", "all steps taken", "negative curvature"


@dataclass(frozen=True)
class Adjusted:
    """The best point that was found on a mask.

    ``weights`` float64 [size], 0 where removed. ``unadjusted`` is the loss's second-order change if the kept weights
    stay as they are, and ``change`` the one at ``weights``: at least that of the mask's best point, at most
    ``unadjusted``. ``products`` counts those with the curvature; ``stopped`` says why there were no more.
    """

    weights: np.ndarray
    unadjusted: float
    change: float
    products: int
    stopped: str


@dataclass(frozen=True)
class Fewest:
    """The fewest of the largest weights on whose mask a point within the tolerance was found.

    ``convex`` is False if the search met negative curvature: then fewer may do.
    """

    kept: int
    point: Adjusted
    products: int
    convex: bool


def adjusted(
    product: Product,
    weights: np.ndarray,
    kept: np.ndarray,
    *,
    damping: float = 0.0,
    start: np.ndarray | None = None,
    steps: int = 25,
    tolerance: float = 1e-6,
    target: float = -np.inf,
) -> Adjusted:
    """Minimise 1/2 d' H d over the kept weights, d from the trained weights, by conjugate gradients.

    Each step lowers the change and gives an upper bound on the least one, so fewer steps are on the safe side.

    Args:
        product: of H, which should be positive semi-definite: the Gauss-Newton matrix, or the Hessian, damped.
        weights: the trained ones, float64 [size].
        kept: bool [size].
        damping: lets the kept weights move less: damping/2 |their change|^2 counts as change of the loss too. More than
            the most negative eigenvalue's absolute value makes up for negative curvature.
        start: adjusted weights to start from, those of a mask nearby; the best multiple of their change is used.
        steps: the most there are; each takes a product.
        tolerance: the length of the residual to stop at, in that of the right-hand side.
        target: a change to stop at.

    Source: Hestenes and Stiefel 1952, doi:10.6028/jres.049.044; the least change is that of the optimal brain surgeon,
    Hassibi and Stork 1992.
    """
    pruned = np.where(kept, weights, 0.0)
    removed = weights - pruned
    curved = product(removed)
    unadjusted = float(removed @ curved / 2)
    right = np.where(kept, curved, 0.0)  # H y = right, on the kept weights, at the best change y of them
    products = 1

    def masked(vector: np.ndarray) -> np.ndarray:
        nonlocal products
        products += 1
        return np.where(kept, product(vector) + damping * vector, 0.0)

    solution, residual = np.zeros_like(pruned), right.copy()
    if start is not None:
        _take_multiple(masked, np.where(kept, start - weights, 0.0), solution, residual)
    goal = tolerance * euclidean(right)

    def change() -> float:
        return unadjusted - float(solution @ (right + residual)) / 2

    def reached() -> str:
        return CONVERGED if euclidean(residual) <= goal else ENOUGH if change() <= target else ""

    stopped = _descend(masked, solution, residual, steps, reached)
    return Adjusted(pruned + solution, unadjusted, change(), products, stopped)


def _take_multiple(product: Product, step: np.ndarray, solution: np.ndarray, residual: np.ndarray) -> None:
    """The best multiple of one step, from 0."""
    image = product(step)
    curvature = float(step @ image)
    if curvature > 0:
        length = float(step @ residual) / curvature
        solution += length * step
        residual -= length * image


def _descend(
    product: Product, solution: np.ndarray, residual: np.ndarray, steps: int, reached: Callable[[], str]
) -> str:
    """Conjugate gradients, in place, until ``reached`` says why not to go on."""
    direction, squared = residual.copy(), float(residual @ residual)
    for _ in range(steps):
        if why := reached():
            return why
        image = product(direction)
        curvature = float(direction @ image)
        if curvature <= 0:
            return NEGATIVE
        length = squared / curvature
        solution += length * direction
        residual -= length * image
        before, squared = squared, float(residual @ residual)
        direction = residual + squared / before * direction
    return reached() or ALL_STEPS


def quadratic_kept(
    product: Product,
    order: Magnitudes,
    eps: float,
    *,
    damping: float = 0.0,
    steps: int = 25,
    guess: int | None = None,
    within: float = 0.0,
) -> Fewest:
    """The fewest of the largest weights that can be adjusted so that the loss rises by at most eps, to second order.

    The masks are nested, so the least change falls with their size, and bisection finds where it crosses eps. Each try
    starts from the one before, and has at most ``steps`` steps; so has the adjustment on the mask that is found.

    Args:
        damping: as in ``adjusted``.
        guess, within: as in ``Magnitudes.fewest``.
    """
    adjust = partial(adjusted, product, order.weights, damping=damping, steps=steps)
    last: Adjusted | None = None
    met: Adjusted | None = None  # on the smallest mask that meets it
    products, convex = 0, True

    def meets(k: int) -> bool:
        nonlocal last, met, products, convex
        last = adjust(order.kept(k), start=None if last is None else last.weights, target=eps)
        products, convex = products + last.products, convex and last.stopped != NEGATIVE
        met = last if last.change <= eps else met
        return last is met

    kept = order.fewest(meets, guess=guess, within=within)
    best = adjust(order.kept(kept), start=None if met is None else met.weights)
    return Fewest(kept, best, products + best.products, convex and best.stopped != NEGATIVE)
