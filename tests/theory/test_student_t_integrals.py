"""Student-t laws of different scales and degrees of freedom against 30 digits, the definition, and their laws."""

import math
from itertools import product

import numpy as np
import pytest
from oracles import general_student_t_kl_digits, general_student_t_renyi_digits, on_the_line, shift_of

from apcli.theory import student_t
from apcli.theory.gaussian import GaussianPair
from apcli.theory.shifts import Shift
from apcli.theory.student_t import StudentTPair

I100 = np.arange(1, 101)
REFERENCE = {  # eigenvalues less 1, shift, df, pruned df: KL
    ((0.0,), (0.5,), 4, 4): 0.088119927027277,
    ((0.5, -0.4), (0.3, 1), 4, 4): 0.49107229760918,
    ((1.0, 4.0), (0, 0), 3, 6): 0.79156153055209,
    ((-0.8, 2.0), (1, 1), 5, 2): 1.23058037978835,
    (tuple(np.expm1(0.1 * np.sin(I100))), tuple(np.abs(0.1 * np.cos(I100))), 4, 4): 0.36588687256376,
    ((0.0,), (0.5,), math.inf, 4): 0.1432638353279,
    ((0.0,) * 100, (0.05,) * 100, math.inf, 5): 1.2015365814436,
    ((0.0,), (0.0,), 5, math.inf): 0.12476919412361,
    ((0.0,) * 100, (0.05,) * 100, 5, math.inf): 21.216543977835,
}
ON_A_LINE = {  # df, scale, pruned df, pruned scale, shift: KL
    (4, 1, 4, 1.5, 0.7): 0.18113370529187,
    (3, 2, 7, 1, 1.2): 0.96759561580291,
    (1, 1, 5, 1, 0.3): 0.68110818365456,
}
RENYI = {  # eigenvalues less 1, shift, df, pruned df, order
    ((0.5, -0.4), (0.3, 1), 4, 4, 0.5): 0.27972338945115,
    ((-0.8, 2.0), (1, 1), 5, 2, 0.5): 0.78263511245077,
    ((0.44,), (0.7,), 3, 6, 0.4): 0.084228397867471,
}


def shift(excess, distance, multiplicity=None):
    counts = np.ones(len(excess), dtype=int) if multiplicity is None else np.array(multiplicity)
    return Shift(np.array(excess, dtype=float), counts, np.array(distance, dtype=float), 1.0)


def test_reference_values():
    for (excess, distance, df, pruned_df), expected in REFERENCE.items():
        assert StudentTPair(shift(excess, distance), df, pruned_df).kl() == pytest.approx(expected, rel=3e-13)
    for (df, first, pruned_df, second, moved), expected in ON_A_LINE.items():
        found = StudentTPair(shift([(first / second) ** 2 - 1], [moved / second]), df, pruned_df)
        assert found.kl() == pytest.approx(expected, rel=1e-13)
    for (excess, distance, df, pruned_df, alpha), expected in RENYI.items():
        found = StudentTPair(shift(excess, distance), df, pruned_df).renyi(alpha)
        assert found == pytest.approx(expected, rel=1e-13)


CASES = [  # eigenvalues less 1, multiplicities, shift, df, pruned df
    ([0.0], [1], [0.0], 4, 4.0001),
    ([0.0], [1], [0.0], 4, 4 + 1e-8),
    ([0.0], [10], [1e-3], 30, 30.01),
    ([1e-6], [10], [1e-6], 4, 4),
    ([2e-6, -1e-6], [4, 8], [1e-7, 1e-6], 0.5, 0.5),
    ([1e-6], [10**6], [0.0], 4, 4.0001),
    ([1e-5, -2e-5], [1, 1], [1e-5, 2e-5], 30, 30.01),
    ([0.0], [1], [0.0], 1e6, 2e5),
    ([0.0], [10], [1e-6], 1e6, 1.1e6),
    ([0.5], [10**7], [1e-6], 4, 7),
    ([1.0, -0.5], [50_000, 50_000], [1.0, 2.0], 4, 4),
    ([0.0], [10**7], [1e4], 1e6, 0.5),
    ([0.0], [10**7], [1e4], 0.5, 1e6),
    ([1e12, -0.5], [1, 3], [1.0, 0.0], 3, 1.5),
    ([5.0, 0.01, -0.9], [2, 30, 1], [0.1, 3.0, 0.0], 0.7, 1e3),
]


