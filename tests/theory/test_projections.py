"""AP2 and AP3 of weight vectors: reference values, explicit matrices, plain loops, and what is refused."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.distributions import MultivariateNormal, kl_divergence

from apcli.theory import DISTRIBUTIONS, student_t
from apcli.theory.projections import ap2, dimension, gaussian, group_means, row_variance
from apcli.theory.projections import student_t as student_t_kl

ONES = np.ones(0)  # variances that must not be looked at
ISOTROPIC = {"cov": "identity", "scale": 1.0}


def example(size: int, method: str) -> tuple[np.ndarray, np.ndarray]:
    """w_i = 0.05 sin(i^1.3), and the same with 30 % of it removed."""
    dense = 0.05 * np.sin(np.arange(size) ** 1.3)
    order = np.argsort(np.abs(dense), kind="stable")
    removed = order[: round(0.3 * size)] if method == "lowest" else order[size - round(0.3 * size) :]
    pruned = dense.copy()
    pruned[removed] = 0
    return dense, pruned


def pairs(count: int) -> list[tuple[np.ndarray, np.ndarray]]:
    draw = np.random.default_rng(7)
    return [tuple(draw.normal(size=(2, size))) for size in range(1, count + 1)]  # type: ignore[misc]


@pytest.mark.parametrize(
    ("size", "method", "squared", "grouped", "t4"),
    [
        (2500, "lowest", 0.12270441555415, 0.013118893723109, 8.4428953431e-5),
        (2500, "highest", 1.7402088488384, 0.050223738306065, 0.0012373946061287),
        (2530, "lowest", None, None, 8.4956613295e-5),
        (2530, "highest", None, None, 0.0012424403033912),
    ],
)
def test_reference_values_of_the_published_grouping(size, method, squared, grouped, t4):
    dense, pruned = example(size, method)
    if squared is not None:
        assert ap2(dense, pruned, ONES, groups=0) == pytest.approx(squared, rel=1e-13)
        assert gaussian(dense, pruned, ONES, groups=0, **ISOTROPIC) == pytest.approx(squared / 2, rel=1e-13)
        assert ap2(dense, pruned, ONES, groups=100) == pytest.approx(grouped**2, rel=1e-12)
        assert gaussian(dense, pruned, ONES, groups=100, **ISOTROPIC) == pytest.approx(grouped**2 / 2, rel=1e-12)
    assert student_t_kl(dense, pruned, ONES, df=4.0, groups=100, **ISOTROPIC) == pytest.approx(t4, rel=1e-10)


def test_reference_values_of_gaussians():
    dense, zero = np.array([0.1, -0.2, 0.3]), np.zeros(3)
    variance = np.array([1.0, 2.0, 4.0])
    assert gaussian(dense, zero, variance, cov="diag", scale=1.0, groups=0) == pytest.approx(0.02625, rel=1e-14)
    dense, zero = 0.01 * np.arange(1, 6), np.zeros(5)
    assert ap2(dense, zero, ONES, groups=0) == pytest.approx(0.0055, rel=1e-14)
    half = gaussian(dense, zero, ONES, cov="identity", scale=math.sqrt(0.5), groups=0)
    assert half == pytest.approx(0.0055, rel=1e-14)  # S = I / 2 is the one scale at which AP3 equals AP2


@pytest.mark.parametrize(
    ("size", "groups", "expected"),
    [
        (20480, 100, 101),
        (40960, 100, 101),
        (409600, 100, 100),
        (204800, 100, 100),
        (150, 100, 150),
        (2500, 100, 100),
        (2530, 100, 102),
        (7, 7, 7),
        (7, 1, 1),
        (7, 0, 7),
        (0, 0, 0),
    ],
)
def test_counts_of_the_published_grouping(size, groups, expected):
    assert dimension(size, groups) == expected
    if groups:
        assert group_means(np.ones(size), groups).tolist() == [1.0] * expected


@given(st.integers(1, 400).flatmap(lambda n: st.tuples(st.just(n), st.integers(1, n))))
def test_group_means_are_those_of_consecutive_blocks(size_and_groups):
    size, groups = size_and_groups
    vector = np.random.default_rng(size).normal(size=size)
    block = size // groups
    expected = [np.mean(vector[start : start + block]) for start in range(0, size, block)]
    assert len(expected) == dimension(size, groups)
    np.testing.assert_allclose(group_means(vector, groups), expected, rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize(("size", "groups"), [(7, 8), (7, -1), (0, 1), (99, 100)])
def test_more_groups_than_weights_are_refused(size, groups):
    with pytest.raises(ValueError, match=f"groups is {groups}: .*{size} weights"):
        dimension(size, groups)


@pytest.mark.parametrize("shape", [(4, 6), (2, 9), (5, 3, 2, 2), (3, 1), (8, 1, 3, 3)])
def test_row_variance_is_its_documented_formula(shape):
    weight = np.random.default_rng(3).normal(size=shape) * np.linspace(0.1, 2, shape[0]).reshape(
        -1, *[1] * (len(shape) - 1)
    )
    rows = weight.reshape(shape[0], -1).tolist()
    r, columns = len(rows), len(rows[0])
    squares = []
    for j in range(columns):
        mean = sum(rows[i][j] for i in range(r)) / r
        squares.append(sum((rows[i][j] - mean) ** 2 for i in range(r)))
    v = sum(square / (r - 1) for square in squares) / columns
    expected = [(squares[j] + v) / r for _ in range(r) for j in range(columns)]
    found = row_variance(weight)
    assert found.shape == (weight.size,)
    np.testing.assert_allclose(found, expected, rtol=1e-12)


def test_row_variance_where_spread_is_missing():
    one_row = np.array([[1.0, 2.0, 6.0]])
    np.testing.assert_allclose(row_variance(one_row), [14 / 3] * 3)
    some = np.array([[1.0, 5.0], [1.0, 7.0]])  # the first column is constant, and still gets some of the second's
    np.testing.assert_allclose(row_variance(some), [0.5, 1.5, 0.5, 1.5])
    for flat in (np.full((4, 3), 2.5), np.zeros((1, 5)), np.tile(np.arange(3.0), (4, 1))):
        with pytest.raises(ValueError, match="cov=identity"):
            row_variance(flat)


@pytest.mark.parametrize("scale", [0.03, 1.0, 5.0])
def test_diagonal_distance_against_the_matrix(scale):
    for dense, pruned in pairs(6):
        variance = np.random.default_rng(dense.size).uniform(0.1, 3, dense.size)
        covariance = scale**2 * np.diag(variance)
        square = (dense - pruned) @ np.linalg.inv(covariance) @ (dense - pruned)
        options = {"cov": "diag", "scale": scale, "groups": 0}
        assert gaussian(dense, pruned, variance, **options) == pytest.approx(square / 2, rel=1e-11)
        laws = [MultivariateNormal(torch.tensor(mean), torch.tensor(covariance)) for mean in (dense, pruned)]
        assert gaussian(dense, pruned, variance, **options) == pytest.approx(kl_divergence(*laws).item(), rel=1e-10)
        expected = student_t.kl(math.sqrt(square), 2.5, dense.size)
        assert student_t_kl(dense, pruned, variance, df=2.5, **options) == pytest.approx(expected, rel=1e-11)


def test_scale_and_grouping_enter_the_distance():
    dense, pruned = example(250, "highest")
    wide = gaussian(dense, pruned, ONES, cov="identity", scale=4.0, groups=10)
    assert wide == pytest.approx(gaussian(dense, pruned, ONES, groups=10, **ISOTROPIC) / 16, rel=1e-13)
    distance = math.sqrt(ap2(dense, pruned, ONES, groups=10))
    found = student_t_kl(dense, pruned, ONES, df=3.0, cov="identity", scale=4.0, groups=10)
    assert found == pytest.approx(student_t.kl(distance / 4, 3.0, 10), rel=1e-13)  # the dimension is that of the groups


SPECS = [
    row.name + option
    for row in DISTRIBUTIONS
    for option in ("", ":groups=3", ":scale=0.2", ":cov=diag")
    if not option or option[1:].partition("=")[0] in row.parameters
]


@pytest.mark.parametrize("spec", SPECS)
def test_laws_that_every_distribution_keeps(spec):
    """Zero without a difference, positive with one, the same both ways, and the vectors are left as they are."""
    measure = DISTRIBUTIONS.parse(spec)
    for dense, pruned in pairs(12)[3:]:
        variance = np.linspace(0.5, 2, dense.size)
        before = dense.tobytes(), pruned.tobytes(), variance.tobytes()
        assert measure(dense, dense.copy(), variance) == 0.0
        assert measure(dense, pruned, variance) > 0
        assert measure(dense, pruned, variance) == measure(pruned, dense, variance)
        assert measure(dense, 2 * pruned - dense, variance) > measure(dense, pruned, variance)
        assert (dense.tobytes(), pruned.tobytes(), variance.tobytes()) == before


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ("gaussian:cov=full", "cov is 'full': expected identity or diag"),
        ("student-t:cov=full", "cov is 'full'"),
        ("gaussian:scale=0", "scale is 0"),
        ("gaussian:scale=-1", "scale is -1"),
        ("gaussian:scale=nan", "scale is nan"),
        ("student-t:scale=inf", "scale is inf"),
        ("student-t:df=0", "df is 0"),
        ("student-t:df=-2", "df is -2"),
        ("student-t:df=nan", "df is nan"),
        ("gaussian:cov=diag:groups=2", "groups goes with cov=identity"),
        ("ap2:groups=6", "groups is 6"),
        ("gaussian:groups=-1", "groups is -1"),
    ],
)
def test_what_is_refused(spec, words):
    with pytest.raises(ValueError, match=words):
        DISTRIBUTIONS.parse(spec)(np.arange(5.0), np.zeros(5), np.ones(5))


def test_infinite_degrees_of_freedom_are_the_gaussian():
    dense, pruned = example(100, "lowest")
    found = DISTRIBUTIONS.parse("student-t:df=inf")(dense, pruned, ONES)
    assert found == DISTRIBUTIONS.parse("gaussian")(dense, pruned, ONES)
