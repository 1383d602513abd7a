"""Laplace and Cauchy laws: densities integrated, other libraries, 50 digits, sums by hand, and hostile corners."""

import math
import warnings
from itertools import pairwise

import mpmath
import numpy as np
import pytest
import torch
from mpmath import mp
from scipy import integrate, stats
from torch.distributions import Laplace, kl_divergence

from apcli.errors import UsageError
from apcli.theory import MEASURES, measures
from apcli.theory.bounds.total_variation import lemma_1, lemma_1_best
from apcli.theory.distributions import cauchy as cauchy_law
from apcli.theory.distributions import laplace as laplace_law
from apcli.theory.distributions.products import ProductPair, ProductReduction, cauchy, laplace
from apcli.theory.measures import NoExactForm, NotDefined

FAMILIES = {"laplace": (laplace, laplace_law, stats.laplace), "cauchy": (cauchy, cauchy_law, stats.cauchy)}
SCALES = [(1.0, 1.0), (0.7, 1.9), (2.0, 0.3)]
ORDERS = [1e-6, 0.1, 0.3, 0.499, 0.5, 0.500001, 0.7, 0.999999, 1.000001, 1.2, 1.5, 1.6, 2.0, 5.5, 40.0]
SHIFTS = [0.0, 1e-9, 1e-4, 0.1, 0.2, 0.3, 0.6, 0.7, 1.0, 5.0, 40.0, 1e4, 1e9, 1e20, 1e100]


def integral(family: str, integrand, x: float, scales: tuple[float, float]) -> float:
    """The integral of ``integrand(log p, log q)`` over the line, with t = sinh s between the densities' cusps."""

    def log_density(distance: float, scale: float) -> float:
        if family == "laplace":
            return -abs(distance) / scale - math.log(2 * scale)
        return -math.log(math.pi * scale) - math.log1p((distance / scale) ** 2)

    def of(s: float) -> float:
        t = math.sinh(s)
        return integrand(log_density(t, scales[0]), log_density(t - x, scales[1])) * math.cosh(s)

    reach = 7 if family == "laplace" else 35
    ends = [-reach, 0.0, math.asinh(x), reach]
    return sum(integrate.quad(of, a, b, epsabs=0, epsrel=1e-12, limit=400)[0] for a, b in pairwise(ends) if a < b)


def exact(family: str, alpha: float, x: float, scales: tuple[float, float]) -> float:
    """Renyi of order ``alpha``, or KL for 1, in 60 digits by the plainest formula."""
    with mp.workdps(130 if x > 1e30 else 60):
        b1, b2, x, alpha = (mp.mpf(value) for value in (*scales, x, alpha))
        if family == "cauchy":
            y2 = (x**2 + (b1 - b2) ** 2) / (4 * b1 * b2)
            return float(mp.log1p(y2) if alpha == 1 else mp.log(mp.hyp2f1(1 - alpha, alpha, 1, -y2)) / (alpha - 1))
        if alpha == 1:
            return float(mp.log(b2 / b1) + x / b2 + b1 / b2 * mp.exp(-x / b1) - 1)
        a, b = alpha / b1, (1 - alpha) / b2
        if a + b <= 0:
            return math.inf
        if a == b:
            return float(mp.log((1 + a * x) * mp.exp(-a * x) / (2 * a) * b1**-alpha * b2 ** (alpha - 1)) / (alpha - 1))
        whole = 2 * (b * mp.exp(-a * x) - a * mp.exp(-b * x)) / (b * b - a * a)
        return float(mp.log(whole / ((2 * b1) ** alpha * (2 * b2) ** (1 - alpha))) / (alpha - 1))


# ---- one weight


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("scales", SCALES)
@pytest.mark.parametrize("x", [0.0, 0.2, 1.3, 6.0])
def test_against_integrals_of_the_densities(family, scales, x):
    law, at = FAMILIES[family][1], np.array([x])
    kl = integral(family, lambda p, q: math.exp(p) * (p - q), x, scales)
    assert law.kl(at, *scales)[0] == pytest.approx(kl, rel=1e-9, abs=1e-11)
    for alpha in (0.2, 0.5, 0.8, 1.1):
        whole = integral(family, lambda p, q: math.exp(alpha * p + (1 - alpha) * q), x, scales)  # noqa: B023
        found = law.renyi(at, alpha, *scales)[0]
        assert found == pytest.approx(math.log(whole) / (alpha - 1), rel=1e-8, abs=1e-10), alpha


