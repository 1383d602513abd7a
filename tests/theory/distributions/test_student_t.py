"""The exact Student-t divergence against reference values, quadrature from the definition, sampling, and its laws."""

import math
from itertools import pairwise, product

import mpmath
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles import on_the_line, shift_of, student_t_kl_digits, student_t_kl_in_the_plane, student_t_kl_on_the_line
from pyro.distributions import MultivariateStudentT

from apcli.theory.distributions import gaussian
from apcli.theory.distributions.gaussian import GaussianPair
from apcli.theory.distributions.shifts import Shift
from apcli.theory.distributions.student_t import StudentTPair, distance, js, kl, pair, tv
from apcli.theory.measures import NoExactForm, NotDefined

# mpmath, 32 digits, 16 printed: per (dim, df), at delta = 1e-3, 0.1, 1, 10, 1e3
DELTAS = (1e-3, 0.1, 1.0, 10.0, 1e3)
TABLE = {
    (1, 1): (2.499999687500052e-7, 0.002496880198587199, 0.2231435513142098, 3.258096538021482, 12.42922019683638),
    (1, 3): (3.333333125000015e-7, 0.003331251542005208, 0.3139315691932267, 6.252898728728474, 24.66120781649655),
    (1, 5): (3.749999825000009e-7, 0.003748250936984659, 0.3583886330978652, 8.430833963239721, 35.95934485323085),
    (1, 30): (4.696969633134434e-7, 0.004696331449884667, 0.4634172286494439, 22.13493496078416, 160.8970296156226),
    (2, 1): (2.999999642857201e-7, 0.002996434388157763, 0.2692111224259665, 4.225105403215875, 17.72626734663371),
    (2, 3): (3.571428360990876e-7, 0.003569325704002269, 0.3375026141634143, 7.186817944171407, 30.12558651526838),
    (2, 5): (3.888888717560226e-7, 0.003887176488576909, 0.3725976754068091, 9.262631496020909, 41.32127175937027),
    (2, 30): (4.70588229056301e-7, 0.004705258672240925, 0.4644497335974055, 22.45703257888988, 165.5628241479959),
    (10, 1): (4.23076890723986e-7, 0.004227537984622932, 0.3942416010228765, 9.333956427543232, 56.3651807092342),
    (10, 3): (4.333333165634684e-7, 0.004331657264325031, 0.417427192181259, 12.64741096166099, 71.24327485828252),
    (10, 5): (4.411764574303411e-7, 0.004410449437917023, 0.4285182565769335, 14.38022913039977, 82.21867601250837),
    (10, 30): (4.76190470920384e-7, 0.004761377825671876, 0.470992324091302, 24.75530288091169, 202.3634883295364),
    (100, 1): (4.902912553935994e-7, 0.004902238584007205, 0.4837359948500326, 26.70290232109763, 402.2194702410298),
    (100, 3): (4.904761867964626e-7, 0.004904393980791205, 0.4868444217780279, 31.35363441748108, 454.3247318602665),
    (100, 5): (4.906542025700356e-7, 0.004906238342532751, 0.4876469416511826, 32.77310287969313, 470.3022688079241),
    (100, 30): (4.92424240521989e-7, 0.004924052208866519, 0.4905318982588399, 36.53298392910182, 579.9377733375504),
}
MORE = {  # (dim, df, delta)
    (100, 4, 1e-4): 4.90566037703020774e-9,
    (100, 4, 0.1): 0.00490533213154900908,
    (100, 4, 1): 0.487319685981082068,
    (100, 4, 10): 32.1992327521123277,
    (101, 4, 1): 0.487435666595909866,
    (20480, 4, 0.5): 0.124986652935240449,
    (10**6, 4, 0.01): 4.99998999996850e-5,
    (100, 2.5, 1e-6): 4.90430622009565e-13,
    (1, 0.5, 2): 0.508998590545547911,
    (10, 3, 2): 1.5120652446,
    (2, 1, 5): 2.4956227152417,
}
FAR = {(1, 1): 26.244726754813, (10, 3): 161.04391856063, (100, 4): 1181.7475058242}  # delta = 1e6
INVERSE = {  # (dim, df, divergence): delta
    (100, 4, 1e-6): 0.0014277470246051,
    (100, 4, 0.1): 0.4518012222347,
    (100, 4, 2): 2.0467378287253,
    (1, 1, 2): 5.0553164486234,
    (100, 4, 20): 7.2863428798682,
}
SLOPES = {(100, 4, 1): 0.4841092727255, (1, 1, 2): 0.125, (10, 3, 0.5): 0.42511699663995}  # by delta^2
# (delta, df, dim): KL by ``oracles.student_t_kl_digits``, 30 digits
GRID = {
    (1e-6, 0.5, 1): 2.1428571428566881e-13,
    (1e-6, 0.5, 100): 4.902439024390131e-13,
    (1e-6, 0.5, 10**7): 4.99999900000025e-13,
    (1e-6, 4.0, 1): 3.571428571428382e-13,
    (1e-6, 4.0, 100): 4.905660377358458e-13,
    (1e-6, 4.0, 10**7): 4.999999000000599e-13,
    (10.0, 0.5, 1): 2.117185696397281,
    (10.0, 0.5, 100): 22.621743532808548,
    (10.0, 0.5, 10**7): 49.9987400763075,
    (10.0, 4.0, 1): 7.400100235888018,
    (10.0, 4.0, 100): 32.19923275211233,
    (10.0, 4.0, 10**7): 49.99961500553089,
    (0.1, 0.5, 1): 0.0021383253704886423,
    (0.1, 0.5, 10**4): 0.004998987763126555,
    (0.1, 30.0, 1): 0.0046963314498846675,
    (0.1, 30.0, 10**4): 0.004999000533752798,
    (0.1, 1e6, 1): 0.004999989975030226,
    (0.1, 1e6, 10**4): 0.004999990074277228,
    (1e4, 0.5, 1): 11.994289671141454,
    (1e4, 4.0, 10): 109.0907060798262,
    (1e4, 1e6, 10**7): 12713987.959435778,
    (1e-6, 1e6, 10**7): 4.999999090909256e-13,
    (1e4, 0.5, 10**7): 6933713.119854275,
}


