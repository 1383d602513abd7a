"""Checks of a family of distributions of one weight, a location and a scale, whose densities are symmetric."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import ModuleType

import numpy as np
import pytest
import torch
from oracles import line_integral
from scipy import stats

from apcli.theory.measures import NoExactForm

Scales = tuple[float, float]

SCALES = [(1.0, 1.0), (0.7, 1.9), (2.0, 0.3)]
ORDERS = [1e-6, 0.1, 0.3, 0.499, 0.5, 0.500001, 0.7, 0.999999, 1.000001, 1.2, 1.5, 1.6, 2.0, 5.5, 40.0]
SHIFTS = [0.0, 1e-9, 1e-4, 0.1, 0.2, 0.3, 0.6, 0.7, 1.0, 5.0, 40.0, 1e4, 1e9, 1e20, 1e100]


@dataclass(frozen=True)
class Family:
    """A family and its oracles.

    Attributes:
        module: the family's, with ``kl``, ``renyi``, ``tv`` and ``log_ratios``.
        log_density: of a scale, around 0.
        exact: Renyi's divergence of an order, or KL for 1, at a shift, in 60 digits by the plainest formula.
        reach: of integrals over the line, see ``oracles.line_integral``.
        like: SciPy's distribution.
    """

    module: ModuleType
    log_density: Callable[[float], Callable[[float], float]]
    exact: Callable[[float, float, Scales], float]
    reach: float
    like: stats.rv_continuous

    def assert_integrals(self, x: float, scales: Scales) -> None:
        """KL and Renyi are the integrals of the densities."""
        p, q = (self.log_density(scale) for scale in scales)
        divergence = line_integral(lambda p, q: math.exp(p) * (p - q), p, q, x, self.reach)
        assert self.module.kl(np.array([x]), *scales)[0] == pytest.approx(divergence, rel=1e-9, abs=1e-11)
        for alpha in (0.2, 0.5, 0.8, 1.1):
            whole = line_integral(lambda p, q: math.exp(alpha * p + (1 - alpha) * q), p, q, x, self.reach)  # noqa: B023
            found = self.module.renyi(np.array([x]), alpha, *scales)[0]
            assert found == pytest.approx(math.log(whole) / (alpha - 1), rel=1e-8, abs=1e-10), alpha

    def assert_digits(self, scales: Scales, orders: Sequence[float]) -> None:
        """Every digit is right, from small to large shifts."""
        x = np.array(SHIFTS)
        with np.errstate(over="ignore"):
            assert self.module.kl(x, *scales) == pytest.approx([self.exact(1, s, scales) for s in SHIFTS], rel=2e-14)
            for alpha in orders:
                expected = [self.exact(alpha, s, scales) for s in SHIFTS]
                assert self.module.renyi(x, alpha, *scales) == pytest.approx(expected, rel=3e-13, abs=1e-30), alpha

    def assert_overflow(self, kl_at_the_end: float) -> None:
        """Nothing overflows at the end of what a float holds.

        Args:
            kl_at_the_end: of scales 1 and 2, shifted by 1e300.
        """
        kl, renyi, x = self.module.kl, self.module.renyi, np.array([1e160, 1e250, 1e300])
        for found in (kl(x, 1.0, 2.0), *(renyi(x, alpha, 1.0, 2.0) for alpha in (0.01, 0.3, 0.5, 0.7, 2.0, 30.0))):
            assert np.all(np.isfinite(found))
            assert np.all(np.diff(found) > 0)
        assert kl(x, 1.0, 2.0)[-1] == pytest.approx(kl_at_the_end, rel=1e-12)

    def assert_laws(self, scales: Scales, *, symmetric: bool) -> None:
        """The laws of divergences hold; KL may be ``symmetric``."""
        kl, renyi, x = self.module.kl, self.module.renyi, np.linspace(0, 6, 50)
        forth, back = kl(x, *scales), kl(x, *scales[::-1])
        assert forth.min() >= 0
        assert (forth[0] == 0) == (scales[0] == scales[1])
        assert np.all(np.diff(forth) > 0)
        assert not symmetric or back == pytest.approx(forth, rel=1e-13)
        orders = [renyi(x, alpha, *scales) for alpha in (0.2, 0.5, 0.8)] + [forth, renyi(x, 1.05, *scales)]
        assert np.all(np.diff(orders, axis=0) >= 0)  # Renyi never falls with its order, and is KL at 1
        for alpha in (0.2, 0.5, 0.8):  # skew symmetry
            turned = alpha / (1 - alpha) * renyi(x, 1 - alpha, *scales[::-1])
            assert renyi(x, alpha, *scales) == pytest.approx(turned, rel=1e-12)

    def assert_total_variation(self, x: float, scale: float) -> None:
        """The densities cross half-way: TV is what lies between their cumulative distributions there."""
        between = self.like(0, scale).cdf(x / 2) - self.like(x, scale).cdf(x / 2)
        assert self.module.tv(x, scale, scale) == pytest.approx(between, rel=1e-7, abs=1e-16)
        with pytest.raises(NoExactForm, match="of different scales"):
            self.module.tv(x, scale, 2.0)

    def assert_log_ratios(self, drawn: Callable[[torch.Generator], float]) -> None:
        """Log ratios are those of the densities at antithetic points, the first of which ``drawn`` gives."""
        log_ratios = self.module.log_ratios
        difference = torch.tensor([0.5, 2.0, 0.0], dtype=torch.float64)
        expected = self.module.kl(difference.numpy(), 1.0, 1.5).sum()
        for ratios in log_ratios(difference, 1.5, 20_000, torch.Generator().manual_seed(0)):
            assert abs(float(ratios.mean()) - expected) < 4 * float(ratios.std()) / 20_000**0.5
        (alone,), (partner,) = log_ratios(difference[:1], 1.5, 1, torch.Generator().manual_seed(0))
        point = drawn(torch.Generator().manual_seed(0))
        for ratio, x in ((alone, point), (partner, -point)):
            value = self.log_density(1.0)(x) - self.log_density(1.5)(x + 0.5)
            assert float(ratio) == pytest.approx(value, rel=1e-13)
