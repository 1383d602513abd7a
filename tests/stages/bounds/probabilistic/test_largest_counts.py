"""The largest counts: certified, the next one not, and masks of that size are as close as promised."""

import dataclasses

import numpy as np
import pytest
import torch
from described_networks import apart
from measured_pairs import by_statement

from apcli.models.copies import copy_of
from apcli.stages.bounds.probabilistic.largest_counts import PARTS, statements, without_lowest, without_random
from apcli.stages.bounds.probabilistic.simulation import bounded, drawn
from apcli.theory.closeness.removed import removed_part


def close(subject, removal, amounts, delta=0.05):
    layers = {}
    for weights, count in amounts:
        layers |= removal(subject, weights, count, delta / len(amounts))
    return subject.description.closeness(subject.ball.radius, layers.get).difference


@pytest.fixture(scope="module")
def wide(found):
    """The same with an eps that lets something go."""
    bound = close(found, without_random, [(found.pair.weights[1], 3)])
    return dataclasses.replace(found, settings=dataclasses.replace(found.settings, eps=bound))


@pytest.mark.parametrize(("theorem", "removal"), [("theorem B", without_lowest), ("theorem C", without_random)])
def test_the_next_count_is_not_certified(wide, theorem, removal):
    every = list(statements(wide))
    for weights in wide.pair.weights:
        bound = by_statement(every, weights.layer.name)[f"{theorem}, largest count"]
        count = int(bound.value)
        assert 0 <= count < weights.dense.size
        assert (
            close(wide, removal, [(weights, count)]) <= wide.settings.eps < close(wide, removal, [(weights, count + 1)])
        )
        assert bound.side == "lower"
        assert bound.verdict == ("not measured" if count else "vacuous")
    parts = round(PARTS * by_statement(every)[f"{theorem}, largest count"].value)
    of = [[(w, number * w.dense.size // PARTS) for w in wide.pair.weights] for number in (parts, parts + 1)]
    assert close(wide, removal, of[0]) <= wide.settings.eps < close(wide, removal, of[1])


def test_more_lowest_weights_may_go_than_random_ones(wide):
    found = {(one.layer, one.bound.statement): one.bound.value for one in statements(wide)}
    assert found["fc5", "theorem C, largest count"] >= 3
    for layer in ("fc4", "fc5", "*"):
        assert found[layer, "theorem B, largest count"] > found[layer, "theorem C, largest count"]


def test_theorem_b_bounds_the_norms_of_the_lowest(wide):
    """Theorem A with the norms themselves is sharper, for the same mask."""
    for weights in wide.pair.weights:
        for count in (0, 3, weights.dense.size // 2, weights.dense.size):
            order = np.argsort(np.abs(weights.dense), axis=None, kind="stable")[:count]
            mask = np.zeros(weights.dense.size, bool)
            mask[order] = True
            exact = bounded(wide, {weights.layer.tensor: mask.reshape(weights.dense.shape)}).difference
            assert exact <= close(wide, without_lowest, [(weights, count)]) * (1 + 1e-12)


def test_of_equal_weights_those_go_that_prune_removes(wide):
    """The first ones, whose columns and rows decide the bound; not just any of them."""
    weights = wide.pair.weights[1]
    (one,) = wide.maps[weights.layer.tensor]
    equal = dataclasses.replace(weights, dense=np.sign(weights.dense))
    for count in (1, 7, weights.dense.size // 2):
        mask = np.arange(weights.dense.size).reshape(weights.dense.shape) < count
        expected = removed_part(wide.description.dense[one].kernel, mask).bound
        assert without_lowest(wide, equal, count, 0.05)[one].removed == pytest.approx(expected, rel=1e-12)


def test_random_masks_of_that_size_are_eps_close(wide):
    """Of 100 masks none is further apart on the images, or by Theorem A: the theorem allows five."""
    weights = wide.pair.weights[1]
    count = int(by_statement(statements(wide), "fc5")["theorem C, largest count"].value)
    generator = np.random.default_rng(0)
    network = copy_of(wide.data.dense)
    tensors = {weights.layer.tensor: network.fc5.weight.detach().clone()}
    images = next(iter(wide.data.batches()))[0].double()
    for draw in range(100):
        masks = drawn(tensors, {weights.layer.tensor: count}, generator)
        assert bounded(wide, masks).difference <= wide.settings.eps
        if draw < 10:
            gone = torch.from_numpy(masks[weights.layer.tensor])
            network.fc5.weight.data = tensors[weights.layer.tensor].masked_fill(gone, 0)
            assert apart(wide.data.dense, network, images)[0] <= wide.settings.eps