def positive(low: float, high: float) -> st.SearchStrategy[float]:
    return st.floats(math.log(low), math.log(high)).map(math.exp)


LAWS = {"delta": positive(1e-6, 1e4), "df": positive(0.5, 1e6), "dim": positive(1, 1e7).map(round)}


@pytest.mark.parametrize(("dim", "df"), TABLE)
def test_reference_table(dim, df):
    for delta, expected in zip(DELTAS, TABLE[dim, df], strict=True):
        assert kl(delta, df, dim) == pytest.approx(expected, rel=1e-13)


def test_more_reference_values():
    for (dim, df, delta), expected in MORE.items():
        digits = len(f"{expected:.17g}".replace(".", "").lstrip("0"))
        assert kl(delta, df, dim) == pytest.approx(expected, rel=1e-13 if digits > 16 else 1e-10)
    for (dim, df), expected in FAR.items():
        assert kl(1e6, df, dim) == pytest.approx(expected, rel=1e-13)


def test_inverse_and_slope_reference_values():
    for (dim, df, value), delta in INVERSE.items():
        assert kl(delta, df, dim) == pytest.approx(value, rel=1e-12)
    for (dim, df, delta), slope in SLOPES.items():
        square, step = delta**2, 1e-4 * delta**2
        found = (kl(math.sqrt(square + step), df, dim) - kl(math.sqrt(square - step), df, dim)) / (2 * step)
        assert found == pytest.approx(slope, rel=1e-7)


@pytest.mark.parametrize(("delta", "df", "dim"), GRID)
def test_against_high_precision_quadrature(delta, df, dim):
    assert kl(delta, df, dim) == pytest.approx(GRID[delta, df, dim], rel=2e-14)


