"""An upper bound on a function over a box of inputs, in the worst case and with a stated probability (S1)."""

from dataclasses import dataclass

import numpy as np

from apcli.theory.statistics.concentration import bernstein, hoeffding

UNIFORM = 1 / 3  # the variance of a uniform coordinate in [-1, 1]


@dataclass(frozen=True)
class BoxBound:
    """Upper bounds on a function that lies below b + a'x on the box.

    Attributes:
        worst: for every x of the box.
        bernstein: but for a probability of at most delta, from the variances of the coordinates.
        hoeffding: the same from their ranges alone.
    """

    worst: float
    bernstein: float
    hoeffding: float

    @property
    def least(self) -> float:
        """The least of the three, which holds but for a probability of at most delta."""
        return min(self.worst, self.bernstein, self.hoeffding)


def affine(
    slopes: np.ndarray,
    radius: np.ndarray | float,
    *,
    delta: float,
    constant: float = 0.0,
    centre: np.ndarray | float = 0.0,
    variance: float = UNIFORM,
) -> BoxBound:
    """Bound b + a'x for x_i = c_i + r_i u_i, the u_i independent, within [-1, 1] and of mean 0.

    Args:
        slopes: a, float [n], of the affine upper bound that bound propagation gives.
        radius: r >= 0, float [n] or one for all.
        delta: in (0, 1): the probability, over x, that a bound other than the worst case is exceeded. For two sides,
            or several outputs, divide it.
        constant: b.
        centre: c, float [n] or one for all.
        variance: of each u_i, at most 1; the default is that of uniform coordinates.

    Derived, after the kind of certificate that SimCert (arXiv:2603.14818) announces; no formula of it is known here.
    """
    swings = np.abs(slopes * radius)
    middle = constant + float(np.sum(slopes * centre))
    square = float(np.sum(swings * swings))
    return BoxBound(
        middle + float(swings.sum()),
        middle + bernstein(variance * square, float(swings.max(initial=0.0)), delta),
        middle + hoeffding(square, delta),
    )
