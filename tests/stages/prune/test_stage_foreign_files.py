"""What others wrote comes out as it went in: tensors that cannot be pruned, and metadata."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file
from short_trainings import quiet

from apcli.checkpoints.checkpoint import Checkpoint
from apcli.checkpoints.files.entries import Entry
from apcli.checkpoints.files.safetensors_files import write_file
from apcli.checkpoints.reading import read
from apcli.configs.prune import PruneConfig
from apcli.configs.shared import DataConfig
from apcli.configs.training import FinetuneConfig, LoopConfig, ModelConfig, TrainConfig
from apcli.data.image_spec import ImageSpec
from apcli.models.build import build
from apcli.models.spec import resolve
from apcli.stages.describe.description import describe
from apcli.stages.finetune import Finetuner
from apcli.stages.outputs import Outputs
from apcli.stages.prune.network import NetworkScores
from apcli.stages.prune.stage import prune
from apcli.stages.train import train

THEIRS = {"ss_network_dim": "4", "author": "someone", "format": "mlx"}


def run(source: Path, folder: Path, network: Any = None, **options: Any) -> Path:
    (path,) = prune(read(source), PruneConfig(**{"sparsity": (0.5,), **options}), Outputs(folder), network)
    return path


def said(path: Path) -> dict[str, str]:
    """All that a file's metadata say but the lineage."""
    with safe_open(path, "pt") as file:
        metadata = file.metadata()
    assert json.loads(metadata.pop("apcli"))["version"] == 1
    return metadata


def header(path: Path) -> dict[str, Any]:
    raw = path.read_bytes()
    return json.loads(raw[8 : 8 + int.from_bytes(raw[:8], "little")])


@pytest.mark.parametrize("storage", ["dense", "bitmask"])
def test_a_quantised_tensor_beside_the_layers_is_copied_and_counted(tmp_path, storage):
    draw = np.random.default_rng(0)
    weight = draw.standard_normal((8, 8)).astype(np.float32)
    given = {
        "q4.weight": Entry("F4", (8, 8), np.frombuffer(draw.bytes(32), np.uint8)),
        "q6.weight": Entry("F6_E2M3", (8, 4), np.frombuffer(draw.bytes(24), np.uint8)),
        "q8.weight": Entry("F8_E4M3", (8, 8), np.frombuffer(draw.bytes(64), np.uint8)),
        "u.weight": Entry("U32", (4, 2), np.frombuffer(draw.bytes(32), np.uint8)),
        "fc.weight": Entry("F32", (8, 8), weight.reshape(-1).view(np.uint8)),
        "steps": Entry("I64", (), np.array([3]).view(np.uint8)),
    }
    write_file(tmp_path / "net.safetensors", given, {})
    found = read(run(tmp_path / "net.safetensors", tmp_path / "out", storage=storage))
    assert found.entries["fc.weight"].zeros == 32
    for name in given.keys() - {"fc.weight"}:
        entry = found.entries[name]
        assert (entry.dtype, entry.shape) == (given[name].dtype, given[name].shape)
        assert bytes(entry.data) == bytes(given[name].data)
    description = describe(found)
    assert description.parameters == 64 + 32 + 64 + 8 + 64
    assert description.compression == 232 / 200


@pytest.mark.parametrize("options", [{}, {"storage": "bitmask"}, {"sparsity": (0.0,), "storage": "bitmask"}])
def test_metadata_of_others_stay_and_stand_in_a_fixed_order(tmp_path, options):
    tensors = {"fc.weight": torch.randn(16, 16, generator=torch.Generator().manual_seed(0))}
    save_file(tensors, tmp_path / "net.safetensors", THEIRS)
    path = run(tmp_path / "net.safetensors", tmp_path, **options)
    assert said(path) == THEIRS
    assert list(header(path)["__metadata__"]) == ["format", "author", "ss_network_dim", "apcli"]
    again = run(path, tmp_path / "again", sparsity=(0.0,))  # also back from a bit mask
    assert said(again) == THEIRS
    save_file(tensors, tmp_path / "plain.safetensors")
    assert said(run(tmp_path / "plain.safetensors", tmp_path)) == {"format": "pt"}


