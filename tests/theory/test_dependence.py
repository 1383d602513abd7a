"""nHSIC: exact values, invariances, and what the biased estimate measures on independent features."""

from fractions import Fraction

import numpy as np
import pytest

from apcli.theory.dependence import BIASED, DEBIASED, Minibatches, centred, gaussian, importances, nhsic, shares

X = np.array([[1.0, 0], [0, 1], [2, 1], [-1, 3]])
Y = np.array([[1.0, 2, 0], [0, 1, 1], [3, 0, -1], [0, 2, 2]])
Z = np.array([[1.0], [4], [2], [3]])
GRAMS = [part @ part.T for part in (X, Y, Z)]
PAIRS = ((0, 1), (0, 2), (1, 2))


def product(first, second, estimator):
    return float((centred(GRAMS[first], estimator) * centred(GRAMS[second], estimator)).sum())


@pytest.mark.parametrize(
    "estimator, products",
    [
        (BIASED, {(0, 1): Fraction(1169, 16), (0, 2): Fraction(61, 4), (1, 2): Fraction(73, 4)}),
        (BIASED, {(0, 0): Fraction(1153, 16), (1, 1): Fraction(2385, 16), (2, 2): Fraction(25)}),
        (DEBIASED, {(0, 1): Fraction(15), (0, 2): Fraction(10), (1, 2): Fraction(43, 3)}),
        (DEBIASED, {(0, 0): Fraction(14), (1, 1): Fraction(74, 3), (2, 2): Fraction(26, 3)}),
    ],
)
def test_exact_products_of_centred_grams(estimator, products):
    for pair, value in products.items():
        assert product(*pair, estimator) == pytest.approx(float(value), abs=1e-12)


@pytest.mark.parametrize(
    "estimator, kernel, values",
    [
        (BIASED, None, (0.704945700062792, 0.359290039072794, 0.298956956859190)),
        (DEBIASED, None, (0.807183003750947, 0.907841299003204, 0.980315618063239)),
        (BIASED, gaussian, (0.797507729766042, 0.720549051665456, 0.683046989982880)),
    ],
)
def test_nhsic_of_four_samples(estimator, kernel, values):
    found = nhsic([kernel(gram) for gram in GRAMS] if kernel else GRAMS, estimator)
    assert [found[pair] for pair in PAIRS] == pytest.approx(values, abs=1e-12)
    assert found.tolist() == found.T.tolist()
    assert np.diag(found).tolist() == [1, 1, 1]


def test_the_median_of_the_gaussian_kernel():
    """Of all squared distances, those of a sample with itself too: 3, 4 and 1."""
    for gram, median in zip(GRAMS, (3, 4, 1), strict=True):
        distance = gram[0, 0] + gram[1, 1] - 2 * gram[0, 1]
        assert gaussian(gram)[0, 1] == pytest.approx(np.exp(-distance / (2 * median)))
    assert gaussian(np.ones((4, 4))).tolist() == np.ones((4, 4)).tolist()


@pytest.mark.parametrize("estimator", [BIASED, DEBIASED])
def test_what_leaves_it_as_it_is(estimator):
    draws = np.random.default_rng(0)
    first, second = draws.normal(size=(2, 30, 7))
    turn = np.linalg.qr(draws.normal(size=(7, 7)))[0]
    order = draws.permutation(30)
    changed = (3 * first @ turn + draws.normal(size=7))[order]
    other = second[order]
    was, now = (nhsic([a @ a.T, b @ b.T], estimator)[0, 1] for a, b in ((first, second), (changed, other)))
    assert now == pytest.approx(was, abs=1e-12)
    centre = [part - part.mean(axis=0) for part in (first, second)]
    norms = [np.linalg.norm(part.T @ part) for part in centre]
    if estimator == BIASED:  # the feature form
        assert was == pytest.approx(np.linalg.norm(centre[0].T @ centre[1]) ** 2 / np.prod(norms))


def test_a_large_mean_does_not_drown_it():
    draws = np.random.default_rng(0)
    first, second = draws.normal(size=(2, 40, 5))
    far = first + 1e5
    for estimator in (BIASED, DEBIASED):
        was = nhsic([first @ first.T, second @ second.T], estimator)[0, 1]
        assert nhsic([far @ far.T, second @ second.T], estimator)[0, 1] == pytest.approx(was, abs=1e-4)


