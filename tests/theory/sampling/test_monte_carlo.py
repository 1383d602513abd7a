"""Monte Carlo against exact values, quadrature of the densities, and its own standard error."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy import stats

from apcli.projections import DISTRIBUTIONS
from apcli.theory import MEASURES, measures
from apcli.theory.distributions import products
from apcli.theory.distributions.gaussian import GaussianPair
from apcli.theory.distributions.products import ProductPair
from apcli.theory.distributions.shifts import Shift
from apcli.theory.distributions.student_t import StudentTPair
from apcli.theory.measures import NotDefined
from apcli.theory.sampling import functionals, log_ratios, monte_carlo, naive
from apcli.theory.sampling.functionals import Estimate

ALL = ["kl", "reverse-kl", "jeffreys", "renyi:alpha=0.3", "bhattacharyya", "hellinger", "tv", "js"]
INF = math.inf


CPU = torch.device("cpu")


def estimate(pair, measure="kl", samples=40_000, repeats=1, seed=0, how=monte_carlo.estimate):
    return how(pair, MEASURES.parse(measure), samples=samples, repeats=repeats, seed=seed, device="cpu")


def z_score(found: Estimate, value: float) -> float:
    assert found.std_error > 0
    return (found.value - value) / found.std_error


def shift(eigenvalues, distances, multiplicity=None) -> Shift:
    with np.errstate(divide="ignore"):  # an eigenvalue 0
        logs = np.log(np.array(eigenvalues))
    distance = np.abs(np.array(distances, dtype=float))
    ones = np.ones(len(distance), dtype=int) if multiplicity is None else np.array(multiplicity)
    return Shift(logs, ones, distance, float(np.linalg.norm(distance)))


def student(delta, df, dim) -> StudentTPair:
    return StudentTPair(Shift.of_one_scale(delta, dim), df, df)


def product(family, differences, scale=1.0, pruned_scale=1.0, dim=None) -> ProductPair:
    laws = getattr(products, family)(scale=scale, pruned_scale=pruned_scale)
    reduction = laws.reduction(MEASURES.parse_list("kl,jeffreys,renyi,renyi:alpha=0.3"), keep=True)
    every = np.array(list(differences) + [0.0] * ((dim or len(differences)) - len(differences)))
    reduction.absorb(reduction.reduce(0, every))
    return reduction.pair()


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
    t = np.linspace(-36, 36, 400_001)
    x, dx = np.sinh(t), np.cosh(t) * (t[1] - t[0])

    def integral(f):
        return float(np.sum(f(x) * dx))

    def kl(p, q):
        return integral(lambda x: np.exp(p(x)) * (p(x) - q(x)))

    def entropy_of_mixture(x):
        m = np.logaddexp(p(x), q(x)) - math.log(2)
        return (np.exp(p(x)) * (p(x) - m) + np.exp(q(x)) * (q(x) - m)) / 2

    affinity = integral(lambda x: np.exp((p(x) + q(x)) / 2))
    return {
        "kl": kl(p, q),
        "reverse-kl": kl(q, p),
        "jeffreys": kl(p, q) + kl(q, p),
        "renyi:alpha=0.3": math.log(integral(lambda x: np.exp(0.3 * p(x) + 0.7 * q(x)))) / -0.7,
        "bhattacharyya": -math.log(affinity),
        "hellinger": math.sqrt(1 - affinity),
        "tv": integral(lambda x: abs(np.exp(p(x)) - np.exp(q(x)))) / 2,
        "js": integral(entropy_of_mixture),
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


@pytest.mark.parametrize("family", ["laplace", "cauchy"])
@pytest.mark.parametrize("scales", [(1.0, 1.0), (1.0, 2.0), (3.0, 1.0)])
def test_products_meet_their_sums(family, scales):
    """Coordinates that did not move count where the scales differ, and only there."""
    pair = product(family, [0.3, 1.0, 2.0, 0.01], *scales, dim=9)
    for measure in ("kl", "reverse-kl", "jeffreys", "renyi:alpha=0.3", "hellinger"):
        value = measures.exact(pair, MEASURES.parse(measure))
        assert abs(z_score(estimate(pair, measure), value)) < 4, measure


@pytest.mark.parametrize("family", ["laplace", "cauchy"])
def test_a_wide_product_is_summed_part_by_part(family):
    wide = product(family, np.full(2 * log_ratios.block_of(CPU) + 5, 5e-3))
    assert abs(z_score(estimate(wide, samples=100), wide.kl())) < 4


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
    sizes, seeds, errors, claimed = [250, 1000, 4000, 16000], 60, [], []
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


def test_blocks_do_not_matter_but_for_rounding():
    rows = torch.randn(1000, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    for average in (functionals._mean, functionals._log_mean_exp):
        whole, parts = average(iter([rows])), average(iter(rows.split(37)))
        assert parts.value == pytest.approx(whole.value, rel=1e-13)
        assert parts.std_error == pytest.approx(whole.std_error, rel=1e-12)
    direct = rows.flatten().logsumexp(0) - math.log(2000)
    assert functionals._log_mean_exp(iter([rows])).value == pytest.approx(float(direct), rel=1e-13)


@pytest.mark.parametrize("width", [1, 3, 100, 10**6])
def test_blocks_are_small_and_lose_no_row(width):
    blocks = list(log_ratios.block_sizes(1001, width, 2**14))
    assert sum(blocks) == 1001
    assert max(blocks) * width <= max(2**14, width)


def test_a_block_is_as_large_as_the_device_likes(monkeypatch):
    """On CUDA 256 times as large as on a CPU: a block costs some 20 launches there, whatever its size."""
    assert (log_ratios.block_of(CPU), log_ratios.block_of(torch.device("cuda:0"))) == (2**14, 2**22)
    pairs = GaussianPair(Shift.of_one_scale(0.5, 100)), *(product(name, [0.5] * 40) for name in ("laplace", "cauchy"))
    for pair in pairs:
        rows = []
        for block in (2**10, 2**12):
            monkeypatch.setitem(log_ratios._BLOCKS, "cpu", block)
            drawn = log_ratios.antithetic(pair, 40_000, torch.Generator().manual_seed(0))
            rows.append(max(len(ratios) for ratios in drawn))
        assert rows[1] / rows[0] == pytest.approx(4, rel=0.1)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_draws_on_a_gpu():
    kl = MEASURES.parse("kl")
    for pair, value in [*KL[:8], (product("cauchy", [0.3, 1.0]), product("cauchy", [0.3, 1.0]).kl())]:
        first, again = (monte_carlo.estimate(pair, kl, 100_000, 1, 0, "cuda") for _ in range(2))
        assert first == again
        assert abs(z_score(first, value)) < 4
    state = torch.cuda.get_rng_state()
    assert abs(z_score(naive.estimate(NAIVE["student-t"], kl, 10_000, 1, 0, "cuda"), NAIVE["student-t"].kl())) < 4
    assert torch.equal(torch.cuda.get_rng_state(), state)


def test_far_gaussians_saturate():
    pair = GaussianPair(Shift.of_one_scale(1e20, 3))
    assert estimate(pair, "tv") == Estimate(1.0, 0.0)
    assert estimate(pair, "js").value == pytest.approx(math.log(2), rel=1e-15)
    near = GaussianPair(Shift.of_one_scale(1.0, 3))
    assert abs(z_score(estimate(near, "js"), near.js())) < 4
    assert estimate(pair, "hellinger").value == 1
    assert estimate(pair, "kl").value == pytest.approx(5e39, rel=1e-12)


def test_few_degrees_of_freedom_give_numbers():
    """Gamma variates underflow there."""
    for other in (0.01, 0.02, INF):
        pair = StudentTPair(shift([2.0, 1.0], [1.0, 0.1], [1, 5]), 0.01, other)
        for measure in ("tv", "js"):
            found = estimate(pair, measure, samples=2000)
            assert 0 <= found.value <= 1
            assert math.isfinite(found.std_error)


def test_an_average_that_a_few_draws_carry_is_not_told():
    """With 640 coordinates one standard deviation apart, the largest of 100,000 terms is most of their sum."""
    far, near = (GaussianPair(Shift.of_one_scale(delta, 640)) for delta in (25.0, 0.5))
    for measure in ("renyi:alpha=0.5", "bhattacharyya", "hellinger", "renyi:alpha=2"):
        found = estimate(far, measure, samples=100_000)
        assert math.isnan(found.value)
        assert found.std_error == INF
        assert abs(z_score(estimate(near, measure), MEASURES.parse(measure)(near))) < 4


@pytest.mark.parametrize(
    ("pair", "measure"),
    [
        (StudentTPair(shift([1.0], [0.5], [3]), 2.0, INF), "kl"),
        (StudentTPair(shift([1.0], [0.5], [3]), INF, 2.0), "reverse-kl"),
        (StudentTPair(shift([1.0], [0.5], [3]), INF, 1.0), "jeffreys"),
        (StudentTPair(shift([1.0], [0.5], [3]), 30.0, INF), "renyi:alpha=1.1"),
        (StudentTPair(shift([1.0], [0.5], [3]), 1.0, 3.0), "renyi:alpha=2"),
        (GaussianPair(shift([2.0, 1.0], [0.0, 1.0])), "renyi:alpha=2"),
        (product("laplace", [1.0], 2.0, 1.0), "renyi:alpha=2"),
    ],
)
def test_an_integral_that_diverges_is_infinite(pair, measure):
    assert estimate(pair, measure) == Estimate(INF, 0.0)


def test_an_integral_that_converges_is_finite():
    assert math.isfinite(estimate(GaussianPair(shift([1.5, 1.0], [0.0, 1.0])), "renyi:alpha=2").value)
    assert math.isfinite(estimate(product("cauchy", [1.0], 2.0, 1.0), "renyi:alpha=2").value)
    assert math.isfinite(estimate(StudentTPair(shift([1.0], [0.5], [3]), INF, 2.0), "renyi:alpha=1.5").value)


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


# ---- as published


NAIVE = {
    "student-t": student(1.0, 4.0, 20),
    "different": StudentTPair(shift([2.0, 0.5], [1.0, 0.3], [3, 2]), 4.0, 6.0),
    "student-t and gaussian": StudentTPair(shift([1.2, 0.5], [1.0, 0.3], [3, 2]), INF, 6.0),
    "gaussian": GaussianPair(shift([2.0, 0.5], [1.0, 0.3], [3, 2])),
    "laplace": product("laplace", [0.3, 1.0, 2.0], 1.0, 2.0, dim=5),
    "cauchy": product("cauchy", [0.3, 1.0, 2.0], 1.0, 2.0, dim=5),
}


@pytest.mark.parametrize("name", NAIVE)
def test_whole_vectors_meet_the_exact_value(name):
    pytest.importorskip("pyro")
    state = torch.random.get_rng_state()
    for measure in ("kl", "reverse-kl"):
        found = estimate(NAIVE[name], measure, samples=10_000, seed=1, how=naive.estimate)
        assert abs(z_score(found, measures.exact(NAIVE[name], MEASURES.parse(measure)))) < 4
    assert torch.equal(torch.random.get_rng_state(), state)
    assert estimate(NAIVE[name], "kl", 100, how=naive.estimate) == estimate(NAIVE[name], "kl", 100, how=naive.estimate)


@pytest.mark.parametrize("measure", ["tv", "js", "renyi:alpha=0.3"])
def test_whole_vectors_meet_the_scalars(measure):
    pytest.importorskip("pyro")
    whole, scalars = (estimate(NAIVE["different"], measure, 20_000, how=m.estimate) for m in (naive, monte_carlo))
    assert abs(whole.value - scalars.value) < 4 * math.hypot(whole.std_error, scalars.std_error)


def test_whole_vectors_have_no_antithetic_partners():
    pytest.importorskip("pyro")
    assert estimate(student(0.01, 4.0, 20), samples=5000, how=naive.estimate).std_error > 1e-4


def test_a_scale_matrix_too_large_is_refused():
    with pytest.raises(ValueError, match=r"groups=100.*--estimator mc"):
        estimate(student(1.0, 4.0, 20_480), how=naive.estimate)


def test_the_families_drawn_are_those_of_the_table():
    drawn = {"gaussian", "student-t", "laplace", "cauchy"}
    assert {row.name for row in DISTRIBUTIONS} - drawn == {"ap2", "predictive"}