@pytest.mark.parametrize("scales", SCALES)
def test_laplace_against_torch(scales):
    x = np.abs(np.random.default_rng(1).normal(size=100)) * 3
    first = Laplace(torch.zeros(100, dtype=torch.float64), scales[0])
    second = Laplace(torch.tensor(x), scales[1])
    assert laplace_law.kl(x, *scales) == pytest.approx(kl_divergence(first, second).numpy(), rel=1e-12)


@pytest.mark.slow
@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("scales", [*SCALES, (1.0, 1 + 1e-9), (1e-3, 1.0), (30.0, 1e-2)])
def test_every_digit_from_small_to_large_shifts(family, scales):
    law, x = FAMILIES[family][1], np.array(SHIFTS)
    with np.errstate(over="ignore"):
        assert law.kl(x, *scales) == pytest.approx([exact(family, 1, s, scales) for s in SHIFTS], rel=2e-14)
    for alpha in ORDERS:
        with np.errstate(over="ignore"):
            found = law.renyi(x, alpha, *scales)
        expected = [exact(family, alpha, s, scales) for s in SHIFTS]
        assert found == pytest.approx(expected, rel=3e-13, abs=1e-30), alpha


@pytest.mark.parametrize(
    "alpha", [0.5 - 1e-9, 0.45, 0.499, 0.5, 0.51, 0.9, 1 - 1e-12, 1 + 1e-12, 1.4, 1.6, 60.3, 79.5, 80.0]
)
def test_cauchy_orders_where_its_pieces_meet(alpha):
    x = np.array([0.632, 0.633, 1.99e4, 2.01e4, 1.99e8, 2.01e8])
    expected = [exact("cauchy", alpha, s, (1.0, 1.0)) for s in x]
    assert cauchy_law.renyi(x, alpha, 1.0, 1.0) == pytest.approx(expected, rel=3e-13)


@pytest.mark.parametrize("family", FAMILIES)
def test_nothing_overflows(family):
    """Shifts at the end of what a float holds, without a warning."""
    law, x = FAMILIES[family][1], np.array([1e160, 1e250, 1e300])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for alpha in (0.01, 0.3, 0.5, 0.7, 1.0, 2.0, 30.0):
            found = law.kl(x, 1.0, 2.0) if alpha == 1 else law.renyi(x, alpha, 1.0, 2.0)
            assert np.all(np.isfinite(found))
            assert np.all(np.diff(found) > 0)
    grown = {"laplace": 0.5 * 1e300, "cauchy": math.log(1e300**0.5 / 8**0.5) * 2 + math.log(1e300)}
    assert law.kl(x, 1.0, 2.0)[-1] == pytest.approx(grown[family], rel=1e-12)


def test_laplace_orders_whose_integral_diverges():
    x = np.array([0.0, 1.0])
    assert np.all(laplace_law.renyi(x, 2.0, 2.0, 1.0) == math.inf)  # alpha / b1 = (alpha - 1) / b2
    assert np.all(laplace_law.renyi(x, 3.0, 2.0, 1.0) == math.inf)
    assert np.all(np.isfinite(laplace_law.renyi(x, 1.99, 2.0, 1.0)))
    assert np.all(np.isfinite(laplace_law.renyi(x, 50.0, 1.0, 2.0)))


def test_orders_that_are_too_high_for_cauchy():
    with pytest.raises(ValueError, match="renyi:alpha is 81: expected an order up to 80 for Cauchy distributions"):
        cauchy_law.renyi(np.ones(1), 81.0, 1.0, 1.0)


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("scales", SCALES)
def test_laws_of_divergences(family, scales):
    law, x = FAMILIES[family][1], np.linspace(0, 6, 50)
    forth, back = law.kl(x, *scales), law.kl(x, *scales[::-1])
    assert forth.min() >= 0
    assert (forth[0] == 0) == (scales[0] == scales[1])
    assert np.all(np.diff(forth) > 0)
    if family == "cauchy" or scales[0] == scales[1]:
        assert back == pytest.approx(forth, rel=1e-13)
    orders = [law.renyi(x, alpha, *scales) for alpha in (0.2, 0.5, 0.8)] + [forth, law.renyi(x, 1.05, *scales)]
    assert np.all(np.diff(orders, axis=0) >= 0)  # Renyi never falls with its order, and is KL at 1
    for alpha in (0.2, 0.5, 0.8):  # skew symmetry
        turned = alpha / (1 - alpha) * law.renyi(x, 1 - alpha, *scales[::-1])
        assert law.renyi(x, alpha, *scales) == pytest.approx(turned, rel=1e-12)