@pytest.mark.slow
def test_the_oracle_gives_some_of_its_values():
    for case in ((1e-6, 4.0, 1), (10.0, 4.0, 100)):
        assert student_t_kl_digits(*case) == GRID[case]


@pytest.mark.long
def test_the_oracle_gives_all_its_values():
    for case, expected in GRID.items():
        assert student_t_kl_digits(*case) == expected


@pytest.mark.parametrize(("delta", "df"), [(1, 1), (0.1, 4), (2, 0.5), (10, 30)])
def test_against_the_definition_in_one_dimension(delta, df):
    assert kl(delta, df, 1) == pytest.approx(student_t_kl_on_the_line(delta, df), rel=1e-10)


@pytest.mark.parametrize(("delta", "df", "dim"), [(5, 1, 2), (3, 30, 3), (0.5, 3, 10), (1, 4, 100)])
def test_against_the_definition_in_more_dimensions(delta, df, dim):
    assert kl(delta, df, dim) == pytest.approx(student_t_kl_in_the_plane(delta, df, dim), rel=1e-11)


@pytest.mark.parametrize(("df", "delta"), [(4.0, 1.0), (3.0, 2.0)])
def test_against_samples_of_pyro(df, delta):
    """Both directions: the laws differ in location only, so the divergence is symmetric."""
    torch.manual_seed(0)
    zero, there = torch.zeros(10, dtype=torch.float64), torch.full((10,), delta / math.sqrt(10), dtype=torch.float64)
    p, q = (
        MultivariateStudentT(torch.tensor(df).double(), loc, torch.eye(10, dtype=torch.float64))
        for loc in (zero, there)
    )
    for first, second in ((p, q), (q, p)):
        draws = first.sample((20_000,))
        ratio = first.log_prob(draws) - second.log_prob(draws)
        error = ratio.std().item() / math.sqrt(len(ratio))
        assert error < 0.05 * kl(delta, df, 10)
        assert abs(ratio.mean().item() - kl(delta, df, 10)) < 4 * error


@settings(max_examples=30)
@given(delta=positive(1e-6, 1e6))
def test_cauchy_has_a_closed_form(delta):
    assert kl(delta, 1, 1) == pytest.approx(math.log1p(delta**2 / 4), rel=1e-14)


@pytest.mark.parametrize("dim", [1, 100, 10**6])
@pytest.mark.parametrize("delta", [1e-6, 0.3, 20.0])
def test_many_degrees_of_freedom_meet_the_gaussian(delta, dim):
    assert kl(delta, math.inf, dim) == gaussian.kl(delta)
    errors = [abs(kl(delta, df, dim) / gaussian.kl(delta) - 1) for df in (1e8, 1e10, 1e12)]
    assert errors[2] <= 1e-9
    assert errors[0] < 1e-5
    assert errors[0] > 10 * errors[1]


@settings(max_examples=60)
@given(**LAWS)
def test_bound_and_sign(delta, df, dim):
    """0 < KL <= delta^2 / 2 (df + dim) / (df + dim + 2), so less than the Gaussian's."""
    value = kl(delta, df, dim)
    assert 0 < value <= gaussian.kl(delta) * (df + dim) / (df + dim + 2) * (1 + 1e-13)


@settings(max_examples=40)
@given(**LAWS, factor=positive(1.0001, 10))
def test_grows_with_distance_and_with_dimension(delta, df, dim, factor):
    value = kl(delta, df, dim)
    assert kl(factor * delta, df, dim) > value
    assert kl(delta, df, 2 * dim) >= value * (1 - 1e-13)


def test_small_shifts_follow_the_series():
    for df, dim in product([0.5, 4, 30], [1, 10, 10**5]):
        a = (df + dim) / 2
        for delta in (1e-4, 1e-3):
            series = delta**2 / 2 * a / (a + 1) - (df + 2) / (8 * df) * a / ((a + 2) * (a + 3)) * delta**4
            assert kl(delta, df, dim) == pytest.approx(series, rel=1e-13, abs=delta**6 * a)


