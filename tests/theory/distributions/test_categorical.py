"""Divergences of predictions against mpmath, SciPy and torch, for laws that nearly agree and laws that hardly meet."""

import math

import mpmath
import numpy as np
import pytest
import torch
from scipy.special import log_softmax
from scipy.stats import entropy

from apcli.theory import MEASURES, measures
from apcli.theory.distributions import categorical
from apcli.theory.distributions.categorical import CategoricalPair
from apcli.theory.measures import NotDefined

ORDERS = (1e-9, 1e-4, 0.3, 0.5, 0.9, 0.9999999, 1.0000001, 1.5, 2.0, 7.0)


def pair(samples=40, classes=5, spread=2.0, shift=1.0, seed=0):
    draw = np.random.default_rng(seed)
    logits = spread * draw.normal(size=(samples, classes))
    return CategoricalPair(*(log_softmax(x, axis=1) for x in (logits, logits + shift * draw.normal(size=logits.shape))))


def digits(one, other):
    """All divergences of two rows of logs in 60 digits, the rows normalised exactly."""
    with mpmath.workdps(60):
        p, q = ([mpmath.exp(mpmath.mpf(float(x))) for x in row] for row in (one, other))
        p, q = ([x / mpmath.fsum(row) for x in row] for row in (p, q))
        both = list(zip(p, q, strict=True))
        mean = [(a + b) / 2 for a, b in both]

        def kl(first, second):
            return mpmath.fsum(a * mpmath.log(a / b) for a, b in zip(first, second, strict=True))

        found = {
            "kl": kl(p, q),
            "reverse-kl": kl(q, p),
            "jeffreys": kl(p, q) + kl(q, p),
            "tv": mpmath.fsum(abs(a - b) for a, b in both) / 2,
            "js": (kl(p, mean) + kl(q, mean)) / 2,
            "bhattacharyya": -mpmath.log(mpmath.fsum(mpmath.sqrt(a * b) for a, b in both)),
            "hellinger": mpmath.sqrt(1 - mpmath.fsum(mpmath.sqrt(a * b) for a, b in both)),
        }
        for alpha in ORDERS:
            order = mpmath.mpf(alpha)
            total = mpmath.fsum(a**order * b ** (1 - order) for a, b in both)
            found[f"renyi:alpha={alpha}"] = mpmath.log(total) / (order - 1)
        return {name: float(value) for name, value in found.items()}


@pytest.mark.parametrize(
    "spread, shift, exactness",
    [(1, 1, 3e-14), (2, 0.3, 3e-14), (3, 10, 1e-13), (1, 60, 1e-13), (1, 1e-3, 1e-12), (1, 1e-6, 1e-9)],
)
def test_every_measure_of_a_sample_to_its_digits(spread, shift, exactness):
    """The logs themselves are rounded: of a shift of 1e-6 they have about ten digits."""
    laws = pair(3, 6, spread, shift)
    for row in range(3):
        alone = CategoricalPair(laws.log_p[row : row + 1], laws.log_q[row : row + 1])
        for spec, expected in digits(laws.log_p[row], laws.log_q[row]).items():
            found = measures.exact(alone, MEASURES.parse(spec))
            assert found == pytest.approx(expected, rel=exactness, abs=0), spec


@pytest.mark.parametrize("shift", [1e-3, 1e-5, 1e-7])
def test_near_laws_lose_no_digits_to_cancellation(shift):
    """Logits 0 and +-shift: (p - q)/p is known exactly, and KL of order 1e-14 still has its digits."""
    table = np.array([[0.0, 0.0], [shift, -shift]])
    laws = CategoricalPair(*(log_softmax(row[None], axis=1) for row in table))
    expected = digits(*table)
    for spec in ("kl", "reverse-kl", "js", "tv", "bhattacharyya", "hellinger", "renyi:alpha=0.3", "renyi:alpha=2.0"):
        assert measures.exact(laws, MEASURES.parse(spec)) == pytest.approx(expected[spec], rel=3e-16 / shift, abs=0)


