"""Calibration in the record: which images, and the numbers of each network."""

import numpy as np
import pytest
from behaviours import outcome

from apcli.stages.behaviour.calibration import calibration
from apcli.stages.behaviour.networks import Images, Seen
from apcli.theory.statistics.calibration import calibration_error


def images(fitted):
    return Images({}, None, None, fitted, ())


def test_the_numbers_of_both_networks():
    draw = np.random.default_rng(0)
    labels, confidences = draw.integers(0, 2, 60), draw.random(60)
    own = outcome(labels, draw.integers(0, 2, 60), draw.random(60), confidences)
    scaled = outcome(labels, own.predictions, draw.random(60), draw.random(60))
    found = calibration(images(40), Seen(own, own, scaled, 2.0), Seen(own, own, None, None))
    assert (found.images, found.fitted_on, found.dense.temperature, found.pruned.temperature) == (60, 40, 2.0, None)
    assert found.pruned.scaled is None
    assert found.dense.own == found.pruned.own
    assert found.dense.own.nll == pytest.approx(own.losses.mean())
    assert found.dense.scaled.nll == pytest.approx(scaled.losses.mean())
    expected = calibration_error(confidences, own.right)
    assert found.dense.own.ece.value == expected.value
    assert (found.dense.own.ece.low, found.dense.own.ece.high) == expected.interval
    assert sum(one.images for one in found.dense.own.bins) == 60
    assert [one.accuracy for one in found.dense.own.bins] == expected.accuracies.tolist()


def test_one_image_has_no_calibration():
    one = outcome([0], [0])
    assert calibration(images(0), Seen(one, one, None, None), Seen(one, one, None, None)) is None