@pytest.mark.parametrize(("excess", "multiplicity", "distance", "df", "pruned_df"), CASES)
def test_kl_against_many_digits(excess, multiplicity, distance, df, pruned_df):
    given = shift(excess, distance, multiplicity)
    expected = general_student_t_kl_digits(given, df, pruned_df)
    assert StudentTPair(given, df, pruned_df).kl() == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize(
    ("excess", "multiplicity", "distance", "df", "pruned_df", "alpha"),
    [
        ([0.0], [1], [1e-6], 4, 4, 0.5),
        ([0.0], [1], [0.0], 4, 4.0001, 0.3),
        ([1e-6, 0.0], [3, 2], [0.0, 1e-6], 30, 30.01, 0.5),
        ([0.0], [100], [50.0], 4, 4, 0.9),
        ([5.0, 0.01, -0.9], [2, 3, 1], [0.1, 3.0, 0.0], 0.7, 20, 0.1),
        ([0.0], [3], [1e4], 200, 100, 0.5),
    ],
)
def test_renyi_against_many_digits(excess, multiplicity, distance, df, pruned_df, alpha):
    given = shift(excess, distance, multiplicity)
    expected = general_student_t_renyi_digits(given, df, pruned_df, alpha)
    assert StudentTPair(given, df, pruned_df).renyi(alpha) == pytest.approx(expected, rel=1e-12)


def log_t(df, scale=1.0, location=0.0):
    constant = math.lgamma((df + 1) / 2) - math.lgamma(df / 2) - math.log(df * math.pi) / 2 - math.log(scale)
    return lambda z: constant - (df + 1) / 2 * math.log1p(((z - location) / scale) ** 2 / df)


def log_normal(z):
    return -(z**2) / 2 - math.log(2 * math.pi) / 2


@pytest.mark.parametrize("alpha", [0.5])
def test_one_gaussian_side_against_the_definition(alpha):
    exact = on_the_line(log_t(5, 1.5, 0.7), log_normal, [-10, -2, 0, 2, 10])
    found = StudentTPair(shift([1.5**2 - 1], [0.7]), 5, math.inf)
    assert found.kl() == pytest.approx(exact["kl"], rel=1e-9)
    assert found.renyi(alpha) / 2 == pytest.approx(exact["bhattacharyya"], rel=1e-9)
    other = StudentTPair(shift([1.5**-2 - 1], [0.7 / 1.5]), math.inf, 5)
    assert other.renyi(alpha) == pytest.approx(found.renyi(alpha), rel=1e-12)


def test_infinite_where_the_tail_is_too_heavy():
    assert StudentTPair(shift([0.0], [0.0]), 2, math.inf).kl() == math.inf
    assert StudentTPair(shift([0.0], [0.0]), 2.001, math.inf).kl() < math.inf
    assert StudentTPair(shift([0.0], [0.0]), 0.1, math.inf).reversed().kl() < 2


@pytest.mark.parametrize(("df", "pruned_df"), [(4, math.inf), (math.inf, 4), (1e6, math.inf), (math.inf, 30)])
def test_many_degrees_of_freedom_meet_infinitely_many(df, pruned_df):
    given = shift([0.5, -0.2], [0.3, 0.1], [3, 4])
    almost = StudentTPair(given, *(min(value, 1e13) for value in (df, pruned_df)))
    exact = StudentTPair(given, df, pruned_df)
    assert almost.kl() == pytest.approx(exact.kl(), rel=1e-10)
    assert almost.renyi(0.4) == pytest.approx(exact.renyi(0.4), rel=1e-10)


