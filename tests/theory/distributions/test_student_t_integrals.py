"""Student-t laws of different scales and degrees of freedom against 30 digits, the definition, and their laws."""

import math
from itertools import combinations_with_replacement, product

import numpy as np
import pytest
from oracles import general_student_t_kl_digits, general_student_t_renyi_digits, on_the_line, shift_of
from scipy import special

from apcli.theory import measures
from apcli.theory.covariances.families import identity
from apcli.theory.distributions import student_t
from apcli.theory.distributions.gaussian import GaussianPair
from apcli.theory.distributions.shifts import Shift
from apcli.theory.distributions.student_t import StudentTPair

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
    with np.errstate(divide="ignore"):  # an eigenvalue 0
        logs = np.log1p(np.array(excess, dtype=float))
    return Shift(logs, counts, np.array(distance, dtype=float), 1.0)


def test_reference_values():
    for (excess, distance, df, pruned_df), expected in REFERENCE.items():
        assert StudentTPair(shift(excess, distance), df, pruned_df).kl() == pytest.approx(expected, rel=3e-13)
    for (df, first, pruned_df, second, moved), expected in ON_A_LINE.items():
        found = StudentTPair(shift([(first / second) ** 2 - 1], [moved / second]), df, pruned_df)
        assert found.kl() == pytest.approx(expected, rel=1e-13)
    for (excess, distance, df, pruned_df, alpha), expected in RENYI.items():
        found = StudentTPair(shift(excess, distance), df, pruned_df).renyi(alpha)
        assert found == pytest.approx(expected, rel=1e-13)


def test_the_mean_of_the_log_of_the_other_distribution():
    """E log(1 + Q2 / df2) under the first one, by adaptive quadrature of two dimensions; KL is made of two of these."""
    eigenvalues, distance, df, pruned_df = np.array([1.5, 0.6, 2.0]), np.array([0.3, -1, 0.5]), 4, 5
    constant = sum(
        sign * (special.gammaln((one + 3) / 2) - special.gammaln(one / 2) - 1.5 * math.log(one))
        for sign, one in ((1, df), (-1, pruned_df))
    ) - math.fsum(np.log(eigenvalues)) / 2  # fmt: skip
    own = special.digamma((df + 3) / 2) - special.digamma(df / 2)  # E log(1 + Q1 / df)
    kl = StudentTPair(shift(eigenvalues - 1, np.abs(distance)), df, pruned_df).kl()
    found = (kl - constant + (df + 3) / 2 * own) / ((pruned_df + 3) / 2)
    assert found == pytest.approx(0.82769372373263, rel=1e-13)