@pytest.mark.parametrize("x", [0.0, 1e-9, 0.4, 3.0, 700.0])
@pytest.mark.parametrize("scale", [0.6, 1.0])
def test_total_variation_of_one_weight(x, scale):
    """The densities cross half-way: TV is what lies between their cumulative distributions there."""
    for _, law, known in FAMILIES.values():
        between = known(0, scale).cdf(x / 2) - known(x, scale).cdf(x / 2)
        assert law.tv(x, scale, scale) == pytest.approx(between, rel=1e-7, abs=1e-16)
        with pytest.raises(NoExactForm, match="of different scales"):
            law.tv(x, scale, 2.0)


def test_wasserstein_of_one_weight_by_quantiles():
    """The integral of the squared difference of the quantile functions."""
    first, second = stats.laplace(0, 0.7), stats.laplace(1.1, 1.9)
    squared = 2 * integrate.quad(lambda u: (first.ppf(u) - second.ppf(u)) ** 2 / 2, 0, 1, limit=400)[0]
    assert laplace_law.w2(1.1, 1, 0.7, 1.9) == pytest.approx(math.sqrt(squared), rel=1e-7)
    assert laplace_law.w2(1e200, 3, 1.0, 1.0) == 1e200
    assert cauchy_law.w2(1.1, 1, 0.7, 0.7) == 1.1
    with pytest.raises(NotDefined, match="w2 of Cauchy distributions of different scales is infinite"):
        cauchy_law.w2(1.1, 1, 0.7, 1.9)


# ---- many weights

DIFFERENCE = np.where(np.arange(50_000) % 3 == 0, 0.0, np.random.default_rng(4).standard_t(2, size=50_000))
ASKED = "kl,reverse-kl,jeffreys,renyi:alpha=0.3,bhattacharyya,hellinger,w2,tv,js"


def reduced(family: str, difference: np.ndarray, scales=(1.0, "same"), asked: str = ASKED, *, keep=False, step=7000):
    reduction = FAMILIES[family][0](scale=scales[0], pruned_scale=scales[1]).reduction(MEASURES.parse_list(asked), keep)
    for start in range(0, len(difference), step):
        reduction.absorb(reduction.reduce(start, difference[start : start + step]))
    return reduction


def value(pair: ProductPair, spec: str) -> float:
    return measures.exact(pair, MEASURES.parse(spec))


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("scales", [(1.0, "same"), (0.7, "1.9")])
def test_sums_over_weights(family, scales):
    """Every measure against its own sum over all weights, those that did not move included."""
    law, x = FAMILIES[family][1], np.abs(DIFFERENCE)
    b = scales[0], scales[0] if scales[1] == "same" else float(scales[1])
    pair = reduced(family, DIFFERENCE, scales).pair()
    assert (pair.dim, pair.family, pair.scale, pair.pruned_scale) == (50_000, family, *b)
    forth, back = math.fsum(law.kl(x, *b)), math.fsum(law.kl(x, *b[::-1]))
    affinity = math.fsum(law.renyi(x, 0.5, *b)) / 2
    expected = {
        "kl": forth,
        "reverse-kl": back,
        "jeffreys": forth + back,
        "renyi:alpha=0.3": math.fsum(law.renyi(x, 0.3, *b)),
        "renyi:alpha=0.5": 2 * affinity,
        "bhattacharyya": affinity,
        "hellinger": math.sqrt(-math.expm1(-affinity)),
    }
    for spec, number in expected.items():
        assert value(pair, spec) == pytest.approx(number, rel=1e-13), spec
    turned = pair.reversed()
    assert (turned.scale, turned.pruned_scale, turned.kl()) == (*b[::-1], pair.reversed().kl())
    assert turned.kl() == pytest.approx(back, rel=1e-13)
    assert turned.reversed().kl() == pair.kl()


