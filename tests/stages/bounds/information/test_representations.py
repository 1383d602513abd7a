"""Theorem 6 with a plug-in for the information."""

import math

import numpy as np
import pytest
import torch
from torch import nn

from apcli.stages.bounds.information.representations import Counts, bits, gap_of, statements

COUNTS = Counts(50_000, 512, 1.0, 0.05)


def stated(informed, counts=COUNTS, gap=0.05):
    return {(layer, bound.statement): bound for layer, bound in statements("dense", informed, counts, gap)}


def test_the_specified_values():
    found = stated({"a": 10.0, "b": 12.0})
    assert found["a", "theorem 6, one layer, dense"].value == pytest.approx(0.08446724763761976)
    every = found["*", "theorem 6, all layers, dense"]
    assert (every.value, every.standing) == (pytest.approx(0.18858131729774155), "published")
    assert every.verdict == "not contradicted"
    least = found["*", "theorem 6, least layer (a), dense"]
    expected = math.sqrt((math.log(2) * 2**10 + math.log(2 / 0.025)) / 100_000)
    assert least.value == pytest.approx(expected), "delta is shared, as the least is chosen"


def test_what_says_nothing_is_vacuous():
    found = stated({"a": 16.0, "b": 17.2, "c": 5000.0})
    verdicts = {layer: bound.verdict for (layer, name), bound in found.items() if "one layer" in name}
    assert verdicts == {"a": "not contradicted", "b": "vacuous", "c": "vacuous"}
    assert found["*", "theorem 6, all layers, dense"].value is None
    assert stated({"a": 10.0}, gap=None)["a", "theorem 6, one layer, dense"].verdict == "not measured"
    assert all(one.holds is None for bound in found.values() for one in bound.assumptions)


def test_the_plug_in_is_that_of_a_gaussian():
    torch.manual_seed(0)
    network = nn.Sequential(nn.Linear(6, 4), nn.ReLU(), nn.Linear(4, 2))
    images = torch.randn(300, 6)

    def batches():
        return ((part, torch.zeros(len(part))) for part in images.split(100))

    found = bits(network, {"0.weight": "0", "2.weight": "2"}, batches, 0.5)
    with torch.no_grad():
        outputs = network[0](images).double().numpy()
    expected = np.linalg.slogdet(np.eye(4) + np.cov(outputs.T) / 0.25)[1] / 2 / math.log(2)
    assert found["0"] == pytest.approx(expected, rel=1e-6)
    assert found["2"] < found["0"]


def test_it_is_at_least_the_information_that_a_channel_of_two_values_has():
    """Y = +-1 + noise has less than log2(1 + 1) / 2 bits, that of a Gaussian of its variance, and less than 1."""
    draw = np.random.default_rng(0)
    noise, signal = 0.7, draw.choice([-1.0, 1.0], 200_000)
    y = signal + noise * draw.normal(size=len(signal))
    density = [np.exp(-((y - s) ** 2) / (2 * noise**2)) / 2 for s in (-1, 1)]
    own = np.exp(-((y - signal) ** 2) / (2 * noise**2))
    true = float(np.mean(np.log2(own / (density[0] + density[1]))))
    network = nn.Linear(1, 1, bias=False)
    nn.init.ones_(network.weight)
    images = torch.tensor([[-1.0], [1.0]] * 500)
    wrapped = nn.Sequential(network)
    found = bits(wrapped, {"0.weight": "0"}, lambda: iter([(images, images)]), noise)["0"]
    assert true < found < true + 0.3


def test_the_gap_of_the_accuracies():
    assert gap_of({"train": {"accuracy": 99.0}, "test": {"accuracy": 91.5}}) == pytest.approx(0.075)
    assert gap_of({"test": {"accuracy": 91.5}}) is None
    assert gap_of({"train": None, "test": {"accuracy": 91.5}}) is None