def test_no_shift_no_divergence():
    assert [kl(0.0, df, dim) for df in (0.5, 4, math.inf) for dim in (1, 10**7)] == [0.0] * 6
    tiny = [kl(10.0**-power, 4, 100) for power in range(150, 0, -10)]
    assert all(0 < low < high for low, high in pairwise(tiny))


@pytest.mark.parametrize(
    ("delta", "df", "dim"),
    [(-1, 4, 3), (math.nan, 4, 3), (1, 0, 3), (1, -4, 3), (1, math.nan, 3), (1, 4, 0), (1, 4, -1)],
)
def test_arguments_out_of_range(delta, df, dim):
    with pytest.raises(ValueError, match="expected delta >= 0, df > 0, dim >= 1"):
        kl(delta, df, dim)


def test_an_infinite_distance_is_infinitely_far():
    """Distances overflow: float64 weights may be large, and a scale small."""
    assert kl(1e308, 4, 10) > kl(1e307, 4, 10) > 1000
    assert kl(math.inf, 4, 10) == gaussian.kl(math.inf) == math.inf


AFFINITIES = {  # (dim, df, delta): squared Hellinger distance, Renyi divergence of order 0.3, Jensen-Shannon
    (1, 4, 1): (0.082899359738725, 0.10350649135232, 0.081086812462816),
    (10, 3, 0.5): (0.026465986612141, 0.032187500664179, 0.026124157427820),
    (100, 4, 1): (0.11221103320823, 0.14335436460278, 0.105136432601606),
    (100, 4, 10): (0.98030740858064, 5.1405930852945, 0.683787149646327),
    (100, 4, 1e-4): (1.2264150932e-9, 1.4716981128e-9, 1.2264150922e-9),
}


def shifted(delta, df, dim):
    return pair(Shift.of_one_scale(delta, dim), df=df, pruned_df="same")


@pytest.mark.parametrize(("dim", "df", "delta"), AFFINITIES)
def test_reference_values_of_other_measures(dim, df, delta):
    hellinger2, renyi, divergence = AFFINITIES[dim, df, delta]
    rel, found = 1e-9 if delta < 0.1 else 2e-13, shifted(delta, df, dim)
    assert -math.expm1(-found.renyi(0.5) / 2) == pytest.approx(hellinger2, rel=rel)
    assert found.renyi(0.3) == pytest.approx(renyi, rel=rel)
    assert found.js() == pytest.approx(divergence, rel=rel)
    assert found.kl() == found.reversed().kl() == kl(delta, df, dim)


def test_total_variation():
    for df, expected in {1: 0.29516723530087, 4: 0.35667003681814, 30: 0.37927699511487}.items():
        assert tv(1.0, df) == pytest.approx(expected, rel=1e-13)
    assert tv(3.0, 4) == pytest.approx(0.792, rel=1e-14)
    assert tv(1.0, math.inf) == gaussian.tv(1.0)
    assert tv(1.0, 1e9) == pytest.approx(gaussian.tv(1.0), rel=1e-9)
    for df in (0.5, 4, 1e6):  # the density at 0, times the distance
        density = mpmath.exp(mpmath.loggamma((df + 1) / 2) - mpmath.loggamma(df / 2)) / mpmath.sqrt(df * mpmath.pi)
        assert tv(1e-9, df) == pytest.approx(float(density) * 1e-9, rel=1e-9)
    assert (tv(0.0, 4), tv(math.inf, 4), tv(1e300, 4)) == (0, 1, 1)
    assert shifted(1.0, 4, 10**6).tv() == tv(1.0, 4)