def test_rewound_a_file_keeps_its_own_metadata(tmp_path):
    tensors = {"fc.weight": torch.randn(4, 4)}
    save_file(tensors, tmp_path / "net.safetensors", THEIRS)
    save_file(tensors, tmp_path / "init.safetensors", {"author": "another", "format": "pt"})
    path = run(tmp_path / "net.safetensors", tmp_path, rewind_to=str(tmp_path / "init.safetensors"))
    assert said(path) == THEIRS


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A resnet20 for the digits, without a lineage."""
    spec = resolve("resnet20", ImageSpec((1, 8, 8), 10, (0.5,), (0.5,)))
    path = tmp_path_factory.mktemp("network") / "net.safetensors"
    torch.manual_seed(0)  # no draw is 0 by chance
    save_file(build(spec).state_dict(), path, THEIRS)
    return path


@pytest.mark.slow
def test_fine_tuned_and_compact_files_keep_them_too(network, tmp_path):
    pruning = PruneConfig((0.5,), structure="filter", compact=True, device="cpu", model="resnet20")
    (compact,) = prune(read(network), pruning, Outputs(tmp_path), NetworkScores(pruning, quiet))
    assert said(compact) == THEIRS
    tuning = FinetuneConfig(DataConfig(), LoopConfig(epochs=0, device="cpu"), model="resnet20", trace="none")
    tuned = Finetuner(tuning, Outputs(tmp_path), quiet).finetune(read(network))
    assert said(tuned) == THEIRS
    loop = LoopConfig(epochs=0, device="cpu")
    (brought,) = train(TrainConfig(ModelConfig("resnet20"), loop=loop, weights=str(network)), Outputs(tmp_path), quiet)
    assert said(brought) == THEIRS


def sharded(folder: Path) -> Path:
    """Two files, their own metadata in each, and an index with some more."""
    files = {"model-00001-of-00002.safetensors": "a", "model-00002-of-00002.safetensors": "b"}
    for file, layer in files.items():
        save_file({f"{layer}.weight": torch.randn(8, 8)}, folder / file, {"format": "mlx", f"of_{layer}": "1"})
    placed = {f"{layer}.weight": file for file, layer in files.items()}
    metadata = {"total_size": 512, "total_parameters": 128, "tool": "theirs"}
    index = folder / "model.safetensors.index.json"
    index.write_text(json.dumps({"metadata": metadata, "weight_map": placed}))
    return index


def test_of_a_sharded_checkpoint_the_index_and_every_file_keep_theirs(tmp_path):
    path = run(sharded(tmp_path), tmp_path / "out")
    index = json.loads(path.read_text())
    assert index["metadata"].pop("apcli")
    assert index["metadata"] == {"total_size": 512, "format": "pt", "tool": "theirs", "total_parameters": 128}
    for file, layer in zip(sorted(set(index["weight_map"].values())), "ab", strict=True):
        with safe_open(path.with_name(file), "pt") as opened:
            assert opened.metadata() == {"format": "mlx", f"of_{layer}": "1"}


def test_merged_into_one_file_they_all_stand_there(tmp_path):
    (path,) = prune(read(sharded(tmp_path)), PruneConfig((0.5,)), Outputs(tmp_path / "one.safetensors"))
    assert said(path) == {"format": "mlx", "of_a": "1", "of_b": "1", "tool": "theirs"}


def compressions(source: Checkpoint, caplog: pytest.LogCaptureFixture) -> list[float]:
    return [describe(source).compression, float(caplog.messages[-1].rpartition("compression ")[2].rstrip(")"))]


@pytest.mark.parametrize("ratio", [2.0, 10.0])
def test_the_compression_that_was_asked_for_is_the_one_that_is_said(network, tmp_path, ratio, caplog):
    """resnet20, freshly made: batch norm's biases are all zero, and its statistics are no parameters."""
    caplog.set_level("INFO")
    assert describe(read(network)).compression == 1
    (path,) = prune(read(network), PruneConfig(compression=(ratio,), scope="global"), Outputs(tmp_path))
    module = build(resolve("resnet20", ImageSpec((1, 8, 8), 10, (0.5,), (0.5,))))
    parameters = sum(parameter.numel() for parameter in module.parameters())
    assert describe(read(path)).parameters == parameters
    assert describe(read(path)).kept == round(parameters / ratio)
    assert compressions(read(path), caplog) == [pytest.approx(ratio, rel=1e-4)] * 2