@pytest.mark.parametrize("estimator", [BIASED, DEBIASED])
def test_a_layer_that_is_the_same_for_all_samples_depends_on_nothing(estimator):
    dead = np.full((4, 4), 0.7)
    found = nhsic([*GRAMS, dead, np.zeros((4, 4))], estimator)
    assert found[3:].tolist() == np.zeros((2, 5)).tolist()
    assert found[:3, :3].tolist() == nhsic(GRAMS, estimator).tolist()


@pytest.mark.parametrize("count, features", [(64, 16), (64, 1024), (100, 128), (100, 1024), (256, 1024)])
def test_independent_features(count, features):
    """The biased estimate measures their number: near 1 / sqrt((1 + (N - 1) / p) (1 + (N - 1) / q))."""
    draws = np.random.default_rng(count + features)
    grams = [part @ part.T for part in draws.normal(size=(2, count, features))]
    assert nhsic(grams, BIASED)[0, 1] == pytest.approx(1 / (1 + (count - 1) / features), abs=0.02)
    assert abs(nhsic(grams)[0, 1]) < 0.06


def test_the_importance_of_three_layers():
    found = shares(nhsic(GRAMS, BIASED))
    assert found == pytest.approx((0.39034677, 0.36821744, 0.24143578), abs=1e-8)
    above = found - found.min()
    assert importances(found, np.exp(5 * above.max())) == pytest.approx((0.4749456, 0.5305143, 1), abs=1e-7)
    assert importances(found, 3.0).min() == pytest.approx(1 / 3)
    assert importances(found, 1.0).tolist() == [1, 1, 1]
    assert np.exp(-231 * found) == pytest.approx((6.9e-40, 1.1e-37, 6.0e-25), rel=0.01)


def test_shares_of_little_dependence():
    assert shares(np.array([[1.0, -0.1], [-0.1, 1.0]])).tolist() == [0.5, 0.5]
    assert shares(np.array([[1.0, 0.2, -0.5], [0.2, 1.0, 0], [-0.5, 0, 1.0]])).tolist() == [0.5, 0.5, 0]
    assert importances(np.full(3, 1 / 3), 3.0).tolist() == [1, 1, 1]


def test_what_is_refused():
    with pytest.raises(ValueError, match="estimator is 'unbiased': expected debiased or biased"):
        centred(np.eye(5), "unbiased")
    with pytest.raises(ValueError, match="3 samples: the debiased estimator needs 4 or more"):
        centred(np.eye(3), DEBIASED)


def added(*batches):
    found = Minibatches()
    for grams in batches:
        found.add(grams)
    return found.nhsic


def test_one_minibatch_is_all_samples():
    assert added(GRAMS) == pytest.approx(nhsic(GRAMS, DEBIASED), abs=1e-12)
    assert np.diag(added(GRAMS, GRAMS)).tolist() == [1, 1, 1]


def hsic(first, second):
    """Song et al. 2012, equation 5, term by term."""
    count = len(first)
    k, m = (gram - np.diag(np.diag(gram)) for gram in (first, second))
    one = np.ones(count)
    sums = np.trace(k @ m) + (one @ k @ one) * (one @ m @ one) / ((count - 1) * (count - 2))
    return (sums - 2 * (one @ k @ m @ one) / (count - 2)) / (count * (count - 3))


def test_minibatches_are_the_mean_of_unbiased_estimates():
    draw = np.random.default_rng(0)
    parts = [(draw.normal(size=(size, 3)), draw.normal(size=(size, 5))) for size in (6, 9, 6)]
    parts = [(x, y + x @ np.ones((3, 5))) for x, y in parts]
    grams = [[x @ x.T, y @ y.T] for x, y in parts]
    cross, first, second = (np.mean([hsic(pair[i], pair[j]) for pair in grams]) for i, j in ((0, 1), (0, 0), (1, 1)))
    assert added(*grams)[0, 1] == pytest.approx(cross / np.sqrt(first * second), rel=1e-10)


def test_minibatches_tend_to_what_all_samples_say():
    draw = np.random.default_rng(1)
    x = draw.normal(size=(2000, 4))
    y = x @ draw.normal(size=(4, 6)) + draw.normal(size=(2000, 6))
    whole = nhsic([x @ x.T, y @ y.T], DEBIASED)[0, 1]
    split = added(*([a @ a.T, b @ b.T] for a, b in zip(np.split(x, 40), np.split(y, 40), strict=True)))[0, 1]
    assert split == pytest.approx(whole, abs=0.02)


def test_features_that_never_vary_depend_on_nothing():
    constant = np.full((4, 4), 3.0)
    found = added([GRAMS[0], constant], [GRAMS[1], constant])
    assert found.tolist() == [[1, 0], [0, 0]]
