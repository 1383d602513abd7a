"""Laws that hold between measures, over a grid of pairs; and between a pair and what averaging leaves of it."""

import math
from itertools import pairwise, product

import numpy as np
import pytest
from oracles import shift_of

from apcli.projections import DISTRIBUTIONS
from apcli.theory import MEASURES, measures
from apcli.theory.bounds import total_variation
from apcli.theory.distributions.gaussian import GaussianPair
from apcli.theory.distributions.shifts import Shift
from apcli.theory.distributions.student_t import StudentTPair
from apcli.theory.measures import NoExactForm, NotDefined, number_or_same

DRAW = np.random.default_rng(7)
DFS = [(0.7, 0.7), (4, 4), (3, 8), (1e4, 1e4), (5, math.inf), (math.inf, 2)]
SHIFTS = {
    "one scale": Shift.of_one_scale(1.3, 5),
    "far": Shift.of_one_scale(40.0, 3),
    "near": Shift.of_one_scale(1e-5, 100),
    "wide": Shift.of_one_scale(2.0, 10**6, 0.4, trace=3e4),
    "sizes": Shift(np.log1p([0.8]), np.array([4]), np.array([0.5]), 0.5, (7.2, 4.0), 0.4),
    "shapes": Shift(np.log1p([0.8, -0.7, 1e-7]), np.array([1, 2, 9]), np.array([0.5, 0, 2]), 1.0, (9.0, 8.0), 0.3),
    "nearly one scale": Shift(np.log1p([1e-6, -2e-6]), np.array([5, 6]), np.array([1e-6, 0]), 1e-6, (11, 11), 1e-11),
    "same place": Shift(np.log1p([3.0, -0.5]), np.array([2, 2]), np.zeros(2), 0.0, (9.0, 4.0), 1.0),
}
PAIRS = {f"gaussian, {name}": GaussianPair(shift) for name, shift in SHIFTS.items()} | {
    f"t {df:g} and {other:g}, {name}": StudentTPair(shift, df, other)
    for (df, other), (name, shift) in product(DFS, SHIFTS.items())
}
QUICK = ("gaussian", "t 4 and 4", "t 3 and 8")
ORDERS = (0.05, 0.3, 0.5, 0.7, 0.95, 0.999)
LITTLE = 1 + 1e-9


class Remembered:
    """A pair whose numbers are computed once for all tests."""

    def __init__(self, pair):
        self.pair, self.known, self.reverse = pair, {}, None

    def reversed(self):
        self.reverse = self.reverse or Remembered(self.pair.reversed())
        return self.reverse

    def __getattr__(self, name):
        value = getattr(self.pair, name)
        if not callable(value):
            return value

        def method(*given):
            if (name, given) not in self.known:
                self.known[name, given] = value(*given)
            return self.known[name, given]

        return method


def exactly(measure):
    try:
        return measure()
    except NoExactForm:
        return None


every_pair = pytest.mark.parametrize(
    "pair",
    [
        pytest.param(Remembered(pair), id=name, marks=() if name.startswith(QUICK) else pytest.mark.slow)
        for name, pair in PAIRS.items()
    ],
)


@every_pair
def test_divergences_are_positive_and_jeffreys_is_symmetric(pair):
    assert measures.kl(pair) > 0
    assert measures.jeffreys(pair) == measures.jeffreys(pair.reversed())
    assert measures.jeffreys(pair) == measures.kl(pair) + measures.reverse_kl(pair)
    assert pair.reversed().reversed().kl() == pytest.approx(pair.kl(), rel=1e-9)


@pytest.mark.slow
@every_pair
def test_renyi_grows_with_its_order_up_to_kl(pair):
    values = [measures.renyi(pair, alpha=alpha) for alpha in ORDERS]
    assert values[0] > 0
    assert all(low <= high * LITTLE for low, high in pairwise([*values, measures.kl(pair)]))
    if measures.kl(pair) < 1:  # far laws of heavy tails approach it late
        assert values[-1] == pytest.approx(measures.kl(pair), rel=0.05)
    scaled = [(1 - alpha) / alpha * value for alpha, value in zip(ORDERS, values, strict=True)]
    assert all(high <= low * LITTLE for low, high in pairwise(scaled))  # van Erven & Harremoes 2014, proposition 2


@every_pair
def test_bhattacharyya_and_hellinger_are_symmetric(pair):
    assert measures.bhattacharyya(pair) == pytest.approx(measures.bhattacharyya(pair.reversed()), rel=1e-9)
    assert measures.hellinger(pair) ** 2 == pytest.approx(-math.expm1(-measures.bhattacharyya(pair)), rel=1e-14)


@every_pair
def test_bounds_on_total_variation(pair):
    upper = min(total_variation.pinsker(pair.kl()), total_variation.bretagnolle_huber(pair.kl()))
    hellinger2 = measures.hellinger(pair) ** 2
    lower = [bound for bound in pair.tv_lower().values() if bound is not None]
    assert all(small <= large for small, large in pairwise(lower))
    assert max([hellinger2, *lower]) <= upper * LITTLE
    exact = exactly(pair.tv)
    if exact is not None:
        assert max([hellinger2, *lower]) <= exact * LITTLE
        assert exact <= min(upper, math.sqrt(2 * hellinger2 - hellinger2**2)) * LITTLE


@every_pair
def test_jensen_shannon_is_between_others(pair):
    """At most log 2 TV and at most Jeffreys / 4; at least H^2 log 2 (Topsoe 2000; Lin 1991)."""
    exact = exactly(pair.js)
    shifted_only = pair.shift.one_scale and getattr(pair, "df", 0) == getattr(pair, "pruned_df", 0)
    if not shifted_only:
        assert exact is None
        return
    assert exact <= math.log(2) * min(1, pair.tv()) * LITTLE
    assert exact <= measures.jeffreys(pair) / 4 * LITTLE
    assert exact >= measures.hellinger(pair) ** 2 * math.log(2) / LITTLE