# Eigenvalues less 1, multiplicities, shift, df, pruned df: KL by ``oracles.general_student_t_kl_digits``, 30 digits.
CASES = [
    ([0.0], [1], [0.0], 4, 4.0001, 3.250503518488381e-11),
    ([0.0], [1], [0.0], 4, 4 + 1e-8, 3.250610221883753e-19),
    ([0.0], [10], [1e-3], 30, 30.01, 4.787813425504927e-07),
    ([1e-6], [10], [1e-6], 4, 4, 1.0624990138897452e-12),
    ([2e-6, -1e-6], [4, 8], [1e-7, 1e-6], 0.5, 0.5, 5.607754805651369e-12),
    ([1e-6], [10**6], [0.0], 4, 4.0001, 1.8216324059644779e-10),
    ([1e-5, -2e-5], [1, 1], [1e-5, 2e-5], 30, 30.01, 6.685798887505951e-10),
    ([0.0], [1], [0.0], 1e6, 2e5, 2.7999213360432176e-11),
    ([0.0], [10], [1e-6], 1e6, 1.1e6, 8.30570621205723e-13),
    ([0.5], [10**7], [1e-6], 4, 7, 0.36060291197102595),
    ([1.0, -0.5], [50_000, 50_000], [1.0, 2.0], 4, 4, 11159.043809193998),
    ([0.0], [10**7], [1e4], 1e6, 0.5, 11989479.996368237),
    ([0.0], [10**7], [1e4], 0.5, 1e6, 8552713.318173224),
    ([1e12, -0.5], [1, 3], [1.0, 0.0], 3, 1.5, 55.54587891256878),
    ([5.0, 0.01, -0.9], [2, 30, 1], [0.1, 3.0, 0.0], 0.7, 1e3, 404.28420731888053),
]
# The same with the order: Renyi's divergence by ``oracles.general_student_t_renyi_digits``, 30 digits.
RENYI_CASES = [
    ([0.0], [1], [1e-6], 4, 4, 0.5, 1.7857142857142283e-13),
    ([0.0], [1], [0.0], 4, 4.0001, 0.3, 9.751381016539726e-12),
    ([1e-6, 0.0], [3, 2], [0.0, 1e-6], 30, 30.01, 0.5, 5.932221044652623e-10),
    ([0.0], [100], [50.0], 4, 4, 0.9, 75.61837642827257),
    ([5.0, 0.01, -0.9], [2, 3, 1], [0.1, 3.0, 0.0], 0.7, 20, 0.1, 0.5583549852965506),
    ([0.0], [3], [1e4], 200, 100, 0.5, 709.3779470963012),
]


@pytest.mark.parametrize(("excess", "multiplicity", "distance", "df", "pruned_df", "expected"), CASES)
def test_kl_against_many_digits(excess, multiplicity, distance, df, pruned_df, expected):
    given = shift(excess, distance, multiplicity)
    assert StudentTPair(given, df, pruned_df).kl() == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize(("excess", "multiplicity", "distance", "df", "pruned_df", "alpha", "expected"), RENYI_CASES)
def test_renyi_against_many_digits(excess, multiplicity, distance, df, pruned_df, alpha, expected):
    given = shift(excess, distance, multiplicity)
    assert StudentTPair(given, df, pruned_df).renyi(alpha) == pytest.approx(expected, rel=1e-12)


def check_kl_oracle(excess, multiplicity, distance, df, pruned_df, expected):
    assert general_student_t_kl_digits(shift(excess, distance, multiplicity), df, pruned_df) == expected


def check_renyi_oracle(excess, multiplicity, distance, df, pruned_df, alpha, expected):
    assert general_student_t_renyi_digits(shift(excess, distance, multiplicity), df, pruned_df, alpha) == expected


@pytest.mark.slow
def test_the_oracles_give_some_of_their_values():
    check_kl_oracle(*CASES[0])
    check_renyi_oracle(*RENYI_CASES[0])


@pytest.mark.long
def test_the_oracles_give_all_their_values():
    for case in CASES:
        check_kl_oracle(*case)
    for case in RENYI_CASES:
        check_renyi_oracle(*case)


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


@pytest.mark.slow
@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("df", [0.1, 4, 1e16])
@pytest.mark.parametrize("excess", [1e30, -1 + 1e-12, 1e-300, -1.0])
def test_hostile_scales(df, excess):
    found = StudentTPair(shift([excess, 0.0], [1.0, 0.0], [2, 3]), df, df)
    assert (found.kl() == math.inf) == (excess == -1)
    assert found.kl() > 0
    assert 0 < found.renyi(0.5) <= found.kl() * (1 + 1e-9)


@pytest.mark.slow
@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("delta", [0.0, 1e-160, 1e150, 1e300])
@pytest.mark.parametrize(("df", "pruned_df"), [(4, 5), (0.1, 1e6), (1e6, math.inf)])
def test_hostile_distances(delta, df, pruned_df):
    found = StudentTPair(shift([0.0], [delta], [3]), df, pruned_df)
    for law in (found, found.reversed()):
        assert 0 < law.renyi(0.5) <= law.kl() * (1 + 1e-9)


