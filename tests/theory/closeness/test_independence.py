"""The test by permutation: its level where entries are independent, and what it finds."""

import numpy as np
import pytest

from apcli.theory.closeness.independence import STATISTICS, independence
from apcli.theory.closeness.random_signs import sign_bound


def verdict(weight: np.ndarray, seed: int = 0, **more: int):
    return independence(weight, np.random.default_rng(seed), **more)


def dependent(kind: str) -> np.ndarray:
    random = np.random.default_rng(1)
    noise = random.normal(size=(30, 40))
    return {
        "low rank": noise + 0.5 * np.outer(random.normal(size=30), random.normal(size=40)),
        "orthogonal": np.linalg.qr(noise.T)[0].T,
        "equal rows": np.repeat(noise[:15], 2, axis=0),
        "equal columns": np.repeat(noise[:, :20], 2, axis=1),
        "smooth": noise[:, 1:] + noise[:, :-1],
        "of one sign": np.abs(noise),
        "more of one sign": noise + 0.2,
        "rows of other sizes": noise * np.linspace(0.2, 3, 30)[:, None],
    }[kind]


@pytest.mark.parametrize(
    "kind",
    [
        *["low rank", "orthogonal", "equal rows", "equal columns", "smooth", "rows of other sizes"],
        *["of one sign", "more of one sign"],
    ],
)
def test_dependence_is_found(kind):
    weight = dependent(kind)
    before = weight.copy()
    found = verdict(weight)
    assert found.rejected
    assert found.p_value == 1 / 101
    assert (found.rows, found.columns, found.shuffles) == (*weight.shape, 100)
    assert np.array_equal(weight, before)


def test_which_statistic_found_it():
    by_name = {each.statistic: each for each in verdict(dependent("equal rows")).comparisons}
    assert tuple(by_name) == STATISTICS
    rows, columns = by_name["row correlation"], by_name["column correlation"]
    assert rows.observed > rows.shuffled + 5 * rows.deviation
    assert rows.p_value == 1 / 101
    assert columns.observed > columns.shuffled
    orthogonal = verdict(dependent("orthogonal")).comparisons
    assert all(each.observed < each.shuffled for each in orthogonal[:2])
    assert orthogonal[0].observed == pytest.approx(1, rel=1e-12)


def test_statistics_are_what_they_are_called():
    weight = dependent("low rank")
    norm, rows, columns, mean = verdict(weight, shuffles=19).comparisons
    assert mean.observed == pytest.approx(weight.mean(), rel=1e-12)
    assert norm.observed == pytest.approx(np.linalg.norm(weight, 2), rel=1e-12)
    for found, matrix in ((rows, weight), (columns, weight.T)):
        pairs = np.corrcoef(matrix)[np.triu_indices(len(matrix), 1)]
        assert found.observed == pytest.approx(np.sqrt(np.mean(pairs**2)), rel=1e-12)


def test_the_level_is_kept():
    """300 matrices of independent entries, heavy tails among them: at most 5 % are rejected, but for chance."""
    random = np.random.default_rng(2)
    draws = [random.normal, random.laplace, lambda size: random.standard_t(2, size=size)]
    found = [independence(draws[i % 3](size=(7, 9)), random, shuffles=19) for i in range(300)]
    rejected = sum(each.rejected for each in found)
    assert 5 <= rejected <= 26  # 15 expected, sd 3.8
    for index in range(4):
        values = np.array([each.comparisons[index].p_value for each in found])
        assert np.mean(values <= 0.5) == pytest.approx(0.5, abs=0.1)


def test_the_seed_decides():
    weight = np.random.default_rng(3).normal(size=(20, 20))
    assert verdict(weight, 4) == verdict(weight, 4)
    assert verdict(weight, 4) != verdict(weight, 5)


def test_of_a_large_matrix_a_part_is_looked_at():
    weight = np.random.default_rng(4).normal(size=(50, 60)) + 1
    found = verdict(np.repeat(weight, 2, axis=0), most=40)
    assert (found.rows, found.columns) == (40, 40)
    assert found.comparisons[0].observed < np.linalg.norm(weight, 2)


@pytest.mark.parametrize(
    "weight", [np.zeros((3, 3)), np.ones((1, 1)), np.array([[1.0, -1.0]]), np.array([[2.0], [-3]])]
)
def test_nothing_to_find(weight):
    assert not verdict(weight).rejected


@pytest.mark.parametrize("weight", [np.ones(3), np.full((2, 2), np.nan), np.ones((0, 3))])
def test_what_is_no_matrix_is_refused(weight):
    with pytest.raises(ValueError, match="expected a matrix of finite numbers"):
        verdict(weight)


def test_too_few_shuffles_are_refused():
    with pytest.raises(ValueError, match="expected 19 or more"):
        verdict(np.ones((2, 2)), shuffles=18)


def test_theorem_d_is_not_said_of_weights_of_one_sign():
    """Removed entries of one sign are beyond the bound, which shuffles of their places alone did not see."""
    weight = np.abs(np.random.default_rng(1).uniform(-1, 1, (200, 200)))
    removed = np.where(weight < np.median(weight), weight, 0)
    assert np.linalg.norm(removed, 2) > sign_bound(removed, 0.05)
    assert verdict(weight, shuffles=19).rejected
