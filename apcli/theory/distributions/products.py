"""Families of independent weights: each has its own distribution, which pruning shifts.

A divergence of two such products is a sum over the weights, which a stream of differences adds up block by block; the
distributions of one weight stand in ``laplace.py`` and ``cauchy.py``.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NamedTuple, Protocol

import numpy as np

from apcli.registry.tables import Choice
from apcli.theory import MeasureRow
from apcli.theory.bounds.total_variation import lemma_1, lemma_1_line
from apcli.theory.distributions import cauchy as cauchy_distribution
from apcli.theory.distributions import laplace as laplace_distribution
from apcli.theory.measures import NoExactForm, NotDefined, check_order, number_or_same
from apcli.theory.numerics.matrices import euclidean

if TYPE_CHECKING:
    import torch

_CHUNK = 1 << 13  # elements worked on at a time, so that all intermediate arrays stay in the processor's cache
_KL = 1.0  # the order of the Renyi divergence that is KL


class WeightDistribution(Protocol):
    """The divergences of one weight's two distributions; ``laplace.py`` and ``cauchy.py`` are such modules.

    ``PYRO`` is the distribution's name in Pyro.
    """

    PYRO: str

    def kl(self, x: np.ndarray, scale: float, pruned_scale: float) -> np.ndarray:
        """KL(first || second) of distributions ``x`` >= 0 apart, nats."""

    def renyi(self, x: np.ndarray, alpha: float, scale: float, pruned_scale: float) -> np.ndarray:
        """Renyi divergence of order ``alpha`` of distributions ``x`` >= 0 apart, nats."""

    def w2(self, length: float, dim: int, scale: float, pruned_scale: float) -> float:
        """2-Wasserstein distance of ``dim`` weights, |w - w~| = ``length`` apart."""

    def tv(self, x: float, scale: float, pruned_scale: float) -> float:
        """Total variation of one weight's distributions."""

    def variance(self, scale: float) -> float | None:
        """Of one weight; None where it is infinite."""

    def diverges(self, order: float, scale: float, pruned_scale: float) -> bool:
        """Whether the integral of a Renyi divergence of ``order`` >= 1 diverges."""

    def log_ratios(
        self, difference: "torch.Tensor", scale: float, n: int, generator: "torch.Generator"
    ) -> "tuple[torch.Tensor, torch.Tensor]":
        """Sums of log first/second [n] over coordinates, at n points of the first distribution and at their partners.

        Args:
            difference: |w - w~| of each coordinate over the first distribution's scale; float64 [coordinates].
            scale: of the second distribution over that of the first.
        """


class Order(NamedTuple):
    """A divergence: Renyi's of order ``alpha``, or KL for 1; ``backwards``: of pruned from dense."""

    alpha: float
    backwards: bool


_SINGLE = Order(0.0, False)  # no order of a divergence: stands for the differences of single weights


@dataclass(frozen=True)
class Asked:
    """Stands in for a pair: records in ``orders`` the sums that a measure needs, and returns 1 for each number.

    So the measure's function itself shows what it needs from a stream of differences. See ``measures.Pair``.
    """

    orders: set[Order]
    backwards: bool = False
    dim: int = 1

    def reversed(self) -> "Asked":
        return replace(self, backwards=not self.backwards)

    def kl(self) -> float:
        return self._noted(Order(_KL, self.backwards))

    def renyi(self, alpha: float) -> float:
        check_order(alpha)
        return self._noted(Order(alpha, self.backwards))

    def tv(self) -> float:
        return self._noted(_SINGLE)

    def js(self) -> float:
        return self._noted(_SINGLE)

    def w2(self) -> float:
        return 1.0  # depends on the length, which is always known

    def tv_lower(self) -> dict[str, float | None]:
        return {}

    def _noted(self, order: Order) -> float:
        self.orders.add(order)
        return 1.0