# Eigenvalues, shift, multiplicities, df, pruned df: KL, and Renyi's of order 0.5, of the oracles to 22 digits or more.
AT_THE_ENDS = {
    ((1.0,), (1.0,), (2,), 0.05, 4): (66.7119909021957, 2.1012447486594987),
    ((1.0,), (1.0,), (2,), 4, 0.05): (2.4643724657133026, 2.1012447486594987),
    ((0.25,), (3.0,), (100,), 0.1, 30): (240.0652248579338, 4.878530382760152),
    ((2.0, 0.5), (1.0, 20.0), (3, 7), 0.05, 0.2): (5.604510804501532, 1.672860436107702),
    ((1e12,), (1.0,), (10,), 4, 1): (13.510793259174875, 13.248812610270694),
    ((1e-12,), (1e6,), (10,), 4, 1): (276.2380520989719, 118.11667847678025),
    ((1.0,), (1e6,), (2,), 0.1, 0.1): (15.131600910362353, 2.715951493042899),
    ((1.0,), (1e-6,), (100,), 0.05, 0.05): (4.902008819205342e-13, 2.4510044095971233e-13),
    ((1.0,), (3.0,), (10**6,), 1e4, 1e20): (52.21074407241879, None),  # beyond the oracle
    ((4.0,), (1e3,), (10**8,), 1e8, 0.5): (124853.15232208151, None),
    ((2.5, 0.1), (1.0, 3.0), (60, 40), 1e20, 1e15): (50.5629799036551, None),
}


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("case", AT_THE_ENDS)
def test_reference_values_at_the_ends(case):
    eigenvalues, distance, multiplicity, df, pruned_df = case
    kl, renyi = AT_THE_ENDS[case]
    found = StudentTPair(Shift(np.log(eigenvalues), np.array(multiplicity), np.array(distance), 1.0), df, pruned_df)
    assert found.kl() == pytest.approx(kl, rel=1e-12)
    if renyi is not None:
        assert found.renyi(0.5) == pytest.approx(renyi, rel=1e-12)


DFS = (1e-3, 0.05, 30.0, 1e15, 1e300, math.inf)
PLACES = [  # eigenvalues, shift, multiplicities
    ((2.89,), (0.0,), (100,)),
    ((0.3,), (3.0,), (20480,)),
    ((1e12,), (1e-12,), (2,)),
    ((1e-12,), (1e6,), (3,)),
    ((3.0, 0.2, 1.0), (0.5, 0.0, 2.0), (1, 40, 9)),
]


def place(eigenvalues, distance, multiplicity):
    return Shift(np.log(eigenvalues), np.array(multiplicity), np.array(distance), 1.0)


def check_the_ends(where, pairs):
    """Symmetry, skew symmetry, and 2 BC <= R_0.9 <= KL: not one value is off by 1e-9."""
    for df, pruned_df in pairs:
        found = StudentTPair(place(*where), df, pruned_df)
        turned = found.reversed()
        distance = measures.bhattacharyya(found)
        assert distance == pytest.approx(measures.bhattacharyya(turned), rel=1e-11)
        high = found.renyi(0.9)
        assert high == pytest.approx(9 * turned.renyi(0.1), rel=1e-11)
        assert 2 * distance * (1 - 1e-12) <= high <= found.kl() * (1 + 1e-12)
        assert 2 * distance * (1 - 1e-12) <= turned.kl() * (1 + 1e-12)


@pytest.mark.slow
@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("where", PLACES)
def test_every_measure_at_some_ends_of_the_degrees_of_freedom(where):
    check_the_ends(where, [(1e-3, 30.0), (0.05, 0.05), (0.05, math.inf), (30.0, 1e300), (1e15, 1e15)])


@pytest.mark.long
@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("where", PLACES)
def test_every_measure_at_all_ends_of_the_degrees_of_freedom(where):
    check_the_ends(where, combinations_with_replacement(DFS, 2))


