"""Divergences beside values that were computed elsewhere: mpmath with 30 digits or more, adaptive quadrature."""

import math

import numpy as np
import pytest

from apcli.theory.covariances.families import full
from apcli.theory.covariances.row_samples import Rows
from apcli.theory.distributions import gaussian, student_t
from apcli.theory.distributions.shifts import Shift

INF = math.inf


def shift(eigenvalues, along, multiplicity=None) -> Shift:
    """Laws whose relative scale has these eigenvalues, the shift along their axes."""
    eigenvalues, along = np.asarray(eigenvalues, float), np.asarray(along, float)
    copies = np.ones(len(along), int) if multiplicity is None else np.asarray(multiplicity)
    return Shift(np.log(eigenvalues), copies, np.abs(along), float(np.linalg.norm(along)))


def on_the_line(scale: float, pruned_scale: float, moved: float) -> Shift:
    return Shift(np.array([2 * math.log(scale / pruned_scale)]), np.array([1]), np.array([moved / pruned_scale]), moved)


HUNDRED = np.arange(1, 101)
CLOSE = Shift(np.log1p([1e-5, -2e-5]), np.array([1, 1]), np.array([1e-5, 2e-5]), math.hypot(1e-5, 2e-5))
KL = [  # (shift, df, pruned df, nats)
    (shift([1], [0.5]), 4, 4, 0.088119927027277),
    (shift([1.5, 0.6], [0.3, -1]), 4, 4, 0.49107229760918),
    (shift([2, 5], [0, 0]), 3, 6, 0.79156153055209),
    (shift([0.2, 3], [1, 1]), 5, 2, 1.23058037978835),
    (shift(np.exp(0.1 * np.sin(HUNDRED)), 0.1 * np.cos(HUNDRED)), 4, 4, 0.36588687256376),
    (on_the_line(1, 1.5, 0.7), 4, 4, 0.18113370529187),
    (on_the_line(2, 1, 1.2), 3, 7, 0.96759561580291),
    (on_the_line(1, 1, 0.3), 1, 5, 0.68110818365456),
    (shift([1], [0]), 5, INF, 0.12476919412361),
    (shift([1], [0.5], [100]), 5, INF, 21.216543977835),
    (shift([1], [0.5]), INF, 4, 0.1432638353279),
    (shift([1], [0.5], [100]), INF, 5, 1.201536581443662),
]
RENYI = [  # (shift, df, pruned df, order, nats)
    (shift([1.5, 0.6], [0.3, -1]), 4, 4, 0.5, 0.27972338945115),
    (shift([0.2, 3], [1, 1]), 5, 2, 0.5, 0.78263511245077),
    (on_the_line(1.2, 1, 0.7), 3, 6, 0.4, 0.084228397867471),
]
ONE_SCALE = {  # (dim, df, delta): squared Hellinger, Renyi of order 0.3, Jensen-Shannon
    (1, 4, 1): (0.082899359738725, 0.10350649135232, 0.081086812462816),
    (10, 3, 0.5): (0.026465986612141, 0.032187500664179, 0.026124157427820),
    (100, 4, 1): (0.11221103320823, 0.14335436460278, 0.105136432601606),
    (100, 4, 10): (0.98030740858064, 5.1405930852945, 0.683787149646327),
    (100, 4, 1e-4): (1.2264150932e-9, 1.4716981128e-9, 1.2264150922e-9),
}


@pytest.mark.parametrize(("laws", "df", "pruned_df", "nats"), KL)
def test_kl_of_student_t_laws_of_any_scales_and_degrees_of_freedom(laws, df, pruned_df, nats):
    assert student_t.pair(laws, df=df, pruned_df=pruned_df).kl() == pytest.approx(nats, rel=5e-13)


def test_near_equal_laws_keep_their_digits():
    assert student_t.pair(CLOSE, df=30, pruned_df=30.01).kl() == pytest.approx(6.6857988875164e-10, rel=1e-11)


@pytest.mark.parametrize(("laws", "df", "pruned_df", "alpha", "nats"), RENYI)
def test_renyi_of_student_t_laws_of_any_scales_and_degrees_of_freedom(laws, df, pruned_df, alpha, nats):
    assert student_t.pair(laws, df=df, pruned_df=pruned_df).renyi(alpha) == pytest.approx(nats, rel=1e-12)


