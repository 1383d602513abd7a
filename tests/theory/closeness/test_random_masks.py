"""Theorem C: reference values, and coverage over masks that are drawn."""

import math

import numpy as np
import pytest

from apcli.theory.closeness.propagation import Layer, propagate
from apcli.theory.closeness.random_masks import (
    Entries,
    RandomRemoval,
    bernoulli,
    exactly,
)
from apcli.theory.statistics.concentration import bernstein

REFERENCE = {  # |W|_F, max|w|, largest sums of squares of a row and a column; p = 0.1: T, e; k = floor(0.1 n m): T
    0: (4.4994530912757, 0.18257377665801, 0.69663539351802, 0.77707209921744),
    1: (4.4652193939411, 0.15811377189537, 0.65529543187205, 0.6512500241593),
    2: (2.1908479762788, 0.15810323044816, 0.51235536357345, 0.19552212100743),
}
TAILS = {
    0: (1.6298770551136, 1.7652626333771, 1.7588963091556),
    1: (1.4797866376273, 1.6096641769874, 1.5946985185475),
    2: (1.3192117764499, 1.4102912707809, 1.429830874769),
}


@pytest.mark.parametrize("index", REFERENCE)
def test_reference_values_of_entries(weights, index):
    entries = Entries.of(weights[index])
    (series,) = entries.series
    found = (entries.frobenius, entries.largest, series.row, series.column)
    assert found == pytest.approx(REFERENCE[index], rel=1e-13)
    assert series.variance == max(series.row, series.column)
    assert (series.dimension, entries.count) == (sum(weights[index].shape), weights[index].size)
    assert entries.norm == series.norm == pytest.approx(np.linalg.norm(weights[index], 2), rel=1e-13)


def by_bernstein(entries: Entries, fraction: float, delta: float) -> RandomRemoval:
    """What ``bernoulli`` gives where concentration gives no less, as the reference values have it."""
    (series,) = entries.series
    size = max(fraction, 1 - fraction) * entries.largest
    tail = bernstein(fraction * (1 - fraction) * series.variance, size, delta, series.dimension)
    removed = fraction * entries.norm + tail
    kept = min(entries.norm + removed, (1 - fraction) * entries.norm + tail)
    return RandomRemoval(fraction, tail, removed, kept, "Bernstein")


@pytest.mark.parametrize("index", TAILS)
def test_reference_tails(weights, index):
    entries = Entries.of(weights[index])
    tail, removed, of_count = TAILS[index]
    plain = by_bernstein(entries, 0.1, 0.05 / 3)
    assert (plain.tail, plain.removed) == pytest.approx((tail, removed), rel=1e-13)
    assert exactly(entries, math.floor(0.1 * entries.count), 0.05 / 3).tail == pytest.approx(of_count, rel=1e-13)
    found = bernoulli(entries, 0.1, 0.05 / 3)
    assert found.tail <= tail * (1 + 1e-13)
    assert found.reason == ("Bernstein" if found.tail == plain.tail else "concentration")


@pytest.mark.parametrize(
    ("fraction", "by_sum", "sharper", "trivial"),
    [
        (0.01, 8.9751114519545, 8.8304550773996, 11.842958117516),
        (0.1, 19.454853853793, 16.88315091812, 17.738365722732),
        (0.3, 36.648442858227, 24.913375651007, 20.552445007302),
    ],
)
def test_reference_network(weights, fraction, by_sum, sharper, trivial):
    entries = [Entries.of(weight) for weight in weights]
    masks = [by_bernstein(each, fraction, 0.05 / 3) for each in entries]
    loose = [Layer(e.norm, e.norm + m.removed, m.removed) for e, m in zip(entries, masks, strict=True)]
    sharp = [Layer(e.norm, m.kept, m.removed) for e, m in zip(entries, masks, strict=True)]
    assert propagate(loose, 1).difference == pytest.approx(by_sum, rel=1e-12)
    bounds = propagate(sharp, 1)
    assert (bounds.difference, bounds.trivial) == pytest.approx((sharper, trivial), rel=1e-12)


