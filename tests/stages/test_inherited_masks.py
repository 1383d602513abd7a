"""Zeros that came in any way are held from then on, and what is no mask is said."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from short_trainings import quiet

from apcli.checkpoints.checkpoint import Checkpoint
from apcli.checkpoints.files.headers import KEY
from apcli.checkpoints.lineage import Lineage
from apcli.checkpoints.promises import Promise
from apcli.checkpoints.reading import read
from apcli.checkpoints.state_dicts import entries_of
from apcli.configs.prune import PruneConfig
from apcli.configs.training import FinetuneConfig, LoopConfig, ModelConfig, TrainConfig
from apcli.stages.finetune import Finetuner
from apcli.stages.inherited_masks import promises_of
from apcli.stages.outputs import Outputs
from apcli.stages.prune.stage import prune
from apcli.stages.train import train

NET = """
from torch import nn

def net(num_classes=10):
    return nn.Sequential(nn.Flatten(), nn.Linear(64, 32), nn.BatchNorm1d(32), nn.ReLU(), nn.Linear(32, num_classes))
"""
LAYERS = ("1.weight", "4.weight")


def checkpoint(lineage: Lineage, **tensors: torch.Tensor) -> Checkpoint:
    return Checkpoint(Path("x"), Path(), entries_of(tensors), lineage)


def test_what_is_promised(caplog):
    """What the lineage says, and of layers that it leaves out all that is no chance; biases never."""
    eye = {"fc.weight": torch.eye(4), "full.weight": torch.ones(2, 2), "b": torch.zeros(3)}
    for lineage in (Lineage.EMPTY, Lineage.EMPTY.then("train", {})):
        found = promises_of(checkpoint(lineage, **eye))
        assert {n: (p.zeros, p.size, p.actual) for n, p in found.items()} == {"fc.weight": (12, 16, 0.75)}
    dense = Lineage.EMPTY.then("prune", {}, pruned={"full.weight": Promise(0, 4, "lowest")})
    found = promises_of(checkpoint(dense, **eye))
    assert (found["full.weight"], found["fc.weight"].zeros) == (dense.pruned["full.weight"], 12)


def test_chance_zeros_and_layers_that_begin_at_zero_are_no_mask(caplog):
    few = torch.ones(40, 40)
    few[0, 0] = 0
    with caplog.at_level("INFO", "apcli"):
        assert promises_of(checkpoint(Lineage.EMPTY, **{"fc.weight": few, "head.weight": torch.zeros(4, 4)})) == {}
    assert "x: 1 zeros of fc are taken for chance and not kept" in caplog.text
    assert "x: all of head is zero, which is taken for its initial value and not for a mask: it learns" in caplog.text
    found = promises_of(checkpoint(Lineage.EMPTY, **{"fc.weight": few, "fc2.weight": torch.eye(4)}))
    assert {name: promise.zeros for name, promise in found.items()} == {"fc.weight": 1, "fc2.weight": 12}


@pytest.fixture(scope="module")
def net(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("code") / "net.py"
    path.write_text(NET)
    return f"{path}:net"


@pytest.fixture(scope="module")
def sparse(net: str, tmp_path_factory: pytest.TempPathFactory) -> dict[str, torch.Tensor]:
    """A network's tensors, half of each layer's weights zero, as anyone has pruned them."""
    folder = tmp_path_factory.mktemp("made")
    (base,) = made(net, folder, 0)
    tensors = load_file(base)
    draw = torch.Generator().manual_seed(0)
    for name in LAYERS:
        tensors[name][torch.rand(tensors[name].shape, generator=draw) < 0.5] = 0
    return tensors


def made(net: str, folder: Path, epochs: int, **options: Any) -> list[Path]:
    loop = LoopConfig(epochs=epochs, batch_size=256, momentum=0.9, weight_decay=1e-3, device="cpu")
    return list(train(TrainConfig(ModelConfig(net), loop=loop, **options), Outputs(folder), quiet))


def tuned(net: str, path: Path) -> Path:
    loop = LoopConfig(epochs=1, batch_size=256, momentum=0.9, device="cpu", eval_every=9)
    return Finetuner(FinetuneConfig(loop=loop, model=net, trace="none"), Outputs(), quiet).finetune(read(path))


def as_state_dict(tensors: dict[str, torch.Tensor], folder: Path) -> Path:
    torch.save({"state_dict": {f"module.{name}": t for name, t in tensors.items()}}, folder / "theirs.pt")
    return folder / "theirs.pt"


def as_safetensors(tensors: dict[str, torch.Tensor], folder: Path) -> Path:
    save_file(tensors, folder / "theirs.safetensors")
    return folder / "theirs.safetensors"


def as_bitmask(tensors: dict[str, torch.Tensor], folder: Path) -> Path:
    (path,) = prune(read(as_safetensors(tensors, folder)), PruneConfig((0.0,), storage="bitmask"), Outputs(folder))
    return Path(path)


def as_renamed(tensors: dict[str, torch.Tensor], folder: Path) -> Path:
    save_file({f"body.{name}": t for name, t in tensors.items()}, folder / "theirs.safetensors")
    return folder / "theirs.safetensors"


@pytest.mark.slow
@pytest.mark.parametrize("epochs", [0, 1])
@pytest.mark.parametrize("way", [as_state_dict, as_safetensors, as_bitmask, as_renamed])
def test_zeros_that_come_in_are_held_from_then_on(net, sparse, tmp_path, way, epochs):
    """Also while the network that takes them in is trained; and PD is not set against the sparse file itself."""
    rename = ("body=",) if way is as_renamed else ()
    (taken,) = made(net, tmp_path / "in", epochs, weights=str(way(sparse, tmp_path)), rename=rename)
    assert set(read(taken).lineage.pruned) == set(LAYERS)
    result = tuned(net, taken)
    for path in (taken, result):
        found = load_file(path)
        for name in LAYERS:
            assert torch.equal(found[name] == 0, sparse[name] == 0), (path, name)
    assert not torch.equal(load_file(result)["1.weight"], sparse["1.weight"])
    assert read(result).lineage.dense is None


def test_a_file_that_was_taken_in_before_its_zeros_were_promised(net, sparse, tmp_path):
    """And one of which a single layer was pruned further here."""
    (taken,) = made(net, tmp_path / "in", 0, weights=str(as_safetensors(sparse, tmp_path)))
    (further,) = prune(read(as_safetensors(sparse, tmp_path)), PruneConfig((0.8,), layers="4"), Outputs(tmp_path))
    assert set(read(further).lineage.pruned) == {"4.weight"}
    for path in (without_promises(taken), Path(further)):
        found, before = load_file(tuned(net, path)), load_file(path)
        for name in LAYERS:
            assert torch.equal(found[name] == 0, before[name] == 0), name


def without_promises(path: Path) -> Path:
    text = replace(read(path).lineage, pruned={}).to_text()
    older = path.with_name("older.safetensors")
    save_file(load_file(path), older, {"format": "pt", KEY: text})
    return older


def test_how_a_file_was_pruned_is_handed_on(net, tmp_path):
    (base,) = made(net, tmp_path, 0)
    (pruned,) = prune(read(base), PruneConfig((0.5,), method="highest"), Outputs(tmp_path))
    (taken,) = made(net, tmp_path / "in", 0, weights=str(pruned))
    said = {name: promise.method for name, promise in read(taken).lineage.pruned.items()}
    assert said == dict.fromkeys(LAYERS, "highest")