@pytest.mark.parametrize("case", ONE_SCALE)
def test_bounded_divergences_of_student_t_laws_of_one_scale(case):
    dim, df, delta = case
    pair = student_t.pair(Shift.of_one_scale(delta, dim), df=df, pruned_df="same")
    hellinger2, renyi, js = ONE_SCALE[case]
    assert -math.expm1(-pair.renyi(0.5) / 2) == pytest.approx(hellinger2, rel=1e-10)
    assert pair.renyi(0.3) == pytest.approx(renyi, rel=1e-10)
    assert pair.js() == pytest.approx(js, rel=1e-10)


@pytest.mark.parametrize(
    ("delta", "nats"),
    [(1e-4, 1.2499999984375e-9), (0.5, 0.030311300520839), (2, 0.33683082034683), (10, 0.69314631739398)],
)
def test_jensen_shannon_of_gaussians_of_one_scale(delta, nats):
    assert gaussian.pair(Shift.of_one_scale(delta, 7)).js() == pytest.approx(nats, rel=1e-13)


@pytest.mark.parametrize(
    ("df", "delta", "tv"),
    [(INF, 1, 0.38292492254803), (1, 1, 0.29516723530087), (4, 1, 0.35667003681814), (30, 1, 0.37927699511487)],
)
def test_total_variation_of_laws_of_one_scale_in_any_dimension(df, delta, tv):
    for dim in (1, 2, 100, 10**7):
        pair = student_t.pair(Shift.of_one_scale(delta, dim), df=df, pruned_df="same")
        assert pair.tv() == pytest.approx(tv, rel=1e-13)


@pytest.fixture
def gaussians(tmp_path):
    """Two Gaussians with full covariances, as their matrices are given in files."""
    matrices = {
        "s": [[2, 0.5, 0], [0.5, 1, 0.2], [0, 0.2, 1.5]],
        "t": [[1, 0.1, 0], [0.1, 2, 0.3], [0, 0.3, 1]],
    }
    for name, matrix in matrices.items():
        np.save(tmp_path / f"{name}.npy", np.array(matrix))
    moved = np.array([[0.1, -0.2, 0.3]])
    row = Rows(lambda: iter([moved]), 1, 3)
    paths = {"path": str(tmp_path / "s.npy"), "pruned_path": str(tmp_path / "t.npy")}
    covariances = full(row, row, 1.0, "same", **paths)
    return gaussian.pair(covariances.shift(covariances.distances(moved), float(np.linalg.norm(moved)), 1, 3))


def test_divergences_of_gaussians_of_full_covariances(gaussians):
    assert gaussians.kl() == pytest.approx(0.42359846019022, rel=1e-13)
    assert gaussians.reversed().kl() == pytest.approx(0.45283779252408, rel=1e-13)
    assert gaussians.renyi(0.5) == pytest.approx(2 * 0.10184376228433, rel=1e-13)
    assert gaussians.renyi(0.3) == pytest.approx(0.12491955621076, rel=1e-12)
    assert gaussians.renyi(2) == INF  # 2 S2 - S1 is not positive definite
    assert gaussians.w2() ** 2 == pytest.approx(0.59487672782299, rel=1e-12)
    assert gaussians.tv_lower()["lemma_1"] == pytest.approx(0.0081680280046674, rel=1e-12)


def test_renyi_of_order_two_of_gaussians_where_it_is_finite():
    variances = np.array([1.5, 1.2, 1])
    laws = shift(1 / variances, np.array([0.1, -0.2, 0.3]) / np.sqrt(variances))
    assert gaussian.pair(laws).renyi(2) == pytest.approx(0.19654838488297, rel=1e-13)


@pytest.mark.parametrize(("dim", "paper"), [(1, 0.2), (10, 0.024390243902439), (100, 0.0024937655860349)])
def test_lower_bounds_on_total_variation(dim, paper):
    bounds = gaussian.pair(Shift.of_one_scale(1.0, dim)).tv_lower()
    assert bounds["lemma_1"] == pytest.approx(paper, rel=1e-13)
    assert bounds["lemma_1_best"] == pytest.approx(0.2, rel=1e-13)


def test_lower_bounds_of_laws_of_one_diagonal_covariance():
    moved, variances = np.array([0.1, -0.2, 0.3]), np.array([1.0, 2.0, 4.0])
    delta = float(np.linalg.norm(moved / np.sqrt(variances)))
    laws = Shift.of_one_scale(delta, 3, float(np.linalg.norm(moved)), 7.0)
    bounds = gaussian.pair(laws).tv_lower()
    assert bounds["lemma_1"] == pytest.approx(0.0049751243781095, rel=1e-13)
    assert bounds["lemma_1_best"] == pytest.approx(0.012954966070327, rel=1e-13)
    assert gaussian.pair(laws).tv() == pytest.approx(0.091209595407709, rel=1e-13)
