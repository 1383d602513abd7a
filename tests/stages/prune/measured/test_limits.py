"""Pruning to a limit, against the loss of the files that are written and of those with one weight fewer."""

from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from safetensors.torch import load_file
from short_trainings import quiet

from apcli.checkpoints.layers import prunable
from apcli.checkpoints.reading import read
from apcli.configs.prune import PruneConfig
from apcli.data.datasets import Dataset, Samples, evenly, load
from apcli.errors import UsageError
from apcli.models.build import build
from apcli.models.spec import ModelSpec
from apcli.stages.limits import LIMITS
from apcli.stages.outputs import Outputs
from apcli.stages.prune.measured.limits import Tries
from apcli.stages.prune.network import NetworkScores
from apcli.stages.prune.plans import task_of
from apcli.stages.prune.pruned import tensors_at
from apcli.stages.prune.requests import check, needs_data, requests_of
from apcli.stages.prune.stage import prune

FEW: dict[str, Any] = {"images": 100, "batch_size": 40, "device": "cpu", "layers": "fc3,fc4,fc5"}
SIZE = 80 * 60 + 60 * 40 + 40 * 10  # of these layers


def run(source: Path, folder: Path, *sparsities: float | str, **options: Any) -> list[Path]:
    layers = {"layers": FEW["layers"]}
    images = needs_data(PruneConfig(sparsities, **options))
    config = PruneConfig(sparsities, **{**(FEW if images else layers), **options})
    check(config, Outputs(folder))
    return list(prune(read(source), config, Outputs(folder), NetworkScores(config, quiet)))


def digits() -> Dataset:
    return load("digits", Path())


def measure(path: Path, split: Samples) -> tuple[float, int]:
    """The mean loss, and the number of images that are classified right, by PyTorch alone."""
    spec = ModelSpec.from_json(read(path).lineage.model)
    model = build(spec).eval()
    model.load_state_dict(load_file(path))
    ((images, labels),) = split.read([torch.arange(len(split))])
    with torch.no_grad():
        logits = model.double()((images.double() / 255 - spec.mean[0]) / spec.std[0])
    return float(F.cross_entropy(logits, labels)), int((logits.argmax(1) == labels).sum())


def zeros(path: Path) -> int:
    checkpoint = read(path)
    return sum(checkpoint.entries[layer.tensor].zeros for layer in prunable(checkpoint) if layer.name != "fc1")


@pytest.mark.slow
@pytest.mark.parametrize(
    "how",
    [
        {"scope": "global"},
        {"scope": "layer"},
        {"method": "taylor", "scope": "global"},
        {"method": "random", "seeds": (3,)},
        {"method": "lamp", "scope": "erk"},
        {"method": "sparsegpt"},
        {"scope": "uniform+:first=fc3:last=fc5"},
    ],
    ids=str,
)
def test_the_loss_is_within_eps_and_with_fewer_weights_it_is_not(dense, tmp_path, how):
    (path,) = run(dense, tmp_path, "limit:eps=abs-0.05", **how)
    split = evenly(digits().train, 100)
    allowed = measure(dense, split)[0] + 0.05
    assert measure(path, split)[0] <= allowed + 1e-6
    share = read(path).lineage.settings[-1].options["sparsity"]
    removed = zeros(path)
    assert 0 < removed < SIZE
    assert removed == pytest.approx(share * SIZE, abs=2)
    kept = round((1 - share) * SIZE)
    (fewer,) = run(dense, tmp_path, (SIZE - kept + 1) / SIZE, **how)
    assert measure(fewer, split)[0] > allowed - 1e-6


@pytest.mark.slow
def test_a_limit_stands_in_a_list_and_is_recorded(dense, tmp_path, caplog):
    caplog.set_level("INFO", "apcli")
    plain, path = run(dense, tmp_path / "one", 0.3, "limit:eps=rel-0.05", scope="global")
    assert plain.name == f"{dense.stem}.lowest-0.3-fc3+fc4+fc5.safetensors"
    lineage = read(path).lineage
    options = lineage.settings[-1].options
    share = zeros(path) / SIZE
    assert options["sparsity"] == share
    assert (options["limit"], options["images"], options["split"]) == ("limit:eps=rel-0.05", 100, "train")
    assert {promise.requested for promise in lineage.pruned.values()} == {share}
    word = np.format_float_positional(round(share, 4), trim="-")
    assert path.name == f"{dense.stem}.lowest-limit-eps=rel-0.05-{word}-fc3+fc4+fc5.safetensors"
    assert "images" not in read(plain).lineage.settings[-1].options
    (said,) = (one for one in caplog.messages if "are kept; " in one)
    assert said.startswith(f"{dense}: limit:eps=rel-0.05: {SIZE - zeros(path):,} of {SIZE:,} weights are kept; loss ")

    (again,) = run(dense, tmp_path / "two", "limit:eps=rel-0.05", scope="global")
    assert again.read_bytes() == path.read_bytes()
    assert run(dense, tmp_path / "one", "limit:eps=rel-0.05", scope="global") == [path]