def test_means_are_those_of_other_libraries():
    laws = pair()
    p, q = np.exp(laws.log_p), np.exp(laws.log_q)
    one, other = (torch.distributions.Categorical(logits=torch.from_numpy(x)) for x in (laws.log_p, laws.log_q))
    assert laws.kl() == pytest.approx(entropy(p, q, axis=1).mean(), rel=1e-13)
    assert laws.kl() == pytest.approx(float(torch.distributions.kl_divergence(one, other).mean()), rel=1e-13)
    assert laws.reversed().kl() == pytest.approx(entropy(q, p, axis=1).mean(), rel=1e-13)
    assert laws.js() == pytest.approx(
        (entropy(p, (p + q) / 2, axis=1) + entropy(q, (p + q) / 2, axis=1)).mean() / 2, rel=1e-13
    )
    assert laws.tv() == pytest.approx(np.abs(p - q).sum(axis=1).mean() / 2, rel=1e-13)
    assert measures.bhattacharyya(laws) == pytest.approx(-np.log(np.sqrt(p * q).sum(axis=1)).mean(), rel=1e-13)
    assert laws.dim == 5


def test_laws_that_hold_for_all_pairs():
    for shift in (1e-6, 1e-2, 1.0, 30.0):
        samples = pair(200, 7, 2.0, shift, seed=1).samples
        kl, tv, js = samples.kl(), samples.tv(), samples.js()
        orders = np.array([samples.renyi(alpha) for alpha in ORDERS])
        slack = 1 + 1e-8
        assert (np.diff(orders, axis=0) >= -1e-8 * orders[1:]).all()  # Renyi's divergence grows with its order
        assert (orders[5] <= kl * slack).all()
        assert (kl <= orders[6] * slack).all()
        assert (tv**2 * 2 <= kl * slack).all()
        assert (js <= np.minimum(tv * math.log(2), np.log(2)) * slack).all()
        squared = -np.expm1(-samples.renyi(0.5) / 2)
        assert (squared <= tv * slack).all()
        assert (tv <= np.sqrt(squared * (2 - squared)) * slack).all()
        assert np.allclose(samples.js(), samples.reversed().js(), rtol=1e-12, atol=0)
        assert np.allclose(samples.renyi(0.3) * 0.7, samples.reversed().renyi(0.7) * 0.3, rtol=1e-12, atol=0)


def test_equal_laws_differ_by_nothing():
    table = pair().log_p
    for spec in ("kl", "jeffreys", "renyi:alpha=3", "bhattacharyya", "hellinger", "tv", "js"):
        assert measures.exact(CategoricalPair(table, table.copy()), MEASURES.parse(spec)) == 0


def test_probabilities_that_underflow():
    table = np.array([[0.0, -2000.0, -3000.0], [-2000.0, 0.0, -3000.0]])
    laws = CategoricalPair(table, table[::-1])
    assert laws.kl() == pytest.approx(2000, rel=1e-15)
    assert laws.renyi(0.5) == pytest.approx(2 * (1000 - math.log(2)), rel=1e-15)
    assert laws.renyi(3.0) == pytest.approx(3 * 2000 / 2 - 2000 / 2, rel=1e-15)
    assert laws.tv() == 1
    assert laws.js() == pytest.approx(math.log(2), rel=1e-15)
    assert measures.hellinger(laws) == 1
    near = CategoricalPair(table, log_softmax(table + np.array([[0.0, 0.3, 0.0], [0.2, 0.0, 0.0]]), axis=1))
    assert near.kl() == near.tv() == near.js() == 0


def test_tables_of_single_precision():
    """What their sums lack of 1 is no divergence; each log has lost about 1e-7."""
    laws = pair(shift=1e-2)
    single = CategoricalPair(laws.log_p.astype(np.float32), laws.log_q.astype(np.float32))
    assert single.kl() == pytest.approx(laws.kl(), rel=1e-4)
    off = CategoricalPair(laws.log_p + 1e-4, laws.log_p)
    assert off.kl() < 1e-28


