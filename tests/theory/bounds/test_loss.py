"""Bounds on PD: reference values, random problems that meet the assumptions, and the counter-examples by name."""

import math

import numpy as np
import pytest
from oracles import SoftmaxRegression, softmax_regressions

from apcli.theory.bounds import inversions, last_layer, loss


@pytest.mark.parametrize(
    ("mean_target", "curvature", "kl", "spread", "precision", "lemma", "corollary"),
    [
        (1, 2.5, 0.1, 40, 1, 14.400357776315, 0.25),
        (4.5, 10, 0.001, 400, 0.25, 205.84904249623, 0.18),
        (1, 0.3, 1.5, 4, 2, 3.8784609690827, 0.225),
    ],
)
def test_reference_values_of_lemma_2_and_corollary_2(mean_target, curvature, kl, spread, precision, lemma, corollary):
    common = {"mean_target": mean_target, "curvature": curvature, "kl": kl}
    assert loss.lemma_2(**common, spread=spread) == pytest.approx(lemma, rel=1e-12)
    assert loss.corollary_2(**common, smallest_precision=precision) == pytest.approx(corollary, rel=1e-14)


@pytest.mark.parametrize(
    ("kl", "spread", "ratio", "density", "expected"),
    [
        (0.1, 40, 1, 0.5, 1.9110440600269),
        (1e-3, 400, 2, 0.1, 1.0401951771063),
        (1, 4, 0.3, 1, 1.3602214668086),
    ],
)
def test_reference_values_of_lemma_3(kl, spread, ratio, density, expected):
    assert loss.lemma_3(kl=kl, spread=spread, ratio=ratio, density=density) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize(
    ("kl", "ratio", "term", "largest", "smallest", "expected"),
    [(0.1, 1, 0, 1, 1, 0.1), (1e-3, 2, 0.2, 4, 0.25, 0.132), (1, 0.3, 0, 2, 1, 0.6)],
)
def test_reference_values_of_corollary_3(kl, ratio, term, largest, smallest, expected):
    found = loss.corollary_3(
        kl=kl, ratio=ratio, covariance_term=term, next_largest_precision=largest, smallest_precision=smallest
    )
    assert found == pytest.approx(expected, rel=1e-14)


@pytest.mark.parametrize(
    ("curvature", "gap", "largest", "smallest", "last", "now", "step", "gradient", "expected"),
    [
        (2.5, 0.01, 1, 1, 20, 15, 0.01, 0.5, 0.02578125),
        (10, 1e-4, 4, 0.25, 20, 19, 0.001, 2, 0.00432),
        (1, 0.1, 1, 1, 100, 0, 1e-4, 1, 0.10005),
    ],
)
def test_reference_values_of_theorem_2(curvature, gap, largest, smallest, last, now, step, gradient, expected):
    squared_length = loss.squared_length_of_iteration(
        gap=gap,
        smallest_precision=smallest,
        largest_precision=largest,
        steps_left=last - now,
        step=step,
        gradient=gradient,
    )
    assert loss.theorem_2(curvature=curvature, squared_length=squared_length) == pytest.approx(expected, rel=1e-14)