@pytest.mark.parametrize("family", FAMILIES)
def test_blocks_do_not_matter(family):
    numbers = {}
    for step in (1000, 7000, 50_000):
        pair = reduced(family, DIFFERENCE, (0.7, "1.9"), step=step, keep=True).pair()
        numbers[step] = [value(pair, spec) for spec in ("kl", "reverse-kl", "renyi:alpha=0.3")] + [pair.length]
        assert np.array_equal(pair.differences, np.abs(DIFFERENCE[DIFFERENCE != 0]))
    assert numbers[1000] == pytest.approx(numbers[7000], rel=4e-16 * 10)
    assert numbers[1000] == pytest.approx(numbers[50_000], rel=4e-16 * 10)


@pytest.mark.parametrize("family", FAMILIES)
def test_layers_taken_as_one(family):
    """Independent layers: sums add, in whatever order, and an empty layer adds nothing."""
    cuts = [0, 10, 10, 30_000, 50_000]
    layers = [reduced(family, DIFFERENCE[a:b], (0.7, 1.9), keep=True) for a, b in pairwise(cuts)]
    whole = reduced(family, DIFFERENCE, (0.7, 1.9), keep=True).pair()
    for order in (layers, layers[::-1]):
        pooled = ProductReduction.pooled(order).pair()
        assert pooled.dim == whole.dim
        assert pooled.length == pytest.approx(whole.length, rel=1e-14)
        assert np.array_equal(np.sort(pooled.differences), np.sort(whole.differences))
        for spec in ("kl", "jeffreys", "hellinger"):
            assert value(pooled, spec) == pytest.approx(value(whole, spec), rel=1e-14)
    assert ProductReduction.pooled([layers[1]]).pair().kl() == 0


@pytest.mark.parametrize("family", FAMILIES)
def test_weights_that_did_not_move(family):
    same = reduced(family, np.zeros(9)).pair()
    assert (same.kl(), value(same, "hellinger"), same.w2(), same.dim) == (0, 0, 0, 9)
    wider = reduced(family, np.zeros(9), (1.0, 2.0)).pair()
    assert wider.kl() == pytest.approx(9 * FAMILIES[family][1].kl(np.zeros(1), 1.0, 2.0)[0], rel=1e-15)
    assert wider.kl() > 0


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("size", [1e-200, 1e-30, 1e30, 1e200])
def test_only_ratios_to_the_scale_matter(family, size):
    """Weights and scales of any size, without a warning."""
    x = DIFFERENCE[:600]
    plain = reduced(family, x, (0.7, 1.9)).pair()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        scaled = reduced(family, size * x, (0.7 * size, 1.9 * size)).pair()
        for spec in ("kl", "reverse-kl", "renyi:alpha=0.3", "hellinger"):
            assert value(scaled, spec) == pytest.approx(value(plain, spec), rel=1e-12)
        assert scaled.length == pytest.approx(size * plain.length, rel=1e-12)
        if family == "laplace":
            assert scaled.w2() == pytest.approx(size * plain.w2(), rel=1e-12)


def test_what_overflows_is_infinite():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert reduced("laplace", np.full(40, 1e300), (1e-30, 1e-30)).pair().kl() == math.inf
        assert reduced("laplace", np.full(40, 1.7e308), step=1).pair().kl() == math.inf
        assert reduced("cauchy", np.full(40, 1e300), (1e-30, 1e-30)).pair().kl() > 0
        assert value(reduced("laplace", np.ones(3), (2.0, 1.0), "renyi:alpha=3").pair(), "renyi:alpha=3") == math.inf


def test_total_variation_and_jensen_shannon():
    for family, (_, law, _) in FAMILIES.items():
        one = reduced(family, np.array([-0.8])).pair()
        assert one.tv() == law.tv(0.8, 1.0, 1.0)
        with pytest.raises(NoExactForm, match="more than one weight"):
            reduced(family, np.ones(2)).pair().tv()
        for pair in (one, reduced(family, np.ones(2)).pair()):
            with pytest.raises(NoExactForm, match="Jensen-Shannon"):
                pair.js()