def test_many_degrees_of_freedom_on_both_sides_meet_the_gaussian():
    given = shift([0.5, -0.2], [0.3, 0.1], [3, 4])
    for df, rel in ((1e5, 1e-3), (1e9, 1e-7), (1e14, 1e-10)):
        found, limit = StudentTPair(given, df, 1.5 * df), GaussianPair(given)
        assert found.kl() == pytest.approx(limit.kl(), rel=rel)
        assert found.renyi(0.3) == pytest.approx(limit.renyi(0.3), rel=rel)


@pytest.mark.parametrize(("df", "pruned_df"), [(4, 4), (3, 8)])
def test_an_eigenvalue_may_be_given_in_parts(df, pruned_df):
    whole = StudentTPair(shift([0.5, -0.3], [5.0, 1.0], [6, 3]), df, pruned_df)
    parts = StudentTPair(shift([-0.3, 0.5, 0.5, -0.3], [0.0, 4.0, 3.0, 1.0], [1, 2, 4, 2]), df, pruned_df)
    assert parts.kl() == pytest.approx(whole.kl(), rel=1e-13)
    assert parts.renyi(0.3) == pytest.approx(whole.renyi(0.3), rel=1e-13)


@pytest.mark.parametrize(("df", "pruned_df"), [(4, 4), (3, 8), (0.5, math.inf), (20, math.inf)])
def test_turning_both_laws_round_turns_the_order_round(df, pruned_df):
    """(1 - alpha) R_alpha(p || q) = alpha R_(1 - alpha)(q || p) (van Erven & Harremoes 2014, proposition 2)."""
    found = StudentTPair(shift_of([0.3, 1, 2], np.diag([1, 2, 30]), np.diag([1, 1, 2])), df, pruned_df)
    for alpha in (0.2, 0.5, 0.9):
        turned = alpha / (1 - alpha) * found.reversed().renyi(1 - alpha)
        assert found.renyi(alpha) == pytest.approx(turned, rel=1e-12)


def test_equal_laws_by_the_general_integrals():
    """They meet ``student_t.kl`` as the laws come to differ in location only."""
    for dim, delta in product([1, 100, 10**6], [1e-6, 1.0, 1e3]):
        for df in (0.5, 4, 1e5):
            expected = student_t.kl(delta, df, dim)
            near = StudentTPair(shift([0.0], [delta], [dim]), df, df * (1 + 1e-12)).kl()
            assert near == pytest.approx(expected, rel=1e-9)


def test_as_many_eigenvalues_as_a_layer_has_columns():
    """The sums over eigenvalues in blocks and by powers, against a handful with multiplicities."""
    draw = np.random.default_rng(0)
    few, times = np.expm1(draw.normal(size=50)), 400
    distance = np.abs(draw.normal(size=50))
    many = StudentTPair(shift(np.repeat(few, times), np.repeat(distance / math.sqrt(times), times)), 4, 5)
    assert many.kl() == pytest.approx(StudentTPair(shift(few, distance, [times] * 50), 4, 5).kl(), rel=1e-11)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("df", [0.1, 4, 1e16])
@pytest.mark.parametrize("excess", [1e30, -1 + 1e-12, 1e-300, -1.0])
def test_hostile_scales(df, excess):
    found = StudentTPair(shift([excess, 0.0], [1.0, 0.0], [2, 3]), df, df)
    assert (found.kl() == math.inf) == (excess == -1)
    assert found.kl() > 0
    assert 0 < found.renyi(0.5) <= found.kl() * (1 + 1e-9)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("delta", [0.0, 1e-160, 1e150, 1e300])
@pytest.mark.parametrize(("df", "pruned_df"), [(4, 5), (0.1, 1e6), (1e6, math.inf)])
def test_hostile_distances(delta, df, pruned_df):
    found = StudentTPair(shift([0.0], [delta], [3]), df, pruned_df)
    for law in (found, found.reversed()):
        assert 0 < law.renyi(0.5) <= law.kl() * (1 + 1e-9)
