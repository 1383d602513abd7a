"""The convex program of widths: the least loss of utility under a budget, with the certificate of its optimum."""

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from apcli.theory.widths.costs import WidthCost

_LOW, _HIGH = -40.0, 60.0  # log of the multiplier, in units of the cost of full widths
_STEPS = 100  # of each search: Newton's method takes 5 to 10
_STATIONARY = 1e-12  # of each variable's own term of the gradient: the importances may differ by orders of magnitude
_ROUNDING = 1e-15  # of the objective: near the minimum its differences are no larger
_TIGHT = 1e-13  # of the cost of full widths


@dataclass(frozen=True, eq=False)
class Program:
    """Minimise sum_i v_i (x_i^-p - 1) / p subject to F(x) <= limit and lower <= x <= 1; p = 0 stands for -v log x.

    In log x the objective and F are convex, so the minimum is the only one. The price of the last channel is infinite:
    no width becomes 0, which the linear utility of arXiv:2108.08532 leads to.

    Attributes:
        values: v, float64 [n], > 0: the importance of each group times its weight in the sum.
        cost: F, of shares.
        limit: the most that F may be.
        lower: the least shares, float64 [n] in (0, 1].
        power: p.
    """

    values: np.ndarray
    cost: WidthCost
    limit: float
    lower: np.ndarray
    power: float = 1.0

    def objective(self, shares: np.ndarray) -> float:
        """The loss of utility, >= 0; 0 at full widths."""
        return float(self.values @ loss(shares, self.power))

    @cached_property
    def full(self) -> float:
        """The cost of full widths."""
        return self.cost.at(np.ones_like(self.lower))

    @property
    def least(self) -> float:
        """The cost of the least widths."""
        return self.cost.at(self.lower)


@dataclass(frozen=True, eq=False)
class Optimum:
    """The minimum of a program, with what shows that it is one.

    Attributes:
        shares: x, float64 [n].
        multiplier: the price of the budget: the objective's fall for another unit of the share of ``full``.
        residual: the largest violation of the conditions of Karush, Kuhn and Tucker, in units of the largest
            derivative of the objective by log x.
        slack: limit - F(x), as a share of ``full``; 0 unless full widths are within the limit, but for rounding.
    """

    shares: np.ndarray
    multiplier: float
    residual: float
    slack: float


def loss(shares: np.ndarray, power: float) -> np.ndarray:
    """(x^-p - 1) / p, or -log x for p = 0: float64, the shape of ``shares``."""
    found: np.ndarray = np.expm1(-power * np.log(shares)) / power if power else -np.log(shares)
    return found


def solve(program: Program) -> Optimum:
    """The minimum, by Newton's method on the multiplier's logarithm, and on log x for each multiplier.

    Raises:
        ValueError: the least widths cost more than the limit.
    """
    if program.full <= program.limit:
        return Optimum(np.ones_like(program.lower), 0.0, 0.0, (program.limit - program.full) / program.full)
    if program.least > program.limit * (1 + _TIGHT):
        raise ValueError(f"the least widths cost {program.least:.6g}: expected a limit of that or more")
    scaled = _Scaled.of(program)
    low, high, theta = _LOW, _HIGH, 0.0
    logs = np.zeros_like(program.lower)
    for _ in range(_STEPS):
        logs = _least(scaled, math.exp(theta), logs)
        above, slope = scaled.above(logs, math.exp(theta))
        if abs(above) <= _TIGHT:
            break
        low, high = (theta, high) if above > 0 else (low, theta)
        step = theta - above / slope if slope else math.inf
        theta = step if low < step < high else (low + high) / 2
        if high - low < 1e-14 * max(1.0, abs(high)):
            break
    price = math.exp(theta)
    return Optimum(np.exp(logs), price * scaled.scale, scaled.residual(logs, price), -above)


@dataclass(frozen=True, eq=False)
class _Scaled:
    """A program in units of its full cost and of its values' sum, of u = log x."""

    values: np.ndarray
    cost: WidthCost
    limit: float
    lower: np.ndarray  # log
    power: float
    scale: float  # of the objective

    @classmethod
    def of(cls, program: Program) -> "_Scaled":
        full, sum_ = program.full, float(program.values.sum())
        cost = WidthCost(program.cost.constant / full, program.cost.linear / full, program.cost.products / full)
        logs = np.log(program.lower)
        return cls(program.values / sum_, cost, program.limit / full, logs, program.power, sum_)

    def lagrangian(self, logs: np.ndarray, price: float) -> float:
        x = np.exp(logs)
        return float(self.values @ loss(x, self.power)) + price * self.cost.at(x)

    def gradient(self, logs: np.ndarray, price: float) -> np.ndarray:
        x = np.exp(logs)
        gradient: np.ndarray = -self.values * x**-self.power + price * x * self.cost.slope(x)
        return gradient

    def hessian(self, logs: np.ndarray, price: float) -> np.ndarray:
        x = np.exp(logs)
        diagonal = self.power * self.values * x**-self.power + price * x * self.cost.slope(x)
        hessian: np.ndarray = np.diag(diagonal) + price * self.cost.products * np.outer(x, x)
        return hessian

    def free(self, logs: np.ndarray, gradient: np.ndarray) -> np.ndarray:
        """Which variables are not held at a bound: bool [n]."""
        free: np.ndarray = ~(((logs >= 0) & (gradient < 0)) | ((logs <= self.lower) & (gradient > 0)))
        return free

    def above(self, logs: np.ndarray, price: float) -> tuple[float, float]:
        """F - limit at the least Lagrangian of a price, and its derivative by the logarithm of the price."""
        x = np.exp(logs)
        inside = (logs < 0) & (logs > self.lower)
        by_log = (x * self.cost.slope(x))[inside]
        moved = -price * np.linalg.solve(self.hessian(logs, price)[np.ix_(inside, inside)], by_log)
        return self.cost.at(x) - self.limit, float(by_log @ moved)

    def residual(self, logs: np.ndarray, price: float) -> float:
        gradient = self.gradient(logs, price)
        violation = np.abs(gradient[self.free(logs, gradient)]).max(initial=0.0)
        return float(violation / (self.values * np.exp(-self.power * logs)).max())


def _least(program: _Scaled, price: float, logs: np.ndarray) -> np.ndarray:
    """The minimum of the Lagrangian between the bounds, by projected Newton steps (Bertsekas 1982)."""
    for _ in range(_STEPS):
        gradient = program.gradient(logs, price)
        free = program.free(logs, gradient)
        if (np.abs(gradient) <= _STATIONARY * program.values * np.exp(-program.power * logs))[free].all():
            break
        step = np.zeros_like(logs)
        step[free] = -np.linalg.solve(program.hessian(logs, price)[np.ix_(free, free)], gradient[free])
        before, length = program.lagrangian(logs, price), 1.0
        while length > 1e-12:
            tried = np.clip(logs + length * step, program.lower, 0.0)
            fall = 1e-4 * float(gradient @ (tried - logs)) + _ROUNDING * abs(before)
            if program.lagrangian(tried, price) <= before + fall:
                break
            length /= 2
        else:
            break  # no step is lower: rounding
        logs = tried
    return logs