@pytest.mark.parametrize(("df", "delta"), [(1, 2.0), (4, 0.5), (4, 7.0), (30, 3.0), (0.5, 1.0)])
def test_a_line_against_the_definition(df, delta):
    constant = math.lgamma((df + 1) / 2) - math.lgamma(df / 2) - math.log(df * math.pi) / 2

    def log_density(z):
        return constant - (df + 1) / 2 * math.log1p(z * z / df)

    points = [-1e3, -30, -3, 0, delta / 2, delta, delta + 3, delta + 30, 1e3]
    exact = on_the_line(log_density, lambda z: log_density(z - delta), points)
    found = shifted(delta, df, 1)
    assert found.js() == pytest.approx(exact["js"], rel=1e-9)
    assert found.tv() == pytest.approx(exact["tv"], rel=1e-9)
    assert found.renyi(0.5) / 2 == pytest.approx(exact["bhattacharyya"], rel=1e-8)


@pytest.mark.parametrize(("df", "dim", "delta"), [(3, 2, 1.0), (1, 3, 4.0), (5, 30, 8.0)])
def test_jensen_shannon_in_more_dimensions_against_samples(df, dim, delta):
    """The mean of the kernel under the first law; with 50,000 draws good to two percent."""
    draw = np.random.default_rng(dim)
    z = draw.normal(size=(50_000, dim)) / np.sqrt(draw.chisquare(df, (50_000, 1)) / df)
    line = np.eye(1, dim)
    here, there = ((z + offset * line) ** 2 @ np.ones(dim) for offset in (0, delta))
    kernel = gaussian.js_kernel((df + dim) / 2 * (np.log1p(there / df) - np.log1p(here / df)))
    error = kernel.std() / math.sqrt(len(kernel))
    assert error < 0.02 * js(delta, df, dim)
    assert abs(kernel.mean() - js(delta, df, dim)) < 4 * error


@pytest.mark.parametrize("dim", [1, 7, 10**6])
@pytest.mark.parametrize("delta", [1e-6, 0.5, 20.0])
def test_jensen_shannon_meets_the_gaussian_and_small_shifts_the_kl(dim, delta):
    assert js(delta, math.inf, dim) == gaussian.js(delta)
    assert js(delta, 1e9, dim) == pytest.approx(gaussian.js(delta), rel=1e-6)
    assert js(1e-6, 4, dim) == pytest.approx(kl(1e-6, 4, dim) / 4, rel=1e-9)


# df, delta, in one dimension: mpmath, 40 digits, the integral of the definition on intervals that double from the peaks
HEAVY = {
    (1e-3, 1.0): 0.00144821095932843,
    (0.01, 1e-6): 4.19435215942925e-14,
    (0.01, 1e3): 0.05190325234035469,
    (0.5, 1e3): 0.6595181402493312,
    (1e6, 1.0): 0.1114212968637931,
}


def test_jensen_shannon_of_long_tails_on_a_line():
    for (df, delta), expected in HEAVY.items():
        assert js(delta, df, 1) == pytest.approx(expected, rel=1e-13)
    assert js(1.0, 1e-3, 1) < js(1e4, 1e-3, 1) < js(1e300, 1e-3, 1) <= math.log(2)


def test_jensen_shannon_of_long_tails_across_the_line():
    """A quadrature of the densities in the plane, on intervals that double, gives as many digits."""
    assert js(1.0, 0.01, 2) == pytest.approx(0.00971307406493755, rel=1e-12)
    assert js(30.0, 0.1, 100) == pytest.approx(0.2281217979991, rel=1e-12)
    with pytest.raises(NoExactForm, match="does not converge"):
        js(1e5, 1e-3, 2)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("df", [1e-300, 1e-3, 0.3, 1.0, 1e15, 1e20, 1e300])
