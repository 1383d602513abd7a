"""What a file is, counted: sizes, zeros and shares."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from apcli.checkpoints import checkpoint, reading
from apcli.checkpoints.lineage import Lineage
from apcli.checkpoints.promises import Promise
from apcli.configs.describe import CostsConfig
from apcli.errors import UsageError
from apcli.records import lines
from apcli.stages.describe.description import describe

MODEL = {"name": "net.py:small", "source": "user", "num_classes": 3, "input_size": [2, 6, 6], "mean": [0.0] * 2}


def tensors() -> dict[str, Tensor]:
    """10 of 32 prunable weights, and 13 of 38 parameters are zero."""
    return {
        "conv.weight": torch.tensor([[[[0.0, -0.0], [1.0, 2.0]]]]).repeat(1, 2, 1, 1).half(),  # 4 of 8
        "bn.weight": torch.tensor([0.0, 3.0]),  # 1 of 2
        "bn.running_mean": torch.zeros(2),
        "bn.running_var": torch.ones(2),
        "bn.num_batches_tracked": torch.tensor(0),
        "norm.weight": torch.tensor([[0.0]]),  # 1 of 1: no layer, whatever its shape
        "fc.weight": torch.arange(20.0).reshape(4, 5).remainder(5).bfloat16(),  # 4 of 20
        "head.weight": torch.tensor([[0.0, -0.0], [1e-45, 5.0]]),  # 2 of 4, and a number below float32's normal ones
        "fc.bias": torch.tensor([1.0, 0.0, 2.0]),  # 1 of 3
    }


def saved(path: Path, given: dict[str, Tensor], lineage: Lineage = Lineage.EMPTY) -> checkpoint.Checkpoint:
    metadata = {"apcli": lineage.to_text()} if lineage.is_known else {}
    save_file(given, path, {"format": "pt", **metadata})
    return reading.read(path)


def test_counts(tmp_path):
    given = tensors()
    found = describe(saved(tmp_path / "a.safetensors", given))
    parameters = {n: t for n, t in given.items() if "running" not in n and t.is_floating_point()}
    layers = [given[name] for name in ("conv.weight", "fc.weight", "head.weight")]
    size = sum(t.numel() for t in parameters.values())
    kept = size - sum(int((t == 0).sum()) for t in layers)  # a norm's and a bias's own zeros were not removed
    left, of = sum(int(t.count_nonzero()) for t in layers), sum(t.numel() for t in layers)
    numbers = sum(t.numel() for t in given.values())
    assert (found.numbers, found.parameters, found.kept) == (numbers, size, kept)
    assert (found.prunable, found.prunable_nonzero) == (of, left) == (32, 22)
    assert (found.model_sparsity, found.model_density) == (pytest.approx(1 - kept / size), kept / size)
    assert (found.sparsity, found.density) == (10 / 32, 22 / 32)
    assert found.compression == size / kept
    assert found.bytes == found.dense_bytes == (tmp_path / "a.safetensors").stat().st_size
    for tensor in found.tensors:
        whole = tensor.dtype == "I64"
        assert tensor.nonzero == (None if whole else int(given[tensor.name].count_nonzero()))
        assert tensor.zeros == (None if whole else tensor.size - tensor.nonzero)
    assert found.macs is found.latency is None
    assert lines.dump(found.to_json())


@pytest.mark.parametrize(
    ("given", "known"),
    [
        ({"steps": torch.tensor(3)}, (0, None, None, None)),
        ({"fc.weight": torch.zeros(2, 2)}, (4, 1.0, None, 1.0)),
        ({"fc.weight": torch.zeros(0, 2)}, (0, None, None, None)),
        ({"bias": torch.ones(2)}, (2, 0.0, 1.0, None)),
    ],
)
def test_shares_of_nothing_are_unknown(tmp_path, given, known):
    found = describe(saved(tmp_path / "a.safetensors", given))
    assert (found.parameters, found.model_sparsity, found.compression, found.sparsity) == known


def dense_and_pruned(folder: Path) -> tuple[checkpoint.Checkpoint, checkpoint.Checkpoint]:
    base = Lineage.EMPTY.then("train", {}, model=MODEL, data={"name": "digits"}, seed=0)
    dense = saved(folder / "dense.safetensors", {"fc.weight": torch.ones(3, 72)}, base)
    promised = Promise(108, 216)
    lineage = base.then("prune", {}, pruned={"fc.weight": promised}, dense=dense.link(folder))
    weight = torch.ones(3, 72)
    weight[:, ::2] = 0
    return dense, saved(folder / "pruned.safetensors", {"fc.weight": weight}, lineage)


def test_bytes_beside_those_of_the_dense_file(tmp_path):
    dense, pruned = dense_and_pruned(tmp_path)
    assert describe(dense).dense_bytes == dense.path.stat().st_size
    found = describe(pruned)
    assert found.dense_bytes == dense.path.stat().st_size < found.bytes
    dense.path.write_bytes(dense.path.read_bytes()[:-4] + b"\0\0\0\0")  # another file by now
    assert describe(pruned).dense_bytes is None
    dense.path.unlink()
    assert describe(pruned).dense_bytes is None


def test_a_compact_file_is_compressed_by_the_channels_it_lost(tmp_path):
    dense, pruned = dense_and_pruned(tmp_path)
    assert (describe(dense).dense_parameters, describe(pruned).dense_parameters) == (216, 216)
    known = {"kept": {"fc.weight": {"1": "1"}}, "dense": dense.link(tmp_path)}
    lineage = Lineage.EMPTY.then("prune", {}, pruned={}, **known)
    compact = saved(tmp_path / "compact.safetensors", {"fc.weight": torch.ones(3, 27)}, lineage)
    found = describe(compact)
    assert (found.parameters, found.kept, found.dense_parameters, found.compression) == (81, 81, 216, 216 / 81)
    dense.path.unlink()
    found = describe(compact)
    assert (found.parameters, found.dense_parameters, found.compression) == (81, None, None)
    assert describe(pruned).compression == 2, "a file with zeros has all parameters of the dense one"


REASONS = [
    ({"name": "x", "stage": "train", "model": None}, None, "give --model NAME"),
    (
        {"name": "x", "stage": "train", "model": MODEL},
        None,
        "own network net.py:small, whose code is not in the file: give --model",
    ),
    ({"name": "x", "stage": "trace", "model": MODEL}, "net.py:small", "a trace of another checkpoint's layers"),
    ({"name": "x", "stage": "train", "model": MODEL}, "net.py:small", None),
    ({"name": "x", "stage": "train", "model": {**MODEL, "source": "apcli"}}, None, None),
]


@pytest.mark.parametrize(("said", "model", "words"), REASONS)
def test_what_is_missing_to_build_the_network(tmp_path, said, model, words):
    lineage = Lineage.EMPTY.then(said["stage"], {}, model=said["model"])
    file = saved(tmp_path / "a.safetensors", {"fc.weight": torch.ones(2, 2)}, lineage)
    if model is None:
        found = describe(file)
        assert (words or "") in (found.macs_reason or "")
        assert (found.macs_reason is None) == (words is None)
        assert describe(file, CostsConfig(macs=False)).macs_reason is None
    for needed in (CostsConfig(macs=True, model=model), CostsConfig(latency=True, model=model)):
        if words is None:
            assert describe(file, needed).macs_reason is None
        else:
            with pytest.raises(UsageError, match=words) as caught:
                describe(file, needed)
            assert str(file.path) in str(caught.value)
