"""Agreement, flips, classes and confusion, against scikit-learn's, SciPy's, and counts by hand."""

import numpy as np
import pytest
from behaviours import outcome
from scipy import stats
from sklearn import metrics

from apcli.stages.behaviour.predictions import compared_means, predictions


@pytest.fixture(scope="module")
def both():
    draw = np.random.default_rng(0)
    labels = draw.integers(0, 4, 400)
    before, after = (np.where(draw.random(400) < share, labels, draw.integers(0, 4, 400)) for share in (0.8, 0.5))
    return outcome(labels, before, draw.random(400)), outcome(labels, after, draw.random(400))


def test_a_network_agrees_with_itself(both):
    found = predictions(both[0], both[0], ())
    assert (found.agreement.value, found.agreement.high) == (100, 100)
    assert found.agreement.low == pytest.approx(100 * 0.025 ** (1 / 400))
    assert (found.flips.to_wrong, found.flips.to_right, found.flips.between_wrongs, found.flips.p) == (0, 0, 0, 1)
    assert found.flips.both_right + found.flips.alike_wrong == 400
    assert found.confusion == ()
    assert {one.change.value for one in found.classes} == {0.0}
    assert {one.p for one in found.classes} == {1.0}
    assert (found.loss.change.value, found.loss.change.low) == (0, None), "no spread, no interval"


def test_numbers_are_those_of_other_libraries(both):
    dense, pruned = both
    found = predictions(dense, pruned, ("a", "b", "c"))
    counts = metrics.confusion_matrix(dense.predictions, pruned.predictions)
    agreement = stats.binomtest(int(np.trace(counts)), 400)
    interval = agreement.proportion_ci(method="exact")
    assert found.agreement.value == pytest.approx(100 * np.trace(counts) / 400)
    assert (found.agreement.low, found.agreement.high) == pytest.approx((100 * interval.low, 100 * interval.high))
    assert [one.predicted_by_both for one in found.classes] == np.diag(counts).tolist()
    pairs = {(one.dense, one.pruned): one.images for one in found.confusion}
    assert pairs == {(i, j): counts[i, j] for i in range(4) for j in range(4) if i != j and counts[i, j]}
    assert list(pairs.values()) == sorted(pairs.values(), reverse=True)
    assert found.accuracy.dense == pytest.approx(100 * metrics.accuracy_score(dense.labels, dense.predictions))
    recalls = metrics.recall_score(pruned.labels, pruned.predictions, average=None)
    assert [one.pruned for one in found.classes] == pytest.approx((100 * recalls).tolist())
    assert [one.name for one in found.classes] == ["a", "b", "c", None]
    flips = found.flips
    assert flips.p == pytest.approx(stats.binomtest(flips.to_wrong, flips.to_wrong + flips.to_right).pvalue)
    assert flips.both_right + flips.to_wrong == dense.right.sum()
    assert flips.both_right + flips.to_right == pruned.right.sum()
    wrong = ~dense.right & ~pruned.right
    assert flips.between_wrongs == (wrong & (dense.predictions != pruned.predictions)).sum()
    assert flips.alike_wrong + flips.between_wrongs == wrong.sum()
    assert found.accuracy.change.value == pytest.approx(100 * (flips.to_right - flips.to_wrong) / 400)


def test_intervals_of_classes_go_with_their_adjusted_p(both):
    found = predictions(*both, ())
    for one in found.classes:
        assert one.change.low < one.change.value < one.change.high
        if one.p < 0.03:
            assert one.change.high < 0
        if one.p > 0.08:
            assert one.change.low < 0 < one.change.high
    assert min(one.p for one in found.classes) < 0.03


def test_only_the_commonest_pairs_of_classes_are_recorded():
    dense, pruned = np.divmod(np.arange(12**2), 12)
    labels = np.zeros(144, int)
    found = predictions(outcome(labels, dense), outcome(labels, pruned), ())
    assert len(found.confusion) == 100
    assert [(one.dense, one.pruned) for one in found.confusion[:2]] == [(0, 1), (0, 2)], "ties in the order of classes"
    assert [one.label for one in found.classes] == [0]


def test_the_interval_of_a_mean_is_students_paired():
    draw = np.random.default_rng(1)
    first, second = draw.random(30), draw.random(30)
    found = compared_means(first, second)
    interval = stats.ttest_rel(second, first).confidence_interval()
    assert (found.change.low, found.change.high) == pytest.approx((interval.low, interval.high))
    assert (found.dense, found.pruned) == pytest.approx((first.mean(), second.mean()))
