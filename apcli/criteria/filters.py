"""Scores of channels: each function takes the filters of one group and scores them, larger = keep.

A channel's filter is all weights that make it. If several layers make it (a residual sum), the filter is their rows,
concatenated.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from hashlib import blake2b
from typing import Protocol

import numpy as np

from apcli.errors import UsageError

BLOCK = 1 << 22  # numbers in memory at a time


class FilterRows(Protocol):
    """Rows of numbers, computed on access; an array is one in memory."""

    @property
    def shape(self) -> tuple[int, ...]: ...

    def __getitem__(self, rows: slice | np.ndarray) -> np.ndarray: ...


@dataclass(frozen=True)
class FilterWeights:
    """A method's input for a group of C channels, which it does not change.

    Attributes:
        name: the group's name, for messages.
        filters: float64 [C, n], each channel's weights, to be read some rows at a time.
        scale: float64 [C], |scale| of the channels' batch norms, averaged over norms; None if there is none.
        products: float64 [batches, C], the sum of w g over each filter, with g the gradient of a batch's mean loss;
            None for methods without data.
        generator: the group's own generator of random numbers.
    """

    name: str
    filters: FilterRows
    scale: np.ndarray | None
    products: np.ndarray | None
    generator: np.random.Generator


def l1(group: FilterWeights) -> np.ndarray:
    """Score sum |w| over the filter: float64 [C].

    Source: Li et al. 2017, arXiv:1608.08710.
    """
    return _by_rows(group.filters, lambda rows: np.abs(rows).sum(axis=1))


def l2(group: FilterWeights) -> np.ndarray:
    """Score the filter's Euclidean norm: float64 [C].

    Source: He et al. 2018, arXiv:1808.06866.
    """
    return _by_rows(group.filters, lambda rows: np.linalg.norm(rows, axis=1))


def highest(group: FilterWeights) -> np.ndarray:
    """Score -sum |w|, which removes the largest filters: float64 [C].

    Source: Mozafari-Nia & Sekeh 2024, arXiv:2403.00155, section 5, for single weights.
    """
    return -l1(group)


def geometric_median(group: FilterWeights) -> np.ndarray:
    """Score sum_j ||f_i - f_j||, the sum of a filter's distances to all filters of its group: float64 [C].

    The filter nearest to the geometric median is the one that the others replace best. Equal filters have equal
    scores. Distances are computed from scalar products of centred filters, so they are accurate to about 1e-8 of the
    filters' length. Memory: C^2 numbers and a few blocks of filters.

    Source: He et al. 2019, arXiv:1811.00250, equation (5).
    """
    filters = group.filters
    first: dict[bytes, int] = {}
    same: list[int] = []
    total = np.zeros(filters.shape[1])
    for rows in _blocks(filters):
        block = filters[rows] + 0.0  # turns -0.0 into 0.0
        total += block.sum(axis=0)
        same += [first.setdefault(blake2b(row.tobytes()).digest(), i) for i, row in enumerate(block, len(same))]
    distinct, number, count = np.unique(same, return_inverse=True, return_counts=True)
    products = _products(filters, distinct, total / filters.shape[0])
    squares = np.diag(products)
    distances = np.sqrt(np.maximum(squares[:, None] + squares - 2 * products, 0.0))
    np.fill_diagonal(distances, 0.0)
    scores: np.ndarray = (distances @ count.astype(np.float64))[number]
    return scores


def bn_scale(group: FilterWeights) -> np.ndarray:
    """Score |gamma| of the channel's batch norm, averaged if several norms read the channel: float64 [C].

    Raises:
        UsageError: no batch norm with a scale reads the group's channels.

    Source: Liu et al. 2017, arXiv:1708.06519.
    """
    if group.scale is None:
        raise UsageError(
            f"method bn-scale: no batch norm reads the channels of {group.name}: "
            f"choose another method, such as l1, or leave the layer out with --exclude"
        )
    return group.scale.copy()


def taylor(group: FilterWeights) -> np.ndarray:
    """Score (sum of w g over the filter)^2, averaged over batches: float64 [C].

    To first order, this is the squared change of the loss when the filter becomes zero.

    Source: Molchanov et al. 2019, arXiv:1906.10771, equation (8), for groups of weights.
    """
    if group.products is None:
        raise ValueError("taylor needs gradients: the products are None")
    scores: np.ndarray = np.square(group.products).mean(axis=0)
    return scores


def random(group: FilterWeights) -> np.ndarray:
    """Draw scores uniformly: float64 [C].

    Source: Blalock et al. 2020, arXiv:2003.03033.
    """
    return group.generator.random(group.filters.shape[0])


def _products(filters: FilterRows, chosen: np.ndarray, centre: np.ndarray) -> np.ndarray:
    """The scalar products of the chosen filters minus ``centre``: float64 [k, k]."""
    products = np.empty((len(chosen), len(chosen)))
    parts = [slice(*rows.indices(len(chosen))[:2]) for rows in _blocks(filters) if rows.start < len(chosen)]
    for number, ones in enumerate(parts):
        centred = filters[chosen[ones]] + 0.0 - centre
        products[ones, ones] = centred @ centred.T
        for others in parts[:number]:
            products[ones, others] = centred @ (filters[chosen[others]] + 0.0 - centre).T
            products[others, ones] = products[ones, others].T
    return products


def _by_rows(filters: FilterRows, score: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    """Score all rows, block by block: each score depends on its row alone."""
    return np.concatenate([score(filters[rows]) for rows in _blocks(filters)])


def _blocks(filters: FilterRows) -> Iterator[slice]:
    channels, width = filters.shape
    step = max(1, BLOCK // max(1, width))
    for start in range(0, channels, step):
        yield slice(start, min(start + step, channels))