@pytest.mark.parametrize("scales", [(1.0, "same"), (0.7, "1.9")])
def test_bounds_on_total_variation(scales):
    """Lemma 1 for the covariances 2 b^2 I, below its best form, below TV itself where that is known."""
    for difference in (np.array([0.8]), DIFFERENCE):
        pair = reduced("laplace", difference, scales).pair()
        bounds = pair.tv_lower()
        traces = [2 * b * b * len(difference) for b in (pair.scale, pair.pruned_scale)]
        assert bounds["lemma_1"] == pytest.approx(lemma_1(float(np.linalg.norm(difference)), *traces), rel=1e-13)
        deviations = math.sqrt(2) * (pair.scale + pair.pruned_scale)  # along w - w~
        share = np.linalg.norm(difference) ** 2 / (deviations**2 + np.linalg.norm(difference) ** 2)
        assert bounds["lemma_1_best"] == pytest.approx(share, rel=1e-13)
        if scales[1] == "same":
            delta = float(np.linalg.norm(difference)) / math.sqrt(2)
            assert bounds["lemma_1_best"] == pytest.approx(lemma_1_best(delta), rel=1e-13)
        assert 0 < bounds["lemma_1"] <= bounds["lemma_1_best"] <= value(pair, "hellinger") * math.sqrt(2)
    assert reduced("laplace", np.array([0.8])).pair().tv_lower()["lemma_1_best"] <= laplace_law.tv(0.8, 1.0, 1.0)
    assert reduced("cauchy", DIFFERENCE, scales).pair().tv_lower() == {"lemma_1": None, "lemma_1_best": None}


def test_only_what_was_asked_is_summed():
    reduction = reduced("laplace", DIFFERENCE, (1.0, 2.0), "kl,w2")
    assert len(reduction.orders) == 1
    pair = reduction.pair()
    with pytest.raises(ValueError, match=r"Renyi divergence of order 0.5 was not summed"):
        pair.renyi(0.5)
    with pytest.raises(ValueError, match="KL was not summed"):
        pair.reversed().kl()
    with pytest.raises(ValueError, match="were not kept"):
        len(pair.differences)
    drawn = reduced("laplace", DIFFERENCE, asked="tv")  # which only Monte Carlo gives
    assert (drawn.orders, len(drawn.pair().differences)) == ((), np.count_nonzero(DIFFERENCE))
    assert len(reduced("laplace", DIFFERENCE, asked="jeffreys").orders) == 1  # of one scale, both KL are one
    assert len(reduced("laplace", DIFFERENCE, (1.0, 2.0), "jeffreys,hellinger,bhattacharyya").orders) == 3


def test_what_is_refused():
    for family in (laplace, cauchy):
        for scales, message in (
            ((0.0, "same"), "scale is 0: expected a positive number"),
            ((math.nan, "same"), "scale is nan"),
            ((1.0, math.inf), "pruned_scale is inf"),
            ((1.0, "-2"), "pruned_scale is -2"),
            ((1.0, "narrow"), "pruned_scale is 'narrow': expected same or a number"),
        ):
            with pytest.raises(ValueError, match=message):
                family(scale=scales[0], pruned_scale=scales[1])
        for alpha in ("1", "0", "-2", "inf", "nan"):
            with pytest.raises((ValueError, UsageError), match="renyi:alpha is"):
                family(scale=1.0, pruned_scale="same").reduction(MEASURES.parse_list(f"renyi:alpha={alpha}"), False)


@pytest.mark.parametrize("ratio", [1e-12, 1e-6, 0.3, 1 - 1e-9, 1e6, 1e12])
def test_laplace_scales_far_apart_and_close_keep_their_digits(ratio):
    with mpmath.workdps(50):
        r, x = mpmath.mpf(ratio), mpmath.mpf(1e-3)
        kl = -mpmath.log(r) + x + r * mpmath.exp(-x / r) - 1
        a, b = 1 / (2 * r), mpmath.mpf(1) / 2
        mixed = (a * mpmath.exp(-b * x) - b * mpmath.exp(-a * x)) / (a - b) / (a + b) / mpmath.sqrt(r)
        half = -2 * mpmath.log(mixed)
    given = np.array([1e-3])
    assert laplace_law.kl(given, ratio, 1.0)[0] == pytest.approx(float(kl), rel=1e-12)
    assert laplace_law.renyi(given, 0.5, ratio, 1.0)[0] == pytest.approx(float(half), rel=1e-9)