def test_blocks_change_nothing(monkeypatch):
    laws = pair(50)
    expected = [laws.kl(), laws.renyi(0.2), laws.tv(), laws.js()]
    monkeypatch.setattr(categorical, "_BLOCK", 17)
    assert [laws.kl(), laws.renyi(0.2), laws.tv(), laws.js()] == pytest.approx(expected, rel=1e-15)


def test_hellinger_is_at_least_the_root_mean_square():
    laws = pair(shift=2.0)
    p, q = np.exp(laws.log_p), np.exp(laws.log_q)
    squares = 1 - np.sqrt(p * q).sum(axis=1)
    assert math.sqrt(squares.mean()) < measures.hellinger(laws)
    assert measures.hellinger(laws) == pytest.approx(
        math.sqrt(1 - math.exp(np.log(np.sqrt(p * q).sum(axis=1)).mean())), rel=1e-13
    )


@pytest.mark.parametrize("spec", ["kl", "reverse-kl", "jeffreys", "renyi:alpha=0.3", "bhattacharyya", "tv", "js"])
def test_standard_errors_of_means(spec):
    laws, measure = pair(30), MEASURES.parse(spec)
    alone = [
        measures.exact(CategoricalPair(p[None], q[None]), measure) for p, q in zip(laws.log_p, laws.log_q, strict=True)
    ]
    assert measures.exact(laws, measure) == pytest.approx(np.mean(alone), rel=1e-13)
    assert laws.std_error(measure) == pytest.approx(np.std(alone, ddof=1) / math.sqrt(30), rel=1e-12)


@pytest.mark.slow
def test_standard_errors_are_the_spread_over_data():
    """Of 400 draws of 100 samples, each measure scatters as its standard error says; a tenth is 3 sigma of chance."""
    laws = pair(40_000, 3)
    for spec in ("kl", "hellinger"):
        measure = MEASURES.parse(spec)
        draws = [CategoricalPair(laws.log_p[k : k + 100], laws.log_q[k : k + 100]) for k in range(0, 40_000, 100)]
        spread = np.std([measures.exact(draw, measure) for draw in draws], ddof=1)
        assert spread == pytest.approx(np.mean([draw.std_error(measure) for draw in draws]), rel=0.12)


def test_standard_errors_at_the_ends():
    laws = pair()
    assert CategoricalPair(laws.log_p, laws.log_p).std_error(MEASURES.parse("hellinger")) == 0
    one = CategoricalPair(laws.log_p[:1], laws.log_q[:1])
    assert one.std_error(MEASURES.parse("kl")) is None


def test_labels_have_no_metric():
    laws = pair()
    for call in (laws.w2, laws.reversed().w2, lambda: laws.std_error(MEASURES.parse("w2"))):
        with pytest.raises(NotDefined, match="labels, which have no distance"):
            call()
    assert laws.tv_lower() == {"lemma_1": None, "lemma_1_best": None}


@pytest.mark.parametrize(
    "p, q, match",
    [
        (np.zeros((2, 1)), np.zeros((3, 1)), r"shapes \(2, 1\) and \(3, 1\)"),
        (np.zeros(3), np.zeros(3), r"shapes \(3,\)"),
        (np.zeros((0, 3)), np.zeros((0, 3)), r"shapes \(0, 3\)"),
        (np.zeros((2, 3)), np.zeros((2, 3)), "no log-probabilities"),
        (np.log([[0.5, 0.5]]), np.array([[0.0, -np.inf]]), "finite ones that sum to 1"),
        (np.log([[0.5, 0.5]]), np.array([[np.nan, 0.0]]), "finite ones that sum to 1"),
    ],
)
def test_tables_that_are_no_predictions(p, q, match):
    with pytest.raises(ValueError, match=match):
        CategoricalPair(p, q)
