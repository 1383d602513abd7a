"""Student-t laws about one centre: 40 digits from the definition, at the ends of the degrees of freedom."""

import math
from itertools import combinations

import numpy as np
import pytest
from oracles import radial_digits

from apcli.theory.distributions.radial import Radial, half, jensen_gap

INF = math.inf
# Both laws' degrees of freedom, dimension, first scale (the second is 1): KL, and Renyi's of orders 0.5 and 0.9, by
# ``oracles.radial_digits`` with 40 to 80 digits: the integrals over log |z| from the densities themselves.
REFERENCE = {
    (0.01, 4, 2, 1): (381.31585769178138, 3.341180605847832, 25.227955069047263),
    (0.01, 4, 100, 1): (383.6332859205967, 3.9238856777499911, 28.084071322441071),
    (4, 0.01, 2, 1): (3.5441234613787822, 3.341180605847832, 3.5139199858693279),
    (0.1, INF, 100, 1): (INF, 3.5091680624857972, 26.243210297648189),
    (INF, 0.1, 100, 1): (3.7034251443287158, 3.5091680624857972, 3.6764972991287442),
    (INF, 0.1, 10**6, 1): (8.3109087368937811, 8.1177614396677092, 8.2841061456417288),
    (1e-3, 1e-2, 1, 1): (6.6875369175444141, 1.1029181691797188, 4.1074520971750224),
    (0.01, 0.01, 3, 1e6): (0.13113626671228472, 0.12690820624803393, 0.13062508275268906),
    (1e-3, 30, 10**8, 1e-6): (4894474.6047995133, 7.3435489337358692, 60.425995427094107),
    (1e15, 1e20, 100, 1.7): (41.437174893783144, 13.463372600823367, 33.493483748104911),
    (1e15, 1e20, 100, 1): (2.6499470002648371e-27, 1.324973500132365e-27, 2.3849523002483341e-27),
    (1e21, 1e30, 20480, 1): (1.0488831979022336e-34, 5.2444159895111679e-35, 9.4399487811201025e-35),
    (1e8, 0.5, 10**6, 0.3): (8.9476543156845989, 8.7545058229346964, 8.9208515915964514),
    (3, 3.0000001, 10**6, 1): (3.3516774158728824e-16, 1.6758386879182372e-16, 3.0165096670790407e-16),
    (1e12, INF, 10**8, 1): (2.4998334958356664e-9, 1.2498750859265635e-9, 2.2498351474853e-9),
}


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("case", REFERENCE)
def test_reference_values(case):
    df, other_df, dim, scale = case
    kl, half_order, high_order = REFERENCE[case]
    found = Radial(df, other_df, dim, 2 * math.log(scale))
    if kl < INF:  # to a Gaussian from so long a tail it is infinite, which the caller knows
        assert found.kl() == pytest.approx(kl, rel=1e-12)
    assert -2 * found.log_affinity(0.5) == pytest.approx(half_order, rel=1e-12)
    assert -10 * found.log_affinity(0.9) == pytest.approx(high_order, rel=1e-12)


@pytest.mark.slow
def test_the_oracle_gives_the_reference_values():
    kl, half_order, _ = REFERENCE[4, 0.01, 2, 1]
    assert float(radial_digits(4, 0.01, 2, 1, "kl")) == pytest.approx(kl, rel=1e-15)
    assert float(radial_digits(4, 0.01, 2, 1, 0.5)) == pytest.approx(half_order, rel=1e-15)


DFS = (1e-6, 0.01, 0.5, 3.0, 1e4, 1e15, 1e300, INF)


ENDS = [(1, 1.0), (100, 1.7), (10**8, 1.0)]
REST = [(1, 1.7), (100, 1.0), (10**8, 1.7)]


@pytest.mark.slow
@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(("dim", "scale"), [*ENDS, *(pytest.param(*more, marks=pytest.mark.long) for more in REST)])
def test_laws_at_the_ends_are_symmetric_where_they_should_be(dim, scale):
    """And 0 < R_0.5 <= R_0.9 <= KL, up to 1e-12."""
    pairs = [(*pair, scale) for pair in combinations(DFS, 2)]
    for df, other_df, scale in pairs + [(df, df, 1e-6) for df in DFS]:
        found = Radial(df, other_df, dim, 2 * math.log(scale))
        both = found.log_affinity(0.5), found.reversed().log_affinity(0.5)
        assert both[0] == pytest.approx(both[1], rel=1e-12, abs=1e-250)
        orders = [-2 * both[0], -10 * found.log_affinity(0.9)]
        if not (math.isinf(other_df) and df <= 2):
            orders.append(found.kl())
        assert orders == pytest.approx(sorted(orders), rel=1e-12, abs=1e-250)
        assert orders[0] >= 0


@pytest.mark.slow
@pytest.mark.parametrize("dim", [1, 50, 10**6])
def test_the_gaussian_limit(dim):
    """KL = h (m - 1 - log m), and what the tails add is of order dim^2 / df."""
    for log_size in (-1.0, 0.3):
        gaussian = dim / 2 * (math.expm1(log_size) - log_size)
        for df in (1e13, 1e18, 1e100, 1e300):
            for found in (
                Radial(df, INF, dim, log_size),
                Radial(INF, df, dim, log_size),
                Radial(df, 7 * df, dim, log_size),
            ):
                assert found.kl() == pytest.approx(gaussian, rel=max(1e-12, 10 * dim / df))


def test_the_log_ratio_is_that_of_the_densities():
    """In one dimension at 0, where the densities are known: Cauchy's 1 / pi, the normal one's 1 / sqrt(2 pi)."""
    found = Radial(1.0, INF, 1, 0.0).log_ratio(np.array([-200.0, math.log(4.0)]))
    at_two = math.log(math.pi * 5 / math.sqrt(2 * math.pi)) - 2
    assert found == pytest.approx([math.log(math.pi / math.sqrt(2 * math.pi)), at_two], rel=1e-13)


def test_the_gap_of_a_mean_of_exponentials():
    t = np.array([-3.0, -1e-3, 0.0, 1e-9, 0.7, 12.0])
    for share in (0.5, 0.3, 0.999):
        plain = np.log(1 - share + share * np.exp(t)) - share * t
        assert jensen_gap(5.0, math.log(share / (1 - share)), t) == pytest.approx(5 * plain, rel=1e-9, abs=1e-14)
    near = jensen_gap(1.0, 0.0, np.array([1e-9]))  # s (1 - s) t^2 / 2
    assert near == pytest.approx(1e-18 / 8, rel=1e-9)
    limit = jensen_gap(1e300, math.log(4.0) - math.log(1e300), t)  # of a Gamma law: 4 (exp(t) - 1 - t)
    assert limit == pytest.approx(4 * (np.expm1(t) - t), rel=1e-12, abs=1e-15)
    assert jensen_gap(2.0, 0.0, np.array([-1e4, 1e4])) == pytest.approx([1e4, 1e4], rel=1e-3)


def test_half_of_infinitely_many_is_a_number():
    assert half(4.0) == 2
    assert math.isfinite(2 * half(INF))
