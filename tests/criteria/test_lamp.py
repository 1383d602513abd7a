"""LAMP against the double loop of its equation."""

import numpy as np
import pytest

from apcli.checkpoints.files.entries import Entry
from apcli.criteria.lamp import lamp
from apcli.selection.exact import cuts
from apcli.selection.rankings import ScoreRanking


def lamp_by_definition(weight):
    """The double loop of equation (4), weights in ascending order of magnitude."""
    flat = weight.astype(np.float64).ravel()
    order = sorted(range(flat.size), key=lambda index: abs(flat[index]))
    scores = np.zeros(flat.size)
    for place, index in enumerate(order):
        total = sum(flat[other] ** 2 for other in order[place:])
        scores[index] = flat[index] ** 2 / total if flat[index] else 0
    return scores.reshape(weight.shape)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_lamp_is_its_definition(dtype):
    draw = np.random.default_rng(0)
    for values in (draw.normal(size=(6, 4)), draw.integers(-2, 3, (3, 2, 2)), np.zeros((2, 2)), np.empty((0, 2))):
        weight = values.astype(dtype)
        before = weight.tobytes()
        weight.setflags(write=False)
        assert lamp(weight) == pytest.approx(lamp_by_definition(weight), rel=1e-12)
        assert weight.tobytes() == before


def test_weights_at_the_ends_of_their_type_have_scores(odd_weights):
    scores = lamp(odd_weights)
    assert np.isfinite(scores).all()
    assert scores.max() == 1


def test_global_lamp_keeps_one_weight_of_each_layer():
    draw = np.random.default_rng(1)
    weights = [draw.normal(size=(5, 4)) * scale for scale in (1e-6, 1.0, 1e6)] + [np.ones((3, 3))]
    entries = [Entry("F64", weight.shape, weight.reshape(-1).view(np.uint8)) for weight in weights]
    rankings = [ScoreRanking(lamp(weight), entry) for weight, entry in zip(weights, entries, strict=True)]
    total = sum(weight.size for weight in weights)
    found = cuts(rankings, total - len(weights))
    assert [x.size - cut.removed for x, cut in zip(rankings, found, strict=True)] == [1, 1, 1, 1]
