"""``--scope itpruner`` on whole networks: masked and compact ones compute the same, and budgets are kept."""

import numpy as np
import pytest
import torch
from channel_prunings import generic
from prunings import zeros

from apcli.checkpoints.layers import prunable
from apcli.checkpoints.lineage import Lineage
from apcli.checkpoints.reading import read
from apcli.checkpoints.state_dicts import entries_of
from apcli.checkpoints.writing import write
from apcli.configs.prune import PruneConfig
from apcli.configs.shared import DataConfig
from apcli.errors import UsageError
from apcli.models.build import build
from apcli.models.spec import ModelSpec
from apcli.networks import Networks
from apcli.progress import Progress
from apcli.stages.outputs import Outputs
from apcli.stages.prune.measured import allocations
from apcli.stages.prune.network import NetworkScores
from apcli.stages.prune.stage import prune

NETWORKS = {
    "resnet20": ("apcli", 3, 0.5),
    "test_resnet": ("timm", 3, 0.5),
    "test_efficientnet": ("timm", 3, 0.5),
    "test_vit": ("timm", 3, 0.8),
}
SIDE = 8


def spec_of(name):
    source, channels, _ = NETWORKS[name]
    side = 32 if name == "test_vit" else SIDE
    return ModelSpec(name, source, 10, (channels, side, side), (0.5,) * channels, (0.5,) * channels)


@pytest.fixture
def saved(tmp_path):
    def save(name):
        spec = spec_of(name)
        path = tmp_path / f"{name}.safetensors"
        write(
            path, entries_of(generic(build(spec)).state_dict()), Lineage.EMPTY.then("train", {}, model=spec.to_json())
        )
        return path

    return save


def made(path, compact=False, **options):
    options = {"structure": "filter", "images": 24, "batch_size": 16, "device": "cpu", **options}
    config = PruneConfig(scope=options.pop("scope", "itpruner"), compact=compact, data=DataConfig("digits"), **options)
    networks = NetworkScores(config, Progress())
    return list(prune(read(path), config, Outputs(), networks)), networks


@pytest.mark.parametrize("name", NETWORKS)
def test_masked_and_compact_compute_the_same_within_the_budget(saved, name):
    path, share = saved(name), NETWORKS[name][2]
    (masked,), _ = made(path, budget=(("macs", share),))
    (compact,), networks = made(path, compact=True, budget=(("macs", share),))
    spec, images = spec_of(name), torch.randn(3, *spec_of(name).input_size)
    build_networks = Networks(DataConfig(), None, torch.device("cpu"), Progress())
    logits = []
    for file in (masked, compact):
        network = build_networks.network(spec, read(file)).eval().double()
        with torch.no_grad():
            logits.append(network(images.double()))
    assert (logits[0] - logits[1]).abs().max() < 1e-9 * logits[0].abs().max()
    left = networks.macs(spec, read(compact)) / networks.macs(spec, read(path))
    assert share - 0.03 < left <= share
    allocation = read(compact).lineage.allocation
    assert allocation.budget.got == networks.macs(spec, read(compact)) <= allocation.budget.left
    assert allocation.budget.dense == networks.macs(spec, read(path))
    assert allocation.evidence["residual"] < 1e-8
    assert allocation.evidence["images"] == 24
    assert all(0 < kept <= size for kept, size in allocation.widths.values())
    assert set(allocation.evidence["names"]) == {*allocation.widths, "input", "labels"}


def test_three_budgets_measure_the_activations_once(saved, monkeypatch):
    calls = []
    monkeypatch.setattr(allocations, "grams", lambda *given: calls.append(1) or GRAMS(*given))
    files, _ = made(saved("resnet20"), budget=(("macs", 0.3), ("macs", 0.5), ("params", 0.7)))
    assert len(files) == 3
    assert calls == [1]


GRAMS = allocations.grams


def test_the_same_command_gives_the_same_bytes(saved):
    path = saved("resnet20")
    (file,), _ = made(path, budget=(("macs", 0.5),))
    first = file.read_bytes()
    file.unlink()
    made(path, budget=(("macs", 0.5),))
    assert file.read_bytes() == first


def test_any_filter_method_chooses_within_the_layers(saved):
    path = saved("resnet20")
    files, _ = made(path, budget=(("macs", 0.5),), method="l2,taylor,random")
    widths = [read(file).lineage.allocation.widths for file in files]
    assert widths[0] == widths[1] == widths[2]


def test_single_weights_get_a_share_by_layer_too(saved):
    path = saved("resnet20")
    files, _ = made(path, structure="weight", method="lowest", budget=(("params", 0.4),))
    files += made(path, structure="weight", method="lowest", sparsity=(0.6,))[0]
    layers = {layer.name: layer for layer in prunable(read(path))}
    shares = []
    for file in files:
        found = zeros(file, [layer.tensor for layer in layers.values()])
        shares.append([found[name] / layer.size for name, layer in layers.items()])
        allocation = read(file).lineage.allocation
        assert {name: size - kept for name, (kept, size) in allocation.widths.items()} == found
    assert np.std(shares[0]) > 0.01
    assert sum(layer.size for layer in layers.values()) * 0.6 == pytest.approx(sum(found.values()), abs=1)
    assert read(files[1]).lineage.allocation.budget is None


def test_what_cannot_be_pruned_so_is_refused_before_anything_is_written(saved, tmp_path):
    path = saved("resnet20")
    with pytest.raises(UsageError, match=r"--budget macs=0.0001 cannot be reached"):
        made(path, budget=(("macs", 0.0001),))
    with pytest.raises(UsageError, match="3 samples: the debiased estimator needs 4 or more"):
        made(path, budget=(("macs", 0.5),), images=3)
    assert [file.name for file in tmp_path.iterdir()] == ["resnet20.safetensors"]
