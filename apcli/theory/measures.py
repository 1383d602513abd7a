"""Measures of the difference between two distributions, from the exact quantities of each family of distributions.

A *pair* is a dense and a pruned distribution of one family. Relations between measures are here, once for all families;
the formulas of a family are in its own file.
"""

import math
from typing import Protocol, Self

from apcli.registry.tables import Choice
from apcli.theory import MeasureRow


class NotDefined(ValueError):
    """The measure does not exist for this pair of distributions."""


class NoExactForm(ValueError):
    """The measure exists, but has neither a closed form nor a one-dimensional integral here: use Monte Carlo."""


class Pair(Protocol):
    """A dense and a pruned distribution. A method without a result raises ``NotDefined`` or ``NoExactForm``."""

    @property
    def dim(self) -> int:
        """The dimension of the latent space."""

    def reversed(self) -> Self:
        """The same two distributions, the pruned one first."""

    def kl(self) -> float:
        """KL(first || second), nats; may be infinite."""

    def renyi(self, alpha: float) -> float:
        """Renyi divergence of order ``alpha`` (> 0, not 1) of the first distribution from the second, nats."""

    def tv(self) -> float:
        """Total variation."""

    def js(self) -> float:
        """Jensen-Shannon divergence, nats."""

    def w2(self) -> float:
        """2-Wasserstein distance for the Euclidean metric."""

    def tv_lower(self) -> dict[str, float | None]:
        """Lower bounds on total variation from means and covariances (Lemma 1), by name; None if unknown."""


def exact(pair: Pair, measure: Choice[MeasureRow]) -> float:
    """The measure of the pair without Monte Carlo.

    Raises:
        NotDefined: the measure does not exist for these distributions.
        NoExactForm: only Monte Carlo is possible.
    """
    return float(measure(pair))


def kl(pair: Pair) -> float:
    """KL(dense || pruned), nats (arXiv:2403.00155, equation (2))."""
    return pair.kl()


def reverse_kl(pair: Pair) -> float:
    """KL(pruned || dense), nats."""
    return pair.reversed().kl()


def jeffreys(pair: Pair) -> float:
    """KL(dense || pruned) + KL(pruned || dense), nats: the sum, not half of it."""
    return kl(pair) + reverse_kl(pair)


def renyi(pair: Pair, *, alpha: float) -> float:
    """log(int p^alpha q^(1 - alpha)) / (alpha - 1), nats; p dense, q pruned."""
    check_order(alpha)
    return pair.renyi(alpha)


def bhattacharyya(pair: Pair) -> float:
    """-log int sqrt(p q), nats: half the Renyi divergence of order 1/2."""
    return pair.renyi(0.5) / 2


def hellinger(pair: Pair) -> float:
    """sqrt(1 - int sqrt(p q)): the distance, whose square is 1 minus the Bhattacharyya coefficient."""
    return math.sqrt(-math.expm1(-bhattacharyya(pair)))


def tv(pair: Pair) -> float:
    """1/2 int |p - q| (arXiv:2403.00155, Definition 4)."""
    return pair.tv()


def js(pair: Pair) -> float:
    """The mean of both distributions' KL divergences from their even mixture, nats."""
    return pair.js()


def w2(pair: Pair) -> float:
    """2-Wasserstein distance: the distance, not its square, in units of the weights."""
    return pair.w2()


def check_order(alpha: float) -> None:
    """Raise ValueError unless ``alpha`` is an order of a Renyi divergence."""
    if not (0 < alpha < math.inf and alpha != 1):
        raise ValueError(f"renyi:alpha is {alpha:g}: expected an order above 0 other than 1, which is kl")


def number_or_same(value: str | float, own: float, name: str) -> float:
    """The value of a parameter of the pruned distribution: ``same`` means the dense distribution's ``own``.

    Raises:
        ValueError: it is neither ``same`` nor a number.
    """
    if value == "same":
        return own
    try:
        return float(value)
    except ValueError:
        raise ValueError(f"{name} is {value!r}: expected same or a number") from None