def test_the_multi_layer_bound_bounds():
    """R1 on softmax regressions whose inputs come from two layers, from measured lengths and from Gaussian AP3."""
    rng = np.random.default_rng(3)
    for problem, weights, change in softmax_regressions(1000, seed=1):
        inputs = weights.shape[1]
        pd = abs(problem.risk(weights + change) - problem.risk(weights))
        parts = [part.ravel() for part in np.split(change, [inputs // 2], axis=1)]
        certified = []
        for part in parts:
            factor = rng.normal(size=(len(part), len(part)))
            covariance = factor @ factor.T + 0.1 * np.eye(len(part))
            kl = float(part @ np.linalg.solve(covariance, part)) / 2
            certified.append(
                inversions.gaussian_length_at_most(kl, 0, 1 / np.linalg.eigvalsh(covariance)[-1]) if len(part) else 0.0
            )
        for lengths in ([float(part @ part) for part in parts], certified):
            bound = loss.multi_layer(
                gradient_term=float((problem.gradient(weights) * change).sum()),
                curvature=last_layer.curvature(problem.largest_moment),
                squared_lengths=lengths,
            )
            assert pd <= bound * (1 + 1e-9) + 1e-12


def quadratics(count):
    """Convex quadratic risks with the minimum 0 at the origin: the Hessian, a covariance, and three points."""
    rng = np.random.default_rng(4)
    for _ in range(count):
        dim = int(rng.integers(1, 5))
        hessian, covariance = (f @ f.T + 0.05 * np.eye(dim) for f in rng.normal(size=(2, dim, dim)))
        yield hessian, covariance, rng.normal(size=(3, dim)) * 10 ** rng.uniform(-2, 1, size=(3, 1))


def test_lemma_2_and_corollary_2_bound_where_their_assumptions_hold():
    """One layer, a quadratic risk, pruned at its minimum: no gradient and no remainder is left out."""
    for hessian, covariance, (pruned, _, _) in quadratics(1000):
        pd = float(pruned @ hessian @ pruned) / 2
        kl = float(pruned @ np.linalg.solve(covariance, pruned)) / 2
        common = {"mean_target": 1, "curvature": np.linalg.eigvalsh(hessian)[-1], "kl": kl}
        exact = loss.corollary_2(**common, smallest_precision=1 / np.linalg.eigvalsh(covariance)[-1])
        assert pd <= exact * (1 + 1e-9) + 1e-12
        assert pd <= loss.lemma_2(**common, spread=4 * float(np.trace(covariance)))


def test_the_provable_theorem_2_bounds():
    for hessian, covariance, (dense, sparse, now) in quadratics(1000):

        def kl(first, second, covariance=covariance):
            return float((first - second) @ np.linalg.solve(covariance, first - second)) / 2

        precisions = 1 / np.linalg.eigvalsh(covariance)
        squared_length = loss.squared_length_of_iteration(
            gap=loss.definition_5(kl(dense, now), kl(sparse, now)),
            smallest_precision=precisions[-1],
            largest_precision=precisions[0],
            steps_left=4,
            step=0.1,
            gradient=float(np.linalg.norm(sparse - now)) / 0.4,
        )
        assert float((dense - now) @ (dense - now)) <= squared_length * (1 + 1e-9)
        bound = loss.theorem_2(
            curvature=np.linalg.eigvalsh(hessian)[-1],
            squared_length=squared_length,
            gradient_term=float(dense @ hessian @ (now - dense)),
        )
        assert abs(dense @ hessian @ dense - now @ hessian @ now) / 2 <= bound * (1 + 1e-9)


H = np.array([[1.0, -0.5], [0.3, 2.0], [-1.2, 0.7], [0.4, -1.1]])
Y = np.array([0, 1, 1, 0])
FIRST, LAST = np.array([[1.0, 0.2], [-0.4, 0.8], [0.5, -0.9]]), np.array([[-1.5, 2.0, -0.5], [1.0, -1.0, -0.3]])


def risk(first, last):
    """Of a network of two layers with ReLU between them."""
    return SoftmaxRegression(np.maximum(H @ first.T, 0), Y).risk(last)


def published(kl):
    """The bounds of a layer whose distributions are KL apart, of the covariance I and a curvature of 100."""
    common = {"mean_target": 1, "curvature": 100, "kl": kl}
    return loss.lemma_2(**common, spread=4 * 6), loss.corollary_2(**common, smallest_precision=1)


def test_w2_one_layer_s_ap3_does_not_bound_pd():
    """Layer 1 stays (KL = 0, so g = 0) and the output layer goes: PD is as large as one likes. R1 counts all layers."""
    assert published(kl=0.0) == (0, 0)
    found = [abs(risk(FIRST, scale * LAST) - risk(FIRST, 0 * LAST)) for scale in (1, 10, 100)]
    assert 0.1 < found[0] < found[1] < found[2]
    assert found[2] > 10
    hidden = SoftmaxRegression(np.maximum(H @ FIRST.T, 0), Y)
    for scale, pd in zip((1, 10, 100), found, strict=True):
        bound = loss.multi_layer(
            gradient_term=float((hidden.gradient(scale * LAST) * -scale * LAST).sum()),
            curvature=last_layer.curvature(hidden.largest_moment),
            squared_lengths=[0.0, scale**2 * float((LAST**2).sum())],
        )
        assert pd <= bound


def test_w3_a_layer_says_nothing_of_the_next():
    """Layer 1 stays, so Lemma 3 and Corollary 3 give 0 for any constants; the next layer goes, and its KL is not 0."""
    next_kl = float((LAST**2).sum()) / 2  # of Gaussians of the covariance I
    assert next_kl > 1
    for constant in (1, 1e12):
        assert loss.lemma_3(kl=0.0, spread=24, ratio=constant, density=constant) == 0
        found = loss.corollary_3(
            kl=0.0, ratio=constant, covariance_term=0, next_largest_precision=1, smallest_precision=1
        )
        assert found == 0


def test_w4_lemma_2_leaves_out_the_layers_before_the_last():
    """The last layer stays, so eps = 0 is allowed and the bound is 0; layer 1 goes, and PD is not 0."""
    assert published(kl=0.0) == (0, 0)
    assert abs(risk(FIRST, LAST) - risk(0 * FIRST, LAST)) > 0.1


def test_w5_the_first_order_term_cannot_be_dropped():
    """Of the reference problem 4 weights go: PD exceeds lambda_max / 2 |D|^2, and is within R1, with the gradient."""
    n = np.arange(12)
    problem = SoftmaxRegression(np.sin(1.3 * n[:, None] + 0.7 * np.arange(4) + 0.2), n % 3)
    weights = np.cos(0.9 * np.arange(3)[:, None] + 0.4 * np.arange(4))
    change = -weights * (np.abs(weights) <= np.sort(np.abs(weights).ravel())[3])
    pd, square = abs(problem.risk(weights + change) - problem.risk(weights)), float((change**2).sum())
    curvature = np.linalg.eigvalsh(problem.hessian(weights))[-1]
    without = loss.multi_layer(gradient_term=0.0, curvature=curvature, squared_lengths=[square])
    assert (pd, without) == pytest.approx((0.040971735385814, 0.036612596261556), rel=1e-12)
    assert pd > without
    gradient_term = float((problem.gradient(weights) * change).sum())
    assert pd <= loss.multi_layer(gradient_term=gradient_term, curvature=curvature, squared_lengths=[square])


def test_where_pinsker_s_inequality_ends():
    common = {"mean_target": 1, "kl": 2.0, "spread": 4}
    assert loss.lemma_2(**common, curvature=1) == math.inf
    assert loss.lemma_2(**common, curvature=0) == 0
    assert loss.lemma_3(kl=2.0, spread=4, ratio=1, density=1) == math.inf
    assert loss.lemma_3(kl=2.0, spread=4, ratio=0, density=1) == 0
    assert loss.corollary_2(mean_target=1, kl=math.inf, curvature=1, smallest_precision=1) == math.inf


@pytest.mark.parametrize(
    "call",
    [
        lambda: loss.lemma_2(mean_target=1, curvature=-1, kl=0.1, spread=4),
        lambda: loss.corollary_2(mean_target=-1, curvature=1, kl=0.1, smallest_precision=1),
        lambda: loss.lemma_3(kl=0.1, spread=4, ratio=-1, density=1),
        lambda: loss.multi_layer(gradient_term=0.0, curvature=1, squared_lengths=[1.0, math.nan]),
        lambda: loss.multi_layer(gradient_term=0.0, curvature=1, squared_lengths=[1.0, -0.5]),
        lambda: loss.definition_5(math.inf, 1.0),
        lambda: loss.squared_length_of_iteration(
            gap=0.1, smallest_precision=0, largest_precision=1, steps_left=1, step=1, gradient=1
        ),
    ],
)
def test_what_is_out_of_range_is_refused(call):
    with pytest.raises(ValueError, match="expected"):
        call()
