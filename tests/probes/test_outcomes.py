"""Numbers of single images, against scikit-learn's and SciPy's."""

from dataclasses import fields

import numpy as np
import pytest
import torch
from scipy import special, stats
from sklearn import metrics

from apcli.errors import ApcliError
from apcli.probes.outcomes import joined, logits, of_logits, outcomes


def batches_of(values, labels, size=7):
    """Images that are their own logits."""
    return lambda: zip(torch.tensor(values).split(size), torch.tensor(labels).split(size), strict=True)


def drawn(classes):
    draw = np.random.default_rng(classes)
    return 3 * draw.normal(size=(50, classes)), draw.integers(0, classes, 50)


@pytest.mark.parametrize("classes", [2, 4, 5, 9])
@pytest.mark.parametrize("temperature", [1.0, 2.5])
def test_numbers_are_those_of_other_libraries(classes, temperature):
    values, labels = drawn(classes)
    one, found = outcomes(lambda images: images, batches_of(values, labels), (1.0, temperature))
    probabilities = special.softmax(values / temperature, axis=1)
    every = list(range(classes))
    assert found.losses.mean() == pytest.approx(metrics.log_loss(labels, probabilities, labels=every), rel=1e-12)
    hot = np.eye(classes)[labels]
    assert found.briers == pytest.approx(((probabilities - hot) ** 2).sum(axis=1), abs=1e-12)
    if classes == 2:
        expected = 2 * metrics.brier_score_loss(labels, probabilities[:, 1])
        assert found.briers.mean() == pytest.approx(expected, rel=1e-12)
    assert found.accuracy == pytest.approx(100 * metrics.accuracy_score(labels, values.argmax(axis=1)))
    assert np.array_equal(found.predictions, values.argmax(axis=1))
    assert found.confidences == pytest.approx(probabilities.max(axis=1), rel=1e-12)
    assert found.entropies == pytest.approx(stats.entropy(probabilities, axis=1), abs=1e-12)
    assert np.array_equal(one.margins > 0, one.right)
    rows = zip(values / temperature, labels, strict=True)
    assert found.margins == pytest.approx([row[k] - np.delete(row, k).max() for row, k in rows])
    if classes < 5:
        assert found.among_five is None
    elif classes == 5:
        assert found.among_five.all()
    else:
        share = metrics.top_k_accuracy_score(labels, values, k=5, labels=every)
        assert found.among_five.mean() == pytest.approx(share)


def test_logits_are_kept_in_order():
    values, labels = drawn(3)
    found, targets = logits(lambda images: (images, None), batches_of(values, labels))
    assert np.array_equal(found.numpy(), values)
    assert np.array_equal(targets.numpy(), labels)


@pytest.mark.parametrize("classes", [3, 6])
def test_parts_are_joined(classes):
    values, labels = drawn(classes)
    (whole,) = outcomes(lambda images: images, batches_of(values, labels))
    (first,) = outcomes(lambda images: images, batches_of(values[:20], labels[:20]))
    both = joined([first, of_logits(torch.tensor(values[20:]), torch.tensor(labels[20:]))])
    for field in fields(whole):
        assert np.array_equal(getattr(both, field.name), getattr(whole, field.name)), field.name


@pytest.mark.parametrize("function", [logits, outcomes])
def test_numbers_that_are_not_finite_are_refused(function):
    values, labels = drawn(6)
    values[[3, 40], 2] = np.nan, np.inf
    with pytest.raises(ApcliError, match="NaN or Inf for 2 of 50 images"):
        function(lambda images: images, batches_of(values, labels))
    with pytest.raises(ApcliError, match="expected logits"):
        function(lambda images: images[:, :1], batches_of(values, labels))