@dataclass(frozen=True)
class Family:
    """Independent weights of one distribution, with ``scale`` (dense network) and ``pruned_scale`` (pruned network)."""

    name: str
    distribution: WeightDistribution
    scale: float
    pruned_scale: float

    def order(self, alpha: float, backwards: bool) -> Order:
        """The divergence's order; with one scale both directions are the same."""
        return Order(alpha, backwards and self.scale != self.pruned_scale)

    def divergence(self, x: np.ndarray, order: Order) -> np.ndarray:
        """The divergence of each weight from its shift ``x`` >= 0; float64 [n]."""
        scales = (self.pruned_scale, self.scale) if order.backwards else (self.scale, self.pruned_scale)
        with np.errstate(over="ignore"):  # then it is infinite
            return (
                self.distribution.kl(x, *scales)
                if order.alpha == _KL
                else self.distribution.renyi(x, order.alpha, *scales)
            )

    def reversed(self) -> "Family":
        """The same distributions, the pruned one first."""
        return replace(self, scale=self.pruned_scale, pruned_scale=self.scale)

    def reduction(self, measures: Sequence[Choice[MeasureRow]], keep: bool) -> "ProductReduction":
        """The reduction that sums a stream of differences.

        Args:
            measures: to compute from the pair later; no other divergence is summed.
            keep: also keep the differences, which Monte Carlo needs: 8 bytes for each that is not 0. They are always
                kept for a measure that is no function of sums.

        Raises:
            ValueError: an order of a Renyi divergence is out of range.
        """
        asked = Asked(set())
        for measure in measures:
            try:
                measure(asked)
            except NoExactForm:
                asked.orders.add(_SINGLE)
            except NotDefined:
                pass
        orders = {self.order(*order) for order in asked.orders - {_SINGLE}}
        return ProductReduction(self, tuple(sorted(orders)), keep or _SINGLE in asked.orders)


def laplace(*, scale: float, pruned_scale: float | str) -> Family:
    """Independent Laplace distributions, of density exp(-|t - w|/b) / 2b; ``scale`` is the dense b.

    Raises:
        ValueError: a scale is not a positive number.
    """
    return Family("laplace", laplace_distribution, *_scales(scale, pruned_scale))


def cauchy(*, scale: float, pruned_scale: float | str) -> Family:
    """Independent Cauchy distributions, of density b / (pi (b^2 + (t - w)^2)); ``scale`` is the dense b.

    Raises:
        ValueError: a scale is not a positive number.
    """
    return Family("cauchy", cauchy_distribution, *_scales(scale, pruned_scale))


class Partial(NamedTuple):
    """The contribution of one block of differences."""

    dim: int
    length: float
    sums: tuple[float, ...]  # of the divergences, in the reduction's order
    kept: np.ndarray  # |w - w~| where it is not 0; empty if not requested


class ProductReduction:
    """Sums of divergences over a stream of differences; see ``Family.reduction``.

    Blocks are summed pairwise, and their sums exactly: the order of blocks does not matter.
    """

    def __init__(self, family: Family, orders: tuple[Order, ...], keep: bool) -> None:
        self.family = family
        self.orders = orders
        self.keep = keep
        self.partials: list[Partial] = []

    def reduce(self, start: int, difference: np.ndarray) -> Partial:
        """The contribution of these differences (float64, any shape), at any position.

        Weights that did not move differ by their scales alone, so they are only counted.
        """
        moved = difference[difference != 0]
        np.abs(moved, out=moved)
        chunks = [moved[i : i + _CHUNK] for i in range(0, moved.size, _CHUNK)]
        unmoved = difference.size - moved.size
        sums = []
        for order in self.orders:
            terms = [float(self.family.divergence(chunk, order).sum()) for chunk in chunks]
            if unmoved:
                terms.append(unmoved * float(self.family.divergence(np.zeros(1), order)[0]))
            sums.append(_sum(terms))
        return Partial(difference.size, euclidean(moved), tuple(sums), moved if self.keep else np.zeros(0))

    def absorb(self, partial: Partial) -> None:
        """Add the result of ``reduce`` for the next block."""
        self.partials.append(partial)

    @staticmethod
    def pooled(reductions: Sequence["ProductReduction"]) -> "ProductReduction":
        """Layers as one: all their weights are independent."""
        first = reductions[0]
        whole = ProductReduction(first.family, first.orders, first.keep)
        whole.partials = [partial for reduction in reductions for partial in reduction.partials]
        return whole

    @staticmethod
    def joined(reductions: Sequence["ProductReduction"]) -> "ProductPair":
        """The distributions of the layers as one."""
        return ProductReduction.pooled(reductions).pair()

    def pair(self) -> "ProductPair":
        """The two distributions, reduced for the requested measures."""
        sums = {order: _sum([p.sums[i] for p in self.partials]) for i, order in enumerate(self.orders)}
        length = math.hypot(*(p.length for p in self.partials))
        kept = np.concatenate([np.zeros(0), *(p.kept for p in self.partials)]) if self.keep else None
        return ProductPair(self.family, sum(p.dim for p in self.partials), length, sums, kept)


