"""Adjusted weights against dense solves, and the loss of the files."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from last_layers import LastLayer
from safetensors.torch import load_file
from short_trainings import quiet

from apcli.checkpoints.reading import read
from apcli.configs.prune import PruneConfig
from apcli.errors import UsageError
from apcli.stages.outputs import Outputs
from apcli.stages.prune.measured import adjustment
from apcli.stages.prune.network import NetworkScores, ScoredNetwork
from apcli.stages.prune.requests import check
from apcli.stages.prune.stage import prune

FEW: dict[str, Any] = {"images": 100, "batch_size": 40, "device": "cpu"}


def run(source: Path, folder: Path, *sparsities: float | str, **options: Any) -> list[Path]:
    config = PruneConfig(sparsities, adjust=True, **{**FEW, **options})
    check(config, Outputs(folder))
    return list(prune(read(source), config, Outputs(folder), NetworkScores(config, quiet)))


def plain(source: Path, folder: Path, *sparsities: float, **options: Any) -> list[Path]:
    return list(prune(read(source), PruneConfig(sparsities, **options), Outputs(folder)))


def network_of(path: Path) -> ScoredNetwork:
    config = PruneConfig((0.5,), adjust=True, **FEW)
    return NetworkScores(config, quiet).of(read(path))


def loss(path: Path) -> float:
    return network_of(path)._images.outputs().loss


@pytest.mark.slow
def test_the_weights_are_the_surgeons_on_a_quadratic_loss(dense, tmp_path, monkeypatch):
    """Of the last layer, whose curvature is a matrix: the dense solve, and the optimal brain surgeon's least change."""
    monkeypatch.setattr(adjustment, "_STEPS", 2000)
    monkeypatch.setattr(adjustment, "_TOLERANCE", 1e-12)
    monkeypatch.setattr(adjustment, "_CLOSE", 1e-9)
    monkeypatch.setattr(adjustment, "_DAMPING", 1e-3)
    (path,) = run(dense, tmp_path, 0.6, layers="fc5")
    network = network_of(dense)
    batches = network._images.trained(()).batches
    layer = LastLayer(network.model.eval(), network.model.fc5, batches)
    after = load_file(path)
    found = np.concatenate([after[name].double().numpy().ravel() for name in ("fc5.weight", "fc5.bias")])
    kept = found != 0
    damping = 1e-3 * float(np.linalg.eigvalsh(layer.hessian)[-1])
    removed = np.where(kept, 0.0, layer.weights)
    damped = layer.hessian + damping * np.diag(kept.astype(float))
    best = np.where(kept, layer.weights, 0.0)
    best[kept] += np.linalg.solve(damped[np.ix_(kept, kept)], (layer.hessian @ removed)[kept])
    assert np.count_nonzero(~kept) == 240
    assert found == pytest.approx(best, abs=2e-5)
    inverse, gone = np.linalg.inv(damped + 1e-12 * np.eye(len(damped))), ~kept
    surgeon = layer.weights[gone] @ np.linalg.solve(inverse[np.ix_(gone, gone)], layer.weights[gone]) / 2
    change = found - layer.weights
    assert change @ damped @ change / 2 == pytest.approx(surgeon, rel=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize(
    "how",
    [
        {"sparsity": (0.5,), "scope": "global"},
        {"sparsity": (0.3,), "method": "random", "layers": "fc3,fc4"},
        {"sparsity": (0.7,), "layers": "fc4,fc5"},
        {"structure": "2:4"},
    ],
    ids=str,
)
def test_the_loss_falls_and_zeros_stay(dense, tmp_path, how, caplog):
    caplog.set_level("INFO", "apcli")
    sparsities, options = how.get("sparsity", ()), {key: value for key, value in how.items() if key != "sparsity"}
    (before,) = plain(dense, tmp_path / "one", *sparsities, **options)
    (after,) = run(dense, tmp_path / "one", *sparsities, **options)
    assert after.name == before.name.replace(".safetensors", ".adjusted.safetensors")
    first, last = load_file(before), load_file(after)
    layers = read(after).lineage.pruned
    for name, tensor in last.items():
        own = f"{name.rpartition('.')[0]}.weight" in layers
        assert torch.equal(tensor == 0, first[name] == 0) or not own, name
        assert torch.equal(tensor, first[name]) != own, name
        assert tensor.dtype == first[name].dtype
    assert all(promise.zeros == int((last[name] == 0).sum()) for name, promise in layers.items())
    assert all(promise.method.endswith(" adjusted") for promise in layers.values())
    recorded = read(after).lineage.settings[-1].options
    assert (recorded["adjust"], recorded["images"]) == (True, 100)
    assert loss(after) < loss(before)
    (said,) = (one for one in caplog.messages if "kept are adjusted by" in one)
    assert said.endswith(f" of the step: loss {loss(before):.4g} to {loss(after):.4g}")

    (again,) = run(dense, tmp_path / "two", *sparsities, **options)
    assert again.read_bytes() == after.read_bytes()


def test_a_step_is_shortened_until_the_loss_falls_or_not_taken(caplog):
    class Line:
        """The loss 1 + (x - 1)^2 / 2 along the first of two weights, relative to that at 0."""

        loss = 1.5

        def rise(self, point):
            return float((point[0] - 1) ** 2 - 1) / 2

    start = np.zeros(2)
    for target, part in ((1.0, 1.0), (1.9, 1.0), (3.0, 0.5), (5.0, 0.25), (12.0, 0.125), (17.0, 0.0), (-1.0, 0.0)):
        caplog.clear()
        point = adjustment._towards(np.array([target, 0.0]), start, Line(), "net")
        assert point.tolist() == [part * target, 0.0]
        assert (
            caplog.messages == ["net: no adjustment of the weights kept lowers the loss: they stay as they are"]
        ) == (part == 0)


@pytest.mark.slow
def test_the_curvature_is_estimated_once_for_all_masks(dense, tmp_path, monkeypatch):
    """Several in one command are those of a command each."""
    estimated = []
    real = adjustment.extremes
    monkeypatch.setattr(adjustment, "extremes", lambda *args, **how: estimated.append(1) or real(*args, **how))
    both = run(dense, tmp_path / "one", 0.5, 0.7, layers="fc4,fc5")
    assert len(estimated) == 1
    each = [path for sparsity in (0.5, 0.7) for path in run(dense, tmp_path / "two", sparsity, layers="fc4,fc5")]
    assert [path.read_bytes() for path in both] == [path.read_bytes() for path in each]


@pytest.mark.slow
def test_a_mask_of_before_stays_and_other_layers_are_left(dense, tmp_path):
    (first,) = plain(dense, tmp_path, 0.5, layers="fc4", method="random")
    (path,) = run(first, tmp_path, 0.7, layers="fc4,fc5")
    before, after = (load_file(one) for one in (first, path))
    assert not bool(after["fc4.weight"][before["fc4.weight"] == 0].any())
    assert torch.equal(after["fc3.weight"], before["fc3.weight"])
    assert torch.equal(after["fc3.bias"], before["fc3.bias"])


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"structure": "filter"}, "--adjust changes the single weights that are kept: leave --structure filter out"),
        ({"rewind_to": "a.safetensors"}, "leave --rewind-to a.safetensors out"),
        ({"method": "sparsegpt"}, "makes new weights: leave --rewind-to, --min-keep and --adjust out"),
    ],
)
def test_what_does_not_go_together(tmp_path, options, words):
    with pytest.raises(UsageError, match=words):
        check(PruneConfig((0.5,), adjust=True, **options), Outputs(tmp_path))