@pytest.mark.slow
@pytest.mark.parametrize("points", [0.5, 4])
def test_accuracy_falls_by_no_more_than_is_allowed_on_the_images_held_out(dense, tmp_path, points):
    (path,) = run(dense, tmp_path, f"limit:eps=accuracy-{points}", scope="global", validation=0.25)
    held_out = digits().hold_out(0.25).validation
    assert held_out is not None
    before, after = (measure(one, held_out)[1] for one in (dense, path))
    assert 100 * (before - after) <= points * len(held_out)
    (fewer,) = run(dense, tmp_path, (zeros(path) + 1) / SIZE, scope="global")
    assert 100 * (before - measure(fewer, held_out)[1]) > points * len(held_out)
    assert read(path).lineage.settings[-1].options["validation"] == 0.25


@pytest.mark.slow
def test_of_a_pruned_network_it_is_the_limit_within_its_mask(dense, tmp_path):
    (first,) = run(dense, tmp_path, 0.5, layers="fc4", method="random")
    (path,) = run(first, tmp_path, "limit:eps=abs-0.02", scope="global")
    before, after = (load_file(one) for one in (first, path))
    assert all(not bool(after[name][before[name] == 0].any()) for name in before)
    assert zeros(path) > zeros(first)
    split = evenly(digits().train, 100)
    allowed = measure(first, split)[0] + 0.02
    (fewer,) = run(first, tmp_path, (zeros(path) + 1) / SIZE, scope="global")
    assert measure(path, split)[0] <= allowed + 1e-6 < measure(fewer, split)[0] + 2e-6


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["quadratic", "published", "subspace"])
def test_kinds_by_the_curvature(dense, tmp_path, kind):
    more = ":damping=0.01" if kind == "quadratic" else ""
    spec = f"limit:kind={kind}:eps=abs-0.02:steps=12{more}"
    (path,) = run(dense, tmp_path, spec, scope="global", layers="fc4,fc5")
    config = PruneConfig((spec,), **{**FEW, "layers": "fc4,fc5", "scope": "global"})
    network = NetworkScores(config, quiet).of(read(dense))
    task = task_of(network.source, config)
    (request,) = requests_of(config, 0)
    found = network.limited(task.layers, request, partial(tensors_at, task, request, network)).amount
    removed = sum(read(path).entries[layer.tensor].zeros for layer in task.layers)
    assert removed == round(found.removed * 2800)
    assert 0 < removed < 2800
    assert LIMITS.parse(spec) == found.rule


@pytest.mark.filterwarnings("ignore:.*weight_norm. is deprecated")
def test_a_network_that_keeps_a_computed_weight_is_tried_with_fewer_weights():
    """As the old weight norm does: a plain copy refuses such networks."""
    layer = torch.nn.utils.weight_norm(torch.nn.Linear(4, 3))
    gone: Any = {"0.weight_v": SimpleNamespace(values=np.eye(3, 4, dtype=np.float32))}
    images: Any = SimpleNamespace(
        model=torch.nn.Sequential(layer),
        source=SimpleNamespace(label="net"),
        run=lambda network, label, held_out: (label, network(torch.eye(4)) - network[0].bias),
    )
    found: Any = Tries(images, 12, lambda share: gone, held_out=False).outputs(3)
    label, outputs = found
    assert label == "net with 3 weights"
    assert torch.allclose(outputs.T, torch.eye(3, 4) * layer.weight_g)


def test_a_scope_that_never_works_is_told(dense, tmp_path):
    with pytest.raises(UsageError, match=r"--scope uniform\+: which layer is first is not known"):
        run(dense, tmp_path, "limit", scope="uniform+")


def test_losses_that_give_no_eps_are_told(dense, tmp_path, monkeypatch):
    monkeypatch.setattr("apcli.probes.outputs.Outputs.losses", np.zeros(100))
    with pytest.raises(UsageError, match=r"^--sparsity limit:eps=std: eps is 0 .*: give abs-X$"):
        run(dense, tmp_path, "limit")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("sparsity", "options", "words"),
    [
        ("limit:kind=quadratic", {}, "give --method lowest --scope global, or kind=oneshot"),
        ("limit:kind=subspace", {"scope": "global", "method": "taylor"}, "give --method lowest --scope global"),
        ("limit:kind=published:eps=accuracy-1", {"scope": "global", "validation": 0.1}, "accuracy has no second order"),
        ("limit:eps=accuracy-1", {}, "give --validation SHARE"),
        ("limit", {"validation": 0.1}, "--validation is 0.1, but nothing is measured on these images"),
        ("limit", {"min_keep": 3}, "leave --structure filter, --layer-sparsity, --rewind-to and --min-keep out"),
        ("limit", {"structure": "filter"}, "leave --structure filter"),
        ("limit", {"layer_sparsity": (("fc3", 0.2),)}, "leave --structure filter, --layer-sparsity"),
        ("limit", {"rewind_to": "x.safetensors"}, "--rewind-to"),
        ("limit:kind=best", {}, "unknown kind 'best'"),
    ],
)
def test_what_does_not_go_together_is_refused_before_anything_is_read(tmp_path, sparsity, options, words):
    config = PruneConfig((0.3, sparsity), device="cpu", **options)
    with pytest.raises(UsageError, match=words):
        check(config, Outputs(tmp_path))