@dataclass(frozen=True, eq=False)
class ProductPair:
    """Two distributions of ``dim`` independent weights; the ``Pair`` of measures.py.

    Args:
        one_weight: the distributions of one weight.
        length: |w - w~|.
        sums: the asked divergences, nats.
        kept: |w - w~| of each weight where it is not 0, float64; None where not asked for.
    """

    one_weight: Family
    dim: int
    length: float
    sums: Mapping[Order, float]
    kept: np.ndarray | None = None

    @property
    def family(self) -> str:
        """``laplace`` or ``cauchy``."""
        return self.one_weight.name

    @property
    def scale(self) -> float:
        """b of the first distribution."""
        return self.one_weight.scale

    @property
    def pruned_scale(self) -> float:
        """b of the second distribution."""
        return self.one_weight.pruned_scale

    @property
    def differences(self) -> np.ndarray:
        """|w - w~| of each weight where it is not 0, float64 [at most dim].

        Raises:
            ValueError: they were not kept.
        """
        if self.kept is None:
            raise ValueError("the differences of single weights were not kept: ask for them with keep")
        return self.kept

    def reversed(self) -> "ProductPair":
        """The same two distributions, the pruned one first."""
        sums = {self.one_weight.order(alpha, not backwards): value for (alpha, backwards), value in self.sums.items()}
        return replace(self, one_weight=self.one_weight.reversed(), sums=sums)

    def kl(self) -> float:
        """KL(first || second), nats: the weights' sum."""
        return self._summed(_KL)

    def renyi(self, alpha: float) -> float:
        """Renyi divergence of order ``alpha``, nats: the weights' sum, as the integral is their product."""
        check_order(alpha)
        return self._summed(alpha)

    def tv(self) -> float:
        """Total variation, of one weight only."""
        if self.dim != 1:
            raise NoExactForm(
                f"total variation of {self.family} distributions has no closed form for more than one weight"
            )
        return self.one_weight.distribution.tv(self.length, self.scale, self.pruned_scale)

    def js(self) -> float:
        """Jensen-Shannon has no closed form here."""
        raise NoExactForm(f"Jensen-Shannon of {self.family} distributions has no closed form here")

    def w2(self) -> float:
        """2-Wasserstein distance: each weight is moved by itself, so squares add up."""
        return self.one_weight.distribution.w2(self.length, self.dim, self.scale, self.pruned_scale)

    def tv_lower(self) -> dict[str, float | None]:
        """Lemma 1 from means and variances, and its best form; None without variances.

        Every line has the same standard deviations, and the best one lies along w - w~.
        """
        variances = [self.one_weight.distribution.variance(scale) for scale in (self.scale, self.pruned_scale)]
        if None in variances:
            return {"lemma_1": None, "lemma_1_best": None}
        traces = [self.dim * float(variance or 0.0) for variance in variances]
        deviations = [math.sqrt(variance or 0.0) for variance in variances]
        return {"lemma_1": lemma_1(self.length, *traces), "lemma_1_best": lemma_1_line(self.length, *deviations)}

    def diverges(self, order: float) -> bool:
        """Whether the integral of a Renyi divergence of ``order`` >= 1 diverges; order 1 stands for KL."""
        return self.one_weight.distribution.diverges(order, self.scale, self.pruned_scale)

    def _summed(self, alpha: float) -> float:
        order = self.one_weight.order(alpha, False)
        if order not in self.sums:
            what = "KL" if alpha == _KL else f"the Renyi divergence of order {alpha:g}"
            raise ValueError(f"{what} was not summed: name it among the measures of the reduction")
        return self.sums[order]


def _scales(scale: float, pruned_scale: float | str) -> tuple[float, float]:
    scales = float(scale), number_or_same(pruned_scale, float(scale), "pruned_scale")
    for name, value in zip(("scale", "pruned_scale"), scales, strict=True):
        if not (0 < value < math.inf):
            raise ValueError(f"{name} is {value:g}: expected a positive number")
    return scales


def _sum(terms: list[float]) -> float:
    """The exact sum of non-negative terms, rounded once."""
    try:
        return math.fsum(terms)
    except OverflowError:
        return math.inf
