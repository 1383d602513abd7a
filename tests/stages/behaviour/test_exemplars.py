"""Exemplars: counts by hand, what chance gives, and who is left out."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from behaviours import RECORD, outcome
from scipy import stats

from apcli.data.datasets import Split
from apcli.records import lines
from apcli.records.pair import File, LayerSparsity
from apcli.stages.behaviour.exemplars import SHOWN, Populations
from apcli.stages.behaviour.networks import Images

LABELS = np.arange(200) % 4
SPLIT = Split(torch.zeros(200, 1, 2, 2, dtype=torch.uint8), torch.from_numpy(LABELS))
IMAGES = Images({"data": "d", "split": "test", "images": 200}, SPLIT, torch.arange(200).flip(0), 0, ("a", "b", "c"))
SEEN = LABELS[::-1].copy()  # in the order of the images


def at(sparsity, method="lowest", dense="0"):
    return replace(RECORD, method=method, sparsity=LayerSparsity(sparsity), dense=File("a", dense))


def with_wrong(places, predicted=0, loss=1.0):
    """Outcomes that are right but at these places."""
    predictions, losses = SEEN.copy(), np.ones(200)
    predictions[places], losses[places] = predicted, loss
    return outcome(SEEN, predictions, losses)


def test_most_networks_are_wrong_where_the_dense_ones_are_right():
    populations = Populations()
    dense = with_wrong([0], predicted=1)
    for places, loss in (([0, 3, 4], 3.0), ([3, 4, 8], 9.0), ([4, 8, 12], 1.0)):
        populations.add(IMAGES, at(0.5, f"m{loss:g}"), dense, with_wrong(places, predicted=SEEN[12] - 1, loss=loss))
    populations.add(IMAGES, at(0.8), dense, with_wrong([7], predicted=1))
    (found,) = populations.records()
    assert (found.sparsity, found.networks, found.dense, found.left_out) == (0.5, 3, 1, 0)
    assert found.methods == ("m3", "m9", "m1")
    assert (found.right, found.found) == (199, 3)
    wrong = {199 - 4: (3, (2 + 8 + 0) / 3), 199 - 3: (2, 10 / 3), 199 - 8: (2, 8 / 3)}
    assert [one.image for one in found.exemplars] == list(wrong), "most wrong first, then the largest rise"
    for one in found.exemplars:
        assert (one.wrong, one.rise) == pytest.approx(wrong[one.image])
        assert (one.label, one.name) == (LABELS[one.image], "abc"[LABELS[one.image]] if LABELS[one.image] < 3 else None)
        assert one.predicted == SEEN[12] - 1
    rates = [2 / 199, 3 / 199, 3 / 199]
    two = sum(rates[i] * rates[j] * (1 - rates[k]) for i, j, k in ((0, 1, 2), (0, 2, 1), (1, 2, 0)))
    assert found.expected == pytest.approx(199 * (two + np.prod(rates)))
    assert list(lines.load([lines.dump(found.to_json())], "f")) == [found]


def test_networks_at_chance_level_are_left_out():
    populations = Populations()
    dense = with_wrong([])
    for _ in range(3):
        populations.add(IMAGES, at(0.9), dense, with_wrong(np.arange(100)))
        populations.add(IMAGES, at(0.9), dense, outcome(SEEN, np.zeros(200, int)))
    (found,) = populations.records()
    assert (found.networks, found.left_out) == (3, 3)
    rate = 75 / 200
    assert found.found == 75
    assert found.expected == pytest.approx(200 * stats.binom.sf(1, 3, rate))
    assert len(found.exemplars) == SHOWN


def test_dense_networks_are_counted_once_and_most_of_them_are_right():
    populations = Populations()
    for dense, places in (("0", [1]), ("0", [1]), ("1", [1, 2]), ("2", [2])):
        populations.add(IMAGES, at(0.5, dense=dense), with_wrong(places, 3), with_wrong([1, 2, 5], 3))
    (found,) = populations.records()
    assert (found.dense, found.networks, found.right) == (3, 4, 198)
    assert [one.image for one in found.exemplars] == [199 - 5]


def test_fewer_than_three_networks_are_not_many():
    populations = Populations()
    for _ in range(2):
        populations.add(IMAGES, at(0.5), with_wrong([]), with_wrong([1]))
    assert list(populations.records()) == []
