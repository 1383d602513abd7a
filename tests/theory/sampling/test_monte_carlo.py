"""Monte Carlo against exact values, quadrature of the densities, and its own standard error."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from pairs import estimate, product, shift, student, z_score
from scipy import stats

from apcli.theory import MEASURES, measures
from apcli.theory.distributions.gaussian import GaussianPair
from apcli.theory.distributions.shifts import Shift
from apcli.theory.distributions.student_t import StudentTPair
from apcli.theory.measures import NotDefined
from apcli.theory.sampling import monte_carlo
from apcli.theory.sampling.functionals import Estimate

ALL = ["kl", "reverse-kl", "jeffreys", "renyi:alpha=0.3", "bhattacharyya", "hellinger", "tv", "js"]
INF = math.inf


# ---- against values known otherwise

# ap3.md sections 4.1 and 4.2: quadrature to 30 digits and more
KL = [
    (student(1e-4, 4.0, 100), 4.90566037703020774e-9),
    (student(0.1, 4.0, 100), 0.00490533213154900908),
    (student(1.0, 4.0, 100), 0.487319685981082068),
    (student(10.0, 4.0, 100), 32.1992327521123277),
    (student(1.0, 1.0, 1), 0.2231435513142098),
    (student(2.0, 0.5, 1), 0.508998590545547911),
    (student(0.5, 4.0, 20480), 0.124986652935240449),
    (student(0.01, 4.0, 10**6), 4.99998999996850e-5),
    (StudentTPair(shift([1.5, 0.6], [0.3, -1]), 4.0, 4.0), 0.49107229760918),
    (StudentTPair(shift([2.0, 5], [0, 0]), 3.0, 6.0), 0.79156153055209),
    (StudentTPair(shift([0.2, 3], [1, 1]), 5.0, 2.0), 1.23058037978835),
    (StudentTPair(shift([1.0], [0.0]), 5.0, INF), 0.12476919412361),
    (StudentTPair(shift([1.0], [0.5], [1]), INF, 4.0), 0.1432638353279),
    (StudentTPair(shift([1.0], [0.5], [100]), INF, 5.0), 1.201536581443662),
    (GaussianPair(Shift.of_one_scale(3e-5, 10**7)), 4.5e-10),
    (GaussianPair(shift([1.5, 0.6, 1], [0.3, 1, 0], [1, 1, 7])), 0.5 * (0.09 + 1 - math.log(1.5 * 0.6) + 0.1)),
]


@pytest.mark.slow
@pytest.mark.parametrize(("pair", "value"), KL)
def test_kl_meets_reference_values(pair, value):
    found = estimate(pair, samples=100_000)
    if found.std_error > 1e-12 * value:
        assert abs(z_score(found, value)) < 4
    else:  # shifted Gaussians of one scale: antithetic pairs are exact
        assert found.value == pytest.approx(value, rel=1e-9)


def test_many_eigenvalues_meet_the_reference_value():
    i = np.arange(1, 101)
    pair = StudentTPair(shift(np.exp(0.1 * np.sin(i)), 0.1 * np.cos(i)), 4.0, 4.0)
    assert abs(z_score(estimate(pair, samples=20_000), 0.36588687256376)) < 4


@pytest.mark.parametrize("measure", ALL)
@pytest.mark.parametrize("pair", [student(1.0, 4.0, 1), student(0.5, 3.0, 10), GaussianPair(Shift.of_one_scale(1, 50))])
def test_every_measure_meets_its_exact_value(pair, measure):
    value = measures.exact(pair, MEASURES.parse(measure))
    found = estimate(pair, measure)
    assert found.value == pytest.approx(value, rel=1e-9) or abs(z_score(found, value)) < 4


@pytest.mark.parametrize(
    ("measure", "value"),
    [("js", 1.2264150922e-9), ("renyi:alpha=0.3", 1.4716981128e-9), ("bhattacharyya", 1.2264150932e-9)],
)
def test_small_divergences_keep_their_digits(measure, value):
    """Values of ap3.md, section 5, resolved to 1 in 20 by 40,000 points whose log-ratio is 1e-4."""
    found = estimate(student(1e-4, 4.0, 100), measure)
    assert abs(z_score(found, value)) < 4
    assert found.std_error < 0.05 * value


def test_an_order_above_one_meets_its_closed_form():
    found = estimate(GaussianPair(Shift.of_one_scale(0.4, 50)), "renyi:alpha=1.5")
    assert abs(z_score(found, 1.5 / 2 * 0.4**2)) < 4


def by_quadrature(p, q) -> dict[str, float]:
    """All measures of two laws on the line, densities given as logarithms; good to 1e-6 where a density has a kink."""
    t = np.linspace(-36, 36, 100_001)
    x, dx = np.sinh(t), np.cosh(t) * (t[1] - t[0])
    p, q = p(x), q(x)
    mixture = np.logaddexp(p, q) - math.log(2)

    def integral(values):
        return float(np.sum(values * dx))

    forth, back = integral(np.exp(p) * (p - q)), integral(np.exp(q) * (q - p))
    affinity = integral(np.exp((p + q) / 2))
    return {
        "kl": forth,
        "reverse-kl": back,
        "jeffreys": forth + back,
        "renyi:alpha=0.3": math.log(integral(np.exp(0.3 * p + 0.7 * q))) / -0.7,
        "bhattacharyya": -math.log(affinity),
        "hellinger": math.sqrt(1 - affinity),
        "tv": integral(abs(np.exp(p) - np.exp(q))) / 2,
        "js": integral(np.exp(p) * (p - mixture) + np.exp(q) * (q - mixture)) / 2,
    }


def laplace_logpdf(location, scale):
    """SciPy's is -inf in the far tails."""
    return lambda x: -np.abs(x - location) / scale - math.log(2 * scale)


