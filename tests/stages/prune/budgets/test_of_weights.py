"""Budgets of single weights, against what is counted in the files."""

from pathlib import Path

import pytest
from channel_prunings import generic
from prunings import run, three_layers
from safetensors.torch import load_file

from apcli.allocations.units import Resource
from apcli.checkpoints.layers import prunable
from apcli.checkpoints.lineage import Lineage
from apcli.checkpoints.reading import read
from apcli.checkpoints.state_dicts import entries_of
from apcli.checkpoints.writing import write
from apcli.configs.describe import CostsConfig
from apcli.configs.prune import PruneConfig
from apcli.errors import UsageError
from apcli.models.build import build
from apcli.models.spec import ModelSpec
from apcli.probes.costs import Costs
from apcli.progress import Progress
from apcli.stages.describe.costs import NetworkCosts
from apcli.stages.describe.description import describe
from apcli.stages.outputs import Outputs
from apcli.stages.prune.budgets.of_weights import compression, remaining
from apcli.stages.prune.network import NetworkScores
from apcli.stages.prune.requests import Remaining
from apcli.stages.prune.stage import prune


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return three_layers(tmp_path / "net.safetensors")


@pytest.mark.parametrize("scope", ["layer", "global", "erk"])
def test_parameters_that_remain_are_those_of_the_model(source: Path, scope: str) -> None:
    """Of 1818, 30 of which are biases that stay: 909 remain."""
    (pruned,) = run(source, budget=(("params", 0.5),), scope=scope)
    kept = sum(int((tensor != 0).sum()) for tensor in load_file(pruned).values())
    assert 909 - 3 < kept <= 909
    assert pruned.name == "net.lowest-params0.5.safetensors"
    lineage = read(pruned).lineage
    assert lineage.last_settings.options["budget"] == {"params": 0.5}
    assert {(promise.scope, promise.requested) for promise in lineage.pruned.values()} == {
        (f"{scope}, params budget", 0.5)
    }


def test_a_share_is_taken_as_it_is_written(source: Path) -> None:
    layers = prunable(read(source))
    assert remaining(read(source), layers, Remaining(Resource.PARAMETERS, 0.29)).left == int(0.29 * 1818) - 30
    assert compression(read(source), layers, 4).left == round(1818 / 4) - 30
    least = r"--budget params=0.01 cannot be reached: the chosen layers of .* so at least 0.01705 remains: choose more"
    with pytest.raises(UsageError, match=least):
        remaining(read(source), layers, Remaining(Resource.PARAMETERS, 0.01))


def test_the_cost_of_each_weight_is_its_layer_s(source: Path) -> None:
    checkpoint = read(source)
    layers = prunable(checkpoint)
    counts = Costs(total=10_000, weights={"conv.weight": 288 * 16, "fc1.weight": 1200, "fc2.weight": 300})
    found = remaining(checkpoint, layers, Remaining(Resource.MACS, 0.5), lambda: counts)
    assert dict(zip(found.costs.sizes, found.costs.by_width.linear, strict=True)) == {"conv": 16, "fc1": 1, "fc2": 1}
    assert found.costs.dense == 10_000
    assert found.left == 5000
    (one,) = [layer for layer in layers if layer.name == "fc1"]
    with pytest.raises(UsageError, match=r"all other layers of .* have 8,800 of its 10,000 .* at least 0.88 remains"):
        remaining(checkpoint, [one], Remaining(Resource.MACS, 0.5), lambda: counts)
    with pytest.raises(UsageError, match="the zeros of fc1 save no multiply-adds"):
        remaining(checkpoint, [one], Remaining(Resource.MACS, 0.5), lambda: Costs(total=5, weights={}))
    with pytest.raises(ValueError, match="pass what counts them"):
        remaining(checkpoint, layers, Remaining(Resource.MACS, 0.5))


@pytest.mark.parametrize("scope", ["layer", "global", "erk"])
def test_multiply_adds_that_remain_are_those_that_the_report_counts(tmp_path: Path, scope: str) -> None:
    """What ``report --macs`` counts of nonzero weights is the budget, to a weight of each layer."""
    spec = ModelSpec("resnet20", "apcli", 5, (3, 8, 8), (0.5,) * 3, (0.5,) * 3)
    path = tmp_path / "net.safetensors"
    lineage = Lineage.EMPTY.then("train", {}, model=spec.to_json())
    write(path, entries_of(generic(build(spec)).state_dict()), lineage)
    config = PruneConfig(budget=(("macs", 0.3),), scope=scope, device="cpu")
    (pruned,) = prune(read(path), config, Outputs(), NetworkScores(config, Progress()))
    checkpoint = read(pruned)
    counted = NetworkCosts(CostsConfig(), Progress()).extend(describe(checkpoint), checkpoint).macs
    assert counted is not None
    assert counted.nonzero <= 0.3 * counted.dense < counted.nonzero + 20 * 64