@pytest.mark.parametrize("name", ["kl", "reverse-kl", "jeffreys", "bhattacharyya", "hellinger", "tv", "js", "w2"])
def test_equal_laws_are_not_apart(name):
    measure = MEASURES.parse(name)
    for equal in (Shift.of_one_scale(0.0, 7), shift_of([0, 0], [[2, 1], [1, 3]], [[2, 1], [1, 3]])):
        for pair in (GaussianPair(equal), StudentTPair(equal, 3, 3), StudentTPair(equal, math.inf, math.inf)):
            assert measures.exact(pair, measure) == 0


@pytest.mark.parametrize("delta", [1e-5, 0.4, 3.0])
def test_more_degrees_of_freedom_approach_the_gaussian(delta):
    shift = Shift.of_one_scale(delta, 6)
    for row in MEASURES:
        if row.name == "w2":
            continue
        measure = MEASURES.parse(row.name)
        limit = measures.exact(GaussianPair(shift), measure)
        errors = [abs(measures.exact(StudentTPair(shift, df, df), measure) / limit - 1) for df in (30, 3e4, 3e7)]
        assert errors[0] > 100 * errors[1] > 1e4 * errors[2], row.name
        assert errors[2] < 1e-6


def averaged(difference, first, second, groups):
    """The laws of the means of consecutive coordinates."""
    means = np.kron(np.eye(groups), np.full(len(difference) // groups, groups / len(difference)))
    return shift_of(means @ difference, means @ first @ means.T, means @ second @ means.T)


@pytest.mark.parametrize("groups", [1, 4, *(pytest.param(n, marks=pytest.mark.slow) for n in (2, 6))])
@pytest.mark.parametrize("law", [GaussianPair, lambda s: StudentTPair(s, 4, 4), lambda s: StudentTPair(s, 3, 6)])
def test_averaging_never_raises_a_divergence(groups, law):
    """Data processing; means of a Student-t law are a Student-t law of the same df, with the averaged scale."""
    roots, difference = DRAW.normal(size=(2, 12, 14)), DRAW.normal(size=12)
    first, second = roots @ roots.transpose(0, 2, 1)
    for pair in ((difference, first, second), (difference, first, first)):
        whole, less = law(shift_of(*pair)), law(averaged(*pair, groups))
        assert less.dim == groups
        for name in ("kl", "reverse-kl", "renyi:alpha=0.3", "hellinger"):
            measure = MEASURES.parse(name)
            assert 0 < measures.exact(less, measure) <= measures.exact(whole, measure) * LITTLE


@pytest.mark.parametrize("groups", [1, 2, 5])
def test_averaging_never_raises_total_variation(groups):
    difference, scale = DRAW.normal(size=10), np.diag(DRAW.uniform(0.5, 2, 10))
    for law in (GaussianPair, lambda s: StudentTPair(s, 4, 4)):
        whole, less = law(shift_of(difference, scale, scale)), law(averaged(difference, scale, scale, groups))
        assert 0 < less.tv() <= whole.tv()
        assert 0 < less.js() <= whole.js() * LITTLE


def test_the_identity_kept_after_averaging_is_smaller_again_by_the_group():
    """ap3 example: w_i = 0.05 sin(i^1.3), the lowest 30 % removed, averages of 100 groups of 25."""
    weights = 0.05 * np.sin(np.arange(2500) ** 1.3)
    removed = np.argsort(np.abs(weights), kind="stable")[:750]
    difference = np.zeros(2500)
    difference[removed] = weights[removed]
    means = difference.reshape(100, 25).mean(axis=1)
    full, grouped = Shift.of_one_scale(np.linalg.norm(difference), 2500), Shift.of_one_scale(np.linalg.norm(means), 100)
    pushed = Shift.of_one_scale(5 * grouped.delta, 100)
    assert GaussianPair(full).kl() == pytest.approx(0.061352207777076, rel=1e-12)
    assert GaussianPair(pushed).kl() == pytest.approx(0.002151317156478, rel=1e-12)
    assert GaussianPair(grouped).kl() == pytest.approx(8.6052686259e-5, rel=1e-10)
    assert StudentTPair(grouped, 4, 4).kl() == pytest.approx(8.4428953431e-5, rel=1e-10)


@pytest.mark.parametrize("alpha", [0.0, 1.0, -0.5, math.inf, math.nan])
def test_orders_that_are_none(alpha):
    with pytest.raises(ValueError, match="expected an order above 0"):
        measures.renyi(GaussianPair(Shift.of_one_scale(1.0, 2)), alpha=alpha)


def test_number_or_same():
    assert number_or_same("same", 3.0, "df") == 3
    assert number_or_same("4.5", 3.0, "df") == number_or_same(4.5, 3.0, "df") == 4.5
    with pytest.raises(ValueError, match="df is 'x': expected same or a number"):
        number_or_same("x", 3.0, "df")


@pytest.mark.parametrize("name", ["gaussian", "student-t"])
def test_the_table_s_rows_make_these_pairs(name):
    choice = DISTRIBUTIONS.parse(name)
    df = {key: choice.parameters[key] for key in ("df", "pruned_df") if key in choice.parameters}
    pair = choice.row.load()(Shift.of_one_scale(1.0, 4), **df)
    for row in MEASURES:
        try:
            assert measures.exact(pair, MEASURES.parse(row.name)) > 0
        except NotDefined:
            pytest.fail(row.name)