ON_A_LINE = {  # log-densities of the dense and the pruned law, pair
    "student-t": (stats.t(3, 0.7, 1.4).logpdf, stats.t(6).logpdf, StudentTPair(shift([1.96], [0.7]), 3.0, 6.0)),
    "student-t and gaussian": (
        stats.t(5, 0.5, 0.8).logpdf,
        stats.norm().logpdf,
        StudentTPair(shift([0.64], [0.5]), 5.0, INF),
    ),
    "gaussian": (stats.norm(1.0, 1.3).logpdf, stats.norm().logpdf, GaussianPair(shift([1.69], [1.0]))),
    "laplace": (laplace_logpdf(0.8, 2.0), laplace_logpdf(0.0, 1.5), product("laplace", [0.8], 2.0, 1.5)),
    "cauchy": (stats.cauchy(0.8, 2).logpdf, stats.cauchy(0, 1.5).logpdf, product("cauchy", [0.8], 2.0, 1.5)),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", ON_A_LINE)
def test_different_scales_and_degrees_of_freedom_meet_quadrature(name):
    p, q, pair = ON_A_LINE[name]
    for measure, value in by_quadrature(p, q).items():
        assert abs(z_score(estimate(pair, measure), value)) < 4, measure


@pytest.mark.slow
@pytest.mark.parametrize("family", ["laplace", "cauchy"])
@pytest.mark.parametrize("scales", [(1.0, 1.0), (1.0, 2.0), (3.0, 1.0)])
def test_products_meet_their_sums(family, scales):
    """Coordinates that did not move count where the scales differ, and only there."""
    pair = product(family, [0.3, 1.0, 2.0, 0.01], *scales, dim=9)
    for measure in ("kl", "reverse-kl", "jeffreys", "renyi:alpha=0.3", "hellinger"):
        value = measures.exact(pair, MEASURES.parse(measure))
        assert abs(z_score(estimate(pair, measure), value)) < 4, measure


# ---- laws of the estimate


@pytest.mark.parametrize("measure", ALL)
@pytest.mark.parametrize(
    "pair",
    [student(0.0, 4.0, 7), GaussianPair(Shift.of_one_scale(0.0, 3)), product("laplace", [], dim=4)],
    ids=["student-t", "gaussian", "laplace"],
)
def test_equal_laws_are_at_zero_without_error(pair, measure):
    assert estimate(pair, measure, samples=1000) == Estimate(0.0, 0.0)


@pytest.mark.slow
@pytest.mark.parametrize("measure", ["kl", "js", "renyi:alpha=0.3"])
def test_error_falls_as_the_root_of_the_samples(measure):
    """Over many seeds: the error's own slope, and the standard error as what the error is."""
    value = measures.exact(student(0.5, 3.0, 10), MEASURES.parse(measure))
    sizes, seeds, errors, claimed = [250, 1000, 4000], 60, [], []
    for size in sizes:
        found = [estimate(student(0.5, 3.0, 10), measure, size, seed=seed) for seed in range(seeds)]
        errors.append(np.sqrt(np.mean([(e.value - value) ** 2 for e in found])))
        claimed.append(np.sqrt(np.mean([e.std_error**2 for e in found])))
    slope = np.polyfit(np.log(sizes), np.log(errors), 1)[0]
    assert slope == pytest.approx(-0.5, abs=0.1)
    assert np.log(errors) == pytest.approx(np.log(claimed), abs=0.35)


def test_antithetic_pairs_resolve_a_divergence_that_plain_draws_do_not():
    """The log-ratio's deviation is 1e-3, so 100,000 plain draws err by 3e-6 where the KL is 4.9e-7."""
    pair = student(1e-3, 4.0, 100)
    found = estimate(pair, samples=100_000)
    assert found.std_error < 0.01 * pair.kl()
    assert abs(z_score(found, pair.kl())) < 4


def test_one_command_gives_one_number_and_leaves_torch_as_it_was():
    state, threads = torch.random.get_rng_state(), torch.get_num_threads()
    first, again, other = (estimate(student(1.0, 4.0, 9), seed=seed) for seed in (5, 5, 6))
    assert first == again != other
    assert torch.equal(torch.random.get_rng_state(), state)
    assert torch.get_num_threads() == threads


def test_repeats_go_on_where_samples_end():
    pair = student(1.0, 4.0, 9)
    assert estimate(pair, samples=1000, repeats=30) == estimate(pair, samples=30_000)
    once, often = estimate(pair, samples=1000), estimate(pair, samples=1000, repeats=25)
    assert often.std_error == pytest.approx(once.std_error / 5, rel=0.25)
    assert often.value != once.value


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_draws_on_a_gpu():
    kl = MEASURES.parse("kl")
    for pair, value in [*KL[:8], (product("cauchy", [0.3, 1.0]), product("cauchy", [0.3, 1.0]).kl())]:
        first, again = (monte_carlo.estimate(pair, kl, 100_000, 1, 0, "cuda") for _ in range(2))
        assert first == again
        assert abs(z_score(first, value)) < 4


# ---- what is refused


def test_refusals_say_what_to_do():
    pair = student(1.0, 4.0, 9)
    with pytest.raises(NotDefined, match=r"w2 is no average.*exact"):
        estimate(pair, "w2")
    with pytest.raises(NotDefined, match="predictive is exact"):
        estimate(object())
    with pytest.raises(ValueError, match="at least 8"):
        estimate(pair, samples=7)
    with pytest.raises(ValueError, match=r"hours.*--samples"):
        estimate(pair, samples=10**13)
    with pytest.raises(ValueError, match="hours"):
        estimate(product("laplace", [0.1, 0.1], 1.0, 2.0, dim=10**6), samples=10**8)
    with pytest.raises(ValueError, match="order above 0"):
        monte_carlo.estimate(pair, replace(MEASURES.parse("renyi"), parameters={"alpha": -1.0}), 40, 1, 0, "cpu")
    with pytest.raises(ValueError, match="--estimator exact"):
        estimate(student(1e200, 4.0, 9))
    with pytest.raises(ValueError, match="singular"):
        estimate(GaussianPair(shift([0.0], [1.0])))
    with pytest.raises(ValueError, match="scales or more"):
        estimate(product("cauchy", [1e152]))
