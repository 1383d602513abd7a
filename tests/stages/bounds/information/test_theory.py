"""The theory as a whole."""

import logging

import pytest
import torch
from measured_pairs import by_statement, measured, measured_on
from safetensors.numpy import load_file, save_file
from torch import nn

from apcli.errors import UsageError
from apcli.stages.bounds import THEORIES
from apcli.stages.bounds.information.theory import information


def test_both_theorems_of_both_networks(dense, pruned):
    found = list(information(measured(dense, pruned, images=60), noise=1.0, delta=0.05))
    assert {one.layer for one in found} == {"fc4", "fc5", "*"}
    of_one = by_statement(found, "fc5")
    assert set(of_one) == {
        f"{what}, {state}"
        for what in ("theorem 5", "theorem 6, one layer", "nHSIC with the images", "nHSIC with the labels")
        for state in ("dense", "pruned")
    }
    theorem_6 = of_one["theorem 6, one layer, dense"]
    assert next(one.value for one in theorem_6.constants if one.name == "images trained on") == 1442
    assert {one.evaluated is None for one in found if "theorem 5" in one.bound.statement} == {True}
    quiet = by_statement(information(measured(dense, pruned, images=60), noise=100.0, delta=0.05), "fc5")
    assert quiet["theorem 6, one layer, dense"].value < theorem_6.value


def test_without_a_network_theorem_5_stands(dense, pruned, tmp_path, caplog):
    paths = [tmp_path / f"{number}.safetensors" for number in range(2)]
    for path, source in zip(paths, (dense, pruned), strict=True):
        save_file(load_file(source), path)
    with caplog.at_level(logging.WARNING):
        found = list(information(measured(*paths), noise=1.0, delta=0.05))
    assert {one.bound.statement.partition(",")[0] for one in found} == {"theorem 5"}
    assert any("without theorem 6, which needs the networks" in line and "--model" in line for line in caplog.messages)


def test_without_outputs_of_a_layer_theorem_5_stands(tmp_path, caplog):
    """A transposed convolution's are not measured."""
    images, labels = torch.randn(20, 1, 4, 4), torch.zeros(20, dtype=torch.int64)
    network = nn.Sequential(nn.ConvTranspose2d(1, 2, 2), nn.Flatten(), nn.Linear(50, 3))
    pair = measured_on(tmp_path, [network, network], images, labels)
    vars(pair.on_data)["trained_on"] = 20
    with caplog.at_level(logging.WARNING):
        found = list(information(pair, noise=1.0, delta=0.05))
    assert {one.bound.statement.partition(",")[0] for one in found} == {"theorem 5"}
    (line,) = caplog.messages
    assert "without theorem 6: layer 0 is no weight of a Linear" in line


@pytest.mark.parametrize("spec", ["noise=0", "noise=1e-101", "noise=1e101", "delta=0", "delta=1", "delta=1e-101"])
def test_parameters_have_ranges(spec):
    with pytest.raises(UsageError, match="information:"):
        THEORIES.parse(f"information:{spec}")
