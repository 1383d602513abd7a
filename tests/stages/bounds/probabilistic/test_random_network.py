"""Theorem E beside a network: at its width, and how wide it would have to be."""

import copy
import dataclasses

import pytest
import torch
from measured_pairs import by_statement, measured, measured_on
from prunings import run
from torch import nn

from apcli.stages.bounds.probabilistic.each_layer import independences
from apcli.stages.bounds.probabilistic.random_network import statements
from apcli.stages.bounds.probabilistic.subject import ball_of, subject
from apcli.theory.closeness.random_signs import RandomNetwork, lowest_pruning, random_pruning, smallest_width


def bounds_of(pair, settings):
    verdicts = independences(pair, settings, lambda name, make: make())
    ball = ball_of(pair.on_data, 0.0)
    return by_statement(statements(pair, settings, ball, verdicts, subject(pair, settings, ball)))


@pytest.mark.parametrize(("method", "rule"), [("lowest", lowest_pruning), ("random", random_pruning)])
def test_the_bound_at_this_width(dense, tmp_path, settings, method, rule):
    (path,) = run(dense, 0.25, layers="fc4,fc5", method=method, folder=tmp_path)
    pair = measured(dense, path, images=20)
    found = bounds_of(pair, settings)
    constants = {one.name: one.value for one in found["theorem E"].constants}
    assert (constants["width d"], constants["depth l"], constants["p"]) == (10, 2, 0.25)
    network = RandomNetwork(2, constants["K"], 0.05, constants["B"])
    assert found["theorem E"].value == pytest.approx(rule(network, 10, 0.25).difference, rel=1e-12)
    assert constants["width for eps at p = 1 / d"] == smallest_width(network, 0.5, lambda d: 1 / d, rule)
    assert found["theorem E"].verdict == "assumption fails"
    names = {one.name: one.holds for one in found["theorem E"].assumptions}
    assert names["fully connected layers of one width"] is False
    assert ("uniform weights" in names) == (method == "lowest")


def test_the_width_condition(pair, settings):
    strict = bounds_of(pair, settings)["theorem E, width condition"]
    assert (strict.value, strict.assumptions[0].holds) == (0.5, False)
    loose = bounds_of(pair, dataclasses.replace(settings, eps=1e9))["theorem E, width condition"]
    assert (loose.value, loose.assumptions[0].holds) == (1e9, True)
    assert loose.measured == strict.measured <= loose.value


NETWORK, BIAS = "the network is these layers and 1-Lipschitz functions that are 0 at 0", "no layer has a bias"


def layer(bias=False):
    return nn.Linear(16, 16, bias=bias)


class Skip(nn.Sequential):
    def forward(self, x):
        return x + super().forward(x)


class Twice(nn.Sequential):
    def forward(self, x):
        return super().forward(super().forward(x))


@pytest.mark.parametrize(
    ("layers", "compared", "network", "bias"),
    [
        ((layer(), nn.ReLU(), layer()), "all", None, None),
        ((layer(), nn.Identity(), layer(), nn.Tanh()), "all", None, None),
        ((layer(), nn.ReLU(), layer(True)), "all", None, "2 has one"),
        ((layer(), nn.Sigmoid(), layer()), "all", "a function of constant 0.25, at 0 2", None),
        ((layer(), nn.ReLU(), layer()), "0", "2 is another layer", None),
        ((layer(), nn.BatchNorm1d(16), layer()), "0,2", "1 is another layer", "0 has one"),
        ((Skip(layer()), layer()), "all", "it has branches", None),
        ((Twice(layer(), nn.ReLU()),), "all", "0.0 is used 2 times", None),
    ],
)
def test_theorem_e_is_of_a_network_of_these_layers_alone(tmp_path, settings, layers, compared, network, bias):
    dense = nn.Sequential(*layers).eval()
    for module in dense.modules():
        if isinstance(module, nn.BatchNorm1d):
            module.bias.data += 1
    pruned = copy.deepcopy(dense)
    pruned.get_submodule("0.0" if isinstance(dense[0], nn.Sequential) else "0").weight.data[:3] = 0
    images = torch.randn(5, 16)
    pair = measured_on(tmp_path, [dense, pruned], images, torch.zeros(5, dtype=torch.int64), layers=compared)
    found = {one.name: one for one in bounds_of(pair, settings)["theorem E"].assumptions}
    for name, reason in ((NETWORK, network), (BIAS, bias)):
        assert found[name].holds is (reason is None)
        assert reason is None or reason in found[name].reason


def test_theorem_e_of_a_network_that_is_not_described(pair, settings):
    verdicts = independences(pair, settings, lambda name, make: make())
    bounds = by_statement(statements(pair, settings, ball_of(pair.on_data, 0.0), verdicts, None))
    assert bounds["theorem E"].verdict == "assumption fails"
    assert [one.holds for one in bounds["theorem E"].assumptions][1:3] == [False, False]