def test_total_variation_at_the_ends(df):
    """P(|T| < delta / 2) grows with the distance: for few df in proportion to them, for many as the normal law's."""
    values = [tv(delta, df) for delta in (1e-12, 1e-3, 1.0, 8.0, 1e6, 1e150)]
    assert all(0 < low <= high <= 1 for low, high in pairwise(values))
    if df >= 1e15:
        assert values == pytest.approx([gaussian.tv(delta) for delta in (1e-12, 1e-3, 1.0, 8.0, 1e6, 1e150)], rel=1e-13)
    if df < 1e-5:  # df (log(delta) - log(df) / 2), whatever the rest
        assert values[-1] == pytest.approx(df * (math.log(1e150) - math.log(df) / 2), rel=1e-3, abs=0)
    if df == 1:
        assert values == pytest.approx([2 / math.pi * math.atan(d / 2) for d in (1e-12, 1e-3, 1.0, 8.0, 1e6, 1e150)])
    if df == 1e-3:  # 1 less the incomplete Beta function of (df / 2, 1 / 2) at 1e-3, by mpmath's series
        assert tv(2 * math.sqrt(999 * 1e-3), df) == pytest.approx(0.0041377796, rel=1e-7)


def test_infinite_degrees_of_freedom_are_the_gaussian_in_every_measure():
    unequal = shift_of([0.3, -0.2], [[2, 0.5], [0.5, 1]], [[1, 0.1], [0.1, 2]])
    found, limit = pair(unequal, df=math.inf, pruned_df="same"), GaussianPair(unequal)
    assert found.kl() == limit.kl()
    assert found.reversed().kl() == limit.reversed().kl()
    assert [found.renyi(alpha) for alpha in (0.3, 1.2)] == [limit.renyi(alpha) for alpha in (0.3, 1.2)]
    assert found.w2() == limit.w2()
    assert found.tv_lower() == limit.tv_lower()
    one = Shift.of_one_scale(2.0, 5)
    found, limit = pair(one, df=math.inf, pruned_df=math.inf), GaussianPair(one)
    assert (found.kl(), found.tv(), found.js(), found.tv_lower()) == (
        limit.kl(),
        limit.tv(),
        limit.js(),
        limit.tv_lower(),
    )


def test_orders_above_one():
    one = Shift.of_one_scale(1.0, 3)
    assert pair(one, df=4, pruned_df=13).renyi(1.5) == math.inf  # 1.5 * 4 - 0.5 * 13 < 0: the tail of q is too light
    assert pair(one, df=4, pruned_df=math.inf).renyi(1.5) == math.inf
    assert pair(Shift.of_one_scale(0.0, 3), df=4, pruned_df="same").renyi(3.0) == 0
    for df, pruned_df in ((4, 4), (4, 11), (math.inf, 4)):
        with pytest.raises(NoExactForm, match="below order 1"):
            pair(one, df=df, pruned_df=pruned_df).renyi(1.5)


def test_wasserstein():
    assert shifted(2.0, 4, 3).w2() == shifted(2.0, 1, 3).w2() == 2  # a translation is optimal whatever the tails
    difference, first, second = [0.3, -0.2], np.diag([4.0, 1.0]), np.diag([1.0, 1.0])
    unequal = shift_of(difference, first, second)
    covariances = shift_of(difference, 2 * first, 2 * second)  # of t_4
    assert pair(unequal, df=4, pruned_df=4).w2() == pytest.approx(GaussianPair(covariances).w2(), rel=1e-12)
    assert pair(unequal, df=2, pruned_df=2).w2() == math.inf
    assert pair(Shift.of_one_scale(0.0, 3), df=1.5, pruned_df=1).w2() == math.inf
    with pytest.raises(NotDefined, match="different df"):
        pair(unequal, df=4, pruned_df=5).w2()