@pytest.mark.parametrize(
    ("fraction", "delta", "by_bernsteins", "by_concentration"),
    [
        (0.01, 0.05, 0.879, 0.854),
        (0.1, 0.05, 1.346, 1.314),
        (0.3, 0.05, 1.723, 1.647),
        (0.01, 1e-6, 2.016, 1.298),
        (0.1, 1e-6, 2.564, 1.758),
        (0.3, 1e-6, 3.008, 2.091),
    ],
)
def test_concentration_is_the_smaller(weights, fraction, delta, by_bernsteins, by_concentration):
    entries = Entries.of(weights[1])
    assert by_bernstein(entries, fraction, delta).tail == pytest.approx(by_bernsteins, abs=6e-4)
    found = bernoulli(entries, fraction, delta)
    assert found.tail == pytest.approx(by_concentration, abs=6e-4)
    assert found.reason == "concentration"


@pytest.mark.parametrize(("fraction", "quantile"), [(0.01, 0.256), (0.1, 0.478), (0.3, 0.652)])
def test_coverage(weights, fraction, quantile):
    """400 masks: the 95 % quantile of |E - pW| is that of the reference, and T is two to four times as large."""
    weight, random = weights[1], np.random.default_rng(0)
    entries = Entries.of(weight)
    masks = random.random((400, *weight.shape)) < fraction
    found = np.linalg.norm((masks - fraction) * weight, 2, axis=(1, 2))
    assert np.quantile(found, 0.95) == pytest.approx(quantile, rel=0.06)
    bound = bernoulli(entries, fraction, 0.05)
    assert 2 < bound.tail / np.quantile(found, 0.95) < 4
    assert found.max() < bound.tail
    assert np.linalg.norm(masks * weight, 2, axis=(1, 2)).max() < bound.removed
    assert np.linalg.norm(~masks * weight, 2, axis=(1, 2)).max() < bound.kept


def test_coverage_where_the_bound_is_nearly_reached():
    """A matrix of one entry, removed with probability p: T may fail with probability delta, and does not."""
    entries = Entries.of(np.array([[2.0]]))
    for fraction in (0.01, 0.3, 0.9):
        bound = bernoulli(entries, fraction, 0.9 * fraction)
        assert 2 * (1 - fraction) <= bound.tail
        assert bound.removed == 2


@pytest.mark.parametrize("share", [0.002, 0.1, 0.5, 0.95])
def test_exact_counts_are_covered(weights, share):
    weight, random = weights[2], np.random.default_rng(1)
    count = max(1, int(share * weight.size))
    bound = exactly(Entries.of(weight), count, 0.05)
    flat = np.zeros((300, weight.size), bool)
    flat[:, :count] = True
    masks = random.permuted(flat, axis=1).reshape(300, *weight.shape)
    norms = [np.linalg.norm(part * weight, 2, axis=(1, 2)) for part in (masks - bound.fraction, masks, ~masks)]
    for found, limit in zip(norms, (bound.tail, bound.removed, bound.kept), strict=True):
        assert found.max() <= limit * (1 + 1e-12)


def test_few_weights_are_no_more_than_their_number():
    entries = Entries.of(np.random.default_rng(2).normal(size=(50, 60)))
    for count in (1, 4, 9):
        assert exactly(entries, count, 0.05).removed == pytest.approx(entries.largest * math.sqrt(count), rel=1e-15)
    assert exactly(entries, 1500, 0.05).removed < entries.largest * math.sqrt(1500)
    assert exactly(entries, 10, 0.05).tail == pytest.approx(exactly(entries, 2990, 0.05).tail, rel=1e-13)


def test_none_and_all(weights):
    entries = Entries.of(weights[0])
    norm = entries.norm
    for none in (bernoulli(entries, 0, 0.05), exactly(entries, 0, 0.05)):
        assert none == RandomRemoval(0, 0, 0, norm, "certain")
    for everything in (bernoulli(entries, 1, 0.05), exactly(entries, entries.count, 0.05)):
        assert everything == RandomRemoval(1, 0, norm, 0, "certain")


@pytest.mark.parametrize(
    "call",
    [
        lambda e: bernoulli(e, 0.1, 0),
        lambda e: bernoulli(e, 0, 1),
        lambda e: bernoulli(e, -0.1, 0.5),
        lambda e: bernoulli(e, math.nan, 0.5),
        lambda e: exactly(e, 5, 0.5),
        lambda e: exactly(e, -1, 0.5),
        lambda e: bernoulli(e, 0.1, math.nan),
        lambda e: Entries.of(np.ones(3)),
    ],
)
def test_what_is_refused(call):
    with pytest.raises(ValueError, match="expected"):
        call(Entries.of(np.ones((2, 2))))
