"""What statements are about: the ball, the places of the compared layers, and what is kept of the dense file."""

import dataclasses

import numpy as np
import pytest
import torch
from measured_pairs import measured

from apcli.errors import UsageError
from apcli.stages.bounds.probabilistic import subject as module
from apcli.stages.bounds.probabilistic.subject import Ball, ball_of, counts_of, removed_from, subject


def test_the_ball_is_that_of_the_longest_image_unless_given(pair):
    images = torch.cat([images for images, _ in pair.on_data.batches()]).double().flatten(1)
    lengths = images.norm(dim=1).numpy()
    ball = ball_of(pair.on_data, 0.0)
    assert (ball.radius, ball.longest, ball.inside.all()) == (lengths.max(), lengths.max(), True)
    middle = float(np.median(lengths))
    given = ball_of(pair.on_data, middle)
    assert (given.radius, given.longest) == (middle, lengths.max())
    assert np.array_equal(given.inside, lengths <= middle)
    with pytest.raises(UsageError, match=r"radius is 0.01, and the 40 images, as normalised, are longer: expected 0"):
        ball_of(pair.on_data, 0.01)


def test_only_images_inside_count():
    outputs = np.array([[3.0, 4.0], [30.0, 40.0]])
    assert Ball(1.0, 2.0, np.array([True, False])).largest(outputs) == 5
    assert Ball(2.0, 2.0, np.array([True, True])).largest(outputs) == 50


def test_the_compared_layers_have_places_and_counts(found, pair):
    assert {tensor: [one.layer for one in places] for tensor, places in found.maps.items()} == {
        "fc4.weight": ["fc4"],
        "fc5.weight": ["fc5"],
    }
    assert found.pruned_places == 2
    assert set(found.description.entries) == {places[0] for places in found.maps.values()}
    assert [one.layer for one in found.description.dense] == [f"fc{number}" for number in range(1, 6)]
    assert found.counts == counts_of(pair) == {"fc4.weight": 1200, "fc5.weight": 200}
    (first, _) = pair.weights
    assert int(removed_from(first).sum()) == 1200
    assert found.longest_output == np.linalg.norm(pair.on_data.dense_outputs.logits, axis=1).max()


def test_without_pruning_the_networks_are_the_same(found):
    bounds = found.description.closeness(found.ball.radius, lambda one: None)
    assert bounds.difference == 0 < bounds.dense
    measured = np.linalg.norm(found.data.dense_outputs.logits, axis=1).max()
    assert measured <= bounds.dense == bounds.pruned


def test_norms_of_the_dense_file_are_computed_once(dense, pruned, monkeypatch, settings):
    first, second = measured(dense, pruned, images=20), measured(dense, pruned, images=20)
    second._networks = first._networks
    ball = ball_of(first.on_data, 0.0)
    kept = subject(first, settings, ball)
    monkeypatch.setattr(module, "described", None)
    assert subject(second, settings, ball).description is kept.description
    other = dataclasses.replace(settings, eps=1.0)
    assert subject(second, other, ball).settings.eps == 1