@pytest.mark.slow
@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("where", [PLACES[0], PLACES[1], PLACES[4]])  # elsewhere 1 - 1e-12 is not next to 1
def test_orders_next_to_one_are_next_to_kl(where):
    for df, pruned_df in ((0.05, 30.0), (30.0, 0.05), (1e-3, 1.0), (1e21, 1e15), (1e8, 1e300), (math.inf, 0.05)):
        found = StudentTPair(place(*where), df, pruned_df)
        assert found.renyi(1 - 1e-12) == pytest.approx(found.kl(), rel=1e-9)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(
    ("df", "pruned_df"),
    [
        (1e15, 1e20),
        pytest.param(1e21, 1e21, marks=pytest.mark.slow),
        pytest.param(1e300, 1e299, marks=pytest.mark.slow),
        (1e25, math.inf),
    ],
)
def test_the_gaussian_limit_of_every_measure(df, pruned_df):
    """What the tails add is of order (dim + shift^2)^2 / df in a log density."""
    for eigenvalues, distance, multiplicity in PLACES[:2] + PLACES[4:]:
        given = place(eigenvalues, distance, multiplicity)
        found, limit = StudentTPair(given, df, pruned_df), GaussianPair(given)
        off = max(1e-12, 100 * given.dim**2 / df)
        for alpha in (1e-9, 0.1, 0.3, 0.5, 0.9, 1 - 1e-6):
            assert found.renyi(alpha) == pytest.approx(limit.renyi(alpha), rel=off)
        for measure in (
            measures.kl,
            measures.reverse_kl,
            measures.jeffreys,
            measures.bhattacharyya,
            measures.hellinger,
        ):
            assert measure(found) == pytest.approx(measure(limit), rel=off)
    one = Shift.of_one_scale(1.3, 1000)
    found, limit = StudentTPair(one, df, df), GaussianPair(one)
    for measure in (measures.kl, measures.tv, measures.js, measures.bhattacharyya, measures.w2):
        assert measure(found) == pytest.approx(measure(limit), rel=max(1e-12, 1e6 / df))
    assert found.tv_lower() == pytest.approx(limit.tv_lower(), rel=1e-12)


@pytest.mark.parametrize("ratio", [1e-8, 1e-6, 1.0, 1e6, 1e8])
def test_scales_far_apart_keep_their_digits_either_way(ratio):
    """Eigenvalues of 1e-16 are not 1 less than one: once an infinite divergence, or one of four digits."""

    def between(first, second):
        given = identity(scale=first, pruned_scale=second)
        return given.shift(given.distances(np.array([0.1])), 0.1, 2, 5)

    for family in (GaussianPair, lambda laws: StudentTPair(laws, 4.0, 4.0)):
        one, other = family(between(ratio, 1.0)), family(between(1.0, ratio)).reversed()
        assert one.kl() == pytest.approx(other.kl(), rel=1e-13)
        assert one.reversed().kl() == pytest.approx(other.reversed().kl(), rel=1e-13)
        assert one.renyi(0.3) == pytest.approx(other.renyi(0.3), rel=1e-12)


@pytest.mark.slow
@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("delta", [1e-12, 1e-3, 1.0, 1e6])
@pytest.mark.parametrize("df", [1e-300, 1e-3, 0.5, 1e20, 1e300])
def test_laws_of_one_scale_at_the_ends(df, delta):
    for dim in (1, 10**8):
        found = StudentTPair(Shift.of_one_scale(delta, dim), df, df)
        assert 0 < found.renyi(0.5) <= found.renyi(0.9) * (1 + 1e-12) <= found.kl() * (1 + 2e-12)
        assert found.kl() <= delta**2 / 2 * (1 + 1e-12)
        assert (
            measures.hellinger(found) ** 2 * (1 - 1e-12)
            <= found.tv()
            <= math.sqrt(2) * measures.hellinger(found) * (1 + 1e-12)
        )
