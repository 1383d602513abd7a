"""The certificate by simulation: masks of the file's counts, the largest difference, and the draws that it needs."""

import dataclasses

import numpy as np
import pytest
import torch
from measured_pairs import by_statement, measured_on
from torch import nn

from apcli.stages.bounds.probabilistic.simulation import bounded, drawn, statements
from apcli.stages.bounds.probabilistic.subject import ball_of, subject
from apcli.theory.statistics.proportions import upper


def bounds_of(found, **changed):
    settings = dataclasses.replace(found.settings, **changed)
    return by_statement(statements(found.pair, settings, found.ball, found))


def test_masks_have_exactly_the_counts():
    tensors = {"a": torch.zeros(4, 5, 2), "b": torch.zeros(30)}
    generator = np.random.default_rng(0)
    masks = [drawn(tensors, {"a": 11, "b": 0}, generator) for _ in range(400)]
    assert {(int(one["a"].sum()), int(one["b"].sum())) for one in masks} == {(11, 0)}
    assert masks[0]["a"].shape == (4, 5, 2)
    share = np.mean([one["a"] for one in masks], axis=0)
    assert share == pytest.approx(11 / 40, abs=0.1), "every weight is as likely"


def test_a_mask_by_hand(found):
    """The network without the weights of one class gives that class its bias alone."""
    mask = np.zeros((10, 40), bool)
    mask[3] = True
    weight = next(w.dense for w in found.pair.weights if w.layer.name == "fc5")
    bounds = bounded(found, {"fc5.weight": mask})
    before = found.description.closeness(found.ball.radius, lambda one: None)
    layer = found.description.norms[found.maps["fc5.weight"][0]].upper
    bias = np.linalg.norm(found.description.dense[found.maps["fc5.weight"][0]].bias)
    assert bounds.difference == pytest.approx((before.dense - bias) / layer * np.linalg.norm(weight[3]), rel=1e-9)


def test_the_statements(found):
    here = bounds_of(found, draws=0)["simulation"]
    constants = {one.name: one.value for one in here.constants}
    assert constants["draws"] == 59
    assert constants["weights removed"] == 0.5
    assert 0 < here.measured <= here.value
    assert here.assumptions[0].holds
    bounds = bounds_of(found, draws=0, eps=0.999 * here.measured)
    assert bounds["simulation"] == here, "the seed draws the masks"
    close = bounds["simulation, eps-close"]
    far = round(59 * close.measured)
    assert 3 <= far < 59, "the quantile is what three draws reach"
    assert close.value == pytest.approx(upper(far, 59, 0.05), rel=1e-12)


def test_too_few_draws_are_said(found):
    few = bounds_of(found, draws=20)["simulation"]
    assert (few.verdict, few.assumptions[0].reason) == ("assumption fails", "20 draws")
    assert bounds_of(found, draws=20, delta=0.2)["simulation"].assumptions[0].holds


def test_one_draw_of_which_theorem_a_says_nothing_is_enough(found):
    vacuous = bounds_of(found)["simulation of theorem A"]
    constants = {one.name: one.value for one in vacuous.constants}
    assert (vacuous.value, constants["masks bounded"]) == (None, 1)
    assert constants["largest bound"] >= vacuous.trivial


def test_where_theorem_a_says_something_of_every_draw(found, tmp_path):
    """Without one of eight weights an output is 1.5 instead of 2, and by its norm at most 1 away."""
    networks = [nn.Sequential(nn.Flatten(), nn.Linear(4, 2, bias=False)) for _ in range(2)]
    for network in networks:
        nn.init.ones_(network[1].weight)
    networks[1][1].weight.data[0, 0] = 0
    pair = measured_on(tmp_path, networks, torch.full((3, 1, 2, 2), 0.5), torch.zeros(3, dtype=torch.int64))
    bounds = bounds_of(subject(pair, found.settings, ball_of(pair.on_data, 0.0)), draws=0)
    whole = bounds["simulation of theorem A"]
    assert {one.name: one.value for one in whole.constants}["masks bounded"] == 59
    assert whole.value == pytest.approx(1, rel=1e-9), "a weight of 1 on the unit ball"
    assert whole.trivial == pytest.approx(np.sqrt(8), rel=1e-6)
    assert (bounds["simulation"].value, whole.measured, whole.verdict) == (0.5, 0.5, "holds")


def test_an_undescribed_network_has_the_images_alone(found):
    bounds = by_statement(statements(found.pair, found.settings, found.ball, None))
    assert set(bounds) == {"simulation", "simulation, eps-close"}
    assert bounds["simulation"].value == bounds_of(found)["simulation"].value


def test_the_dense_network_is_left_as_it_is(found):
    before = {name: tensor.clone() for name, tensor in found.data.dense.state_dict().items()}
    bounds_of(found, draws=2)
    assert all(torch.equal(tensor, before[name]) for name, tensor in found.data.dense.state_dict().items())
