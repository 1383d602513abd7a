"""Independent weights: sums over them by hand, in blocks and layers, and hostile corners."""

import math
import warnings
from itertools import pairwise

import numpy as np
import pytest

from apcli.errors import UsageError
from apcli.theory import MEASURES, measures
from apcli.theory.bounds.total_variation import lemma_1, lemma_1_best
from apcli.theory.distributions import cauchy as cauchy_law
from apcli.theory.distributions import laplace as laplace_law
from apcli.theory.distributions.products import ProductPair, ProductReduction, cauchy, laplace
from apcli.theory.measures import NoExactForm

FAMILIES = {"laplace": (laplace, laplace_law), "cauchy": (cauchy, cauchy_law)}

DIFFERENCE = np.where(np.arange(20_000) % 3 == 0, 0.0, np.random.default_rng(4).standard_t(2, size=20_000))
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
    assert (pair.dim, pair.family, pair.scale, pair.pruned_scale) == (20_000, family, *b)
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
    for step in (1000, 7000, 20_000):
        pair = reduced(family, DIFFERENCE, (0.7, "1.9"), step=step, keep=True).pair()
        numbers[step] = [value(pair, spec) for spec in ("kl", "reverse-kl", "renyi:alpha=0.3")] + [pair.length]
        assert np.array_equal(pair.differences, np.abs(DIFFERENCE[DIFFERENCE != 0]))
    assert numbers[1000] == pytest.approx(numbers[7000], rel=4e-16 * 10)
    assert numbers[1000] == pytest.approx(numbers[20_000], rel=4e-16 * 10)


@pytest.mark.parametrize("family", FAMILIES)
def test_layers_taken_as_one(family):
    """Independent layers: sums add, in whatever order, and an empty layer adds nothing."""
    cuts = [0, 10, 10, 12_000, 20_000]
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
    for family, (_, law) in FAMILIES.items():
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
        distance, log_eigenvalue = (
            np.array([np.linalg.norm(difference)]),
            2 * math.log(pair.scale / pair.pruned_scale),
        )
        best = lemma_1_best(distance / (math.sqrt(2) * pair.pruned_scale), np.array([log_eigenvalue]))
        assert bounds["lemma_1_best"] == pytest.approx(best, rel=1e-13)
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