def test_lower_bounds_of_total_variation_are_of_covariances():
    """For t_4 the covariance is twice the scale matrix."""
    assert shifted(1.0, 4, 10).tv_lower() == {
        "lemma_1": pytest.approx(1 / 81, rel=1e-14),
        "lemma_1_best": pytest.approx(0.5 / 4.5, rel=1e-14),
    }
    assert shifted(1.0, 2, 10).tv_lower() == {"lemma_1": None, "lemma_1_best": None}
    assert pair(Shift.of_one_scale(1.0, 3), df=4, pruned_df=6).tv_lower()["lemma_1"] == pytest.approx(1 / 22, rel=1e-14)
    unknown = pair(Shift.of_one_scale(1.0, 3, known=False), df=4, pruned_df="same").tv_lower()
    assert unknown == {"lemma_1": None, "lemma_1_best": pytest.approx(1 / 9, rel=1e-14)}
    unequal = shift_of([0.1, -0.2, 0.3], np.diag([1.0, 2, 3]), np.diag([2.0, 1, 1]))
    covariances = shift_of([0.1, -0.2, 0.3], 2 * np.diag([1.0, 2, 3]), 1.5 * np.diag([2.0, 1, 1]))  # of t_4 and t_6
    found = pair(unequal, df=4, pruned_df=6).tv_lower()
    assert found == pytest.approx(GaussianPair(covariances).tv_lower(), rel=1e-12)


def test_unequal_laws_have_no_exact_total_variation():
    for found in (
        pair(Shift.of_one_scale(1.0, 3), df=4, pruned_df=5),
        pair(shift_of([1.0], [[2.0]], [[1.0]]), df=4, pruned_df=4),
    ):
        for measure in (found.tv, found.js):
            with pytest.raises(NoExactForm, match="two scales or df"):
                measure()


@pytest.mark.parametrize(
    ("df", "pruned_df"), [(0, "same"), (-1, 4), (4, 0), (4, "-2"), (math.nan, "same"), (4, math.nan)]
)
def test_degrees_of_freedom_are_positive(df, pruned_df):
    with pytest.raises(ValueError, match="expected a number above 0"):
        pair(Shift.of_one_scale(1.0, 3), df=df, pruned_df=pruned_df)


def test_pruned_degrees_of_freedom_are_a_number_or_the_same():
    one = Shift.of_one_scale(1.0, 3)
    assert pair(one, df=4, pruned_df="same") == StudentTPair(one, 4.0, 4.0)
    assert pair(one, df=4, pruned_df="inf").pruned_df == math.inf
    assert pair(one, df=4, pruned_df="7").reversed().df == 7
    with pytest.raises(ValueError, match="expected same or a number"):
        pair(one, df=4, pruned_df="all")


@pytest.mark.parametrize(
    ("dim", "df", "nats", "expected"),
    [
        (100, 4, 1e-6, 0.0014277470246051),
        (100, 4, 0.1, 0.4518012222347),
        (100, 4, 2, 2.0467378287253),
        (1, 1, 2, 5.0553164486234),
        (100, 4, 20, 7.2863428798682),
    ],
)
def test_distance_reference_values(dim, df, nats, expected):
    assert distance(nats, df, dim) == pytest.approx(expected, rel=2e-13)


@pytest.mark.parametrize("dim", [1, 10, 10_000])
@pytest.mark.parametrize("df", [0.5, 1, 4, 1e3, 1e8])
def test_distance_inverts_the_divergence(dim, df):
    for nats in (1e-300, 1e-12, 1e-3, 1.0, 50.0, 1e3):
        delta = distance(nats, df, dim)
        assert delta == math.inf or kl(delta, df, dim) == pytest.approx(nats, rel=1e-12)


def test_distance_at_the_ends():
    assert distance(0.0, 4, 10) == 0
    assert distance(math.inf, 4, 10) == distance(1e4, 1, 1) == math.inf  # of the Cauchy distribution 2 exp(5000)
    assert distance(600.0, 1, 1) == pytest.approx(2 * math.sqrt(math.expm1(600)), rel=1e-11)
    assert distance(3.0, math.inf, 10) == pytest.approx(math.sqrt(6), rel=1e-15)
    with pytest.raises(ValueError, match="kl_value is -1: expected 0 or more"):
        distance(-1.0, 4, 10)
