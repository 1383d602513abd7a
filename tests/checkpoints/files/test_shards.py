"""Sharded checkpoints: read and written as huggingface_hub does it, one to every stage, and refused where damaged."""

import hashlib
import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from huggingface_hub import load_torch_model, save_torch_state_dict
from marked import slow_but
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import nn

from apcli.checkpoints.files import shards
from apcli.checkpoints.promises import Link
from apcli.checkpoints.reading import dense_ancestor, find, read
from apcli.checkpoints.writing import write
from apcli.configs.prune import PruneConfig
from apcli.errors import ApcliError, UsageError, VerificationError
from apcli.stages.outputs import Outputs
from apcli.stages.prune.repack import repack
from apcli.stages.prune.stage import prune

INDEX = "model.safetensors.index.json"


def model() -> nn.Module:
    torch.manual_seed(0)
    parts = [nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.Conv2d(8, 16, 3), nn.Flatten(), nn.Linear(400, 50)]
    return nn.Sequential(*parts, nn.Linear(50, 10))


def sharded(folder: Path, size: int = 6_000) -> Path:
    """Written by another library: at most ``size`` bytes a file, but for tensors that are larger."""
    folder.mkdir(exist_ok=True)
    save_torch_state_dict(model().state_dict(), folder, max_shard_size=size)
    return folder / INDEX


def whole(folder: Path) -> Path:
    folder.mkdir(exist_ok=True)
    save_file(model().state_dict(), folder / "model.safetensors")
    return folder / "model.safetensors"


def contents(index: Path) -> dict[str, torch.Tensor]:
    """The tensors that an index places, each taken from its file by the library."""
    placed = json.loads(index.read_text())["weight_map"]
    return {name: load_file(index.with_name(file))[name] for name, file in placed.items()}


def run(source: Path, outputs: Outputs | None = None, **options: object) -> Path:
    (path,) = prune(read(source), PruneConfig(**options), outputs or Outputs())
    return path


def test_the_tensors_of_all_files_are_one_checkpoint(tmp_path):
    index = sharded(tmp_path)
    found, state = read(index), model().state_dict()
    assert len(found.shards) >= 3
    assert found.entries.keys() == state.keys()
    for name, entry in found.entries.items():
        assert entry.data.tobytes() == state[name].numpy().tobytes()
    assert found.stem == "model"
    assert found.file_bytes == sum(path.stat().st_size for path in tmp_path.iterdir())
    files = sorted(tmp_path.glob("*.safetensors"))
    sums = [hashlib.sha256(path.read_bytes()).hexdigest() for path in [index, *files]]
    assert found.sha256 == hashlib.sha256("".join(sums).encode()).hexdigest()


def pickled(folder: Path) -> Path:
    """The same, in files of ``torch.save``, as older models of the hub are."""
    folder.mkdir(exist_ok=True)
    save_torch_state_dict(model().state_dict(), folder, max_shard_size=6_000, safe_serialization=False)
    return folder / "pytorch_model.bin.index.json"


def test_pickles_are_one_checkpoint_too_and_results_are_no_pickles(tmp_path):
    index, state = pickled(tmp_path / "old"), model().state_dict()
    found, others = read(index), read(sharded(tmp_path / "new"))
    assert (len(found.shards), found.stem) == (len(others.shards), "pytorch_model")
    assert found.entries.keys() == state.keys()
    floats = [name for name, entry in found.entries.items() if entry.is_float]
    assert all(np.array_equal(found.entries[name].values, state[name].numpy()) for name in floats)
    sums = [hashlib.sha256(path.read_bytes()).hexdigest() for path in [index, *sorted(index.parent.glob("*.bin"))]]
    assert found.sha256 == hashlib.sha256("".join(sums).encode()).hexdigest()
    made = run(index, sparsity=(0.5,))
    assert made.name == f"pytorch_model.lowest-0.5{shards.SUFFIX}"
    ours, theirs = read(made), read(run(others.path, sparsity=(0.5,)))
    assert all(np.array_equal(ours.entries[name].values, theirs.entries[name].values) for name in floats)
    assert [set(names) for names in ours.shards.values()] == [set(names) for names in found.shards.values()]
    assert dense_ancestor(ours).sha256 == found.sha256


def test_no_code_in_pickles_of_an_index_is_run(tmp_path):
    index = pickled(tmp_path)
    first = sorted(tmp_path.glob("*.bin"))[0]

    class Opens:
        def __reduce__(self):
            return open, (str(tmp_path / "run"), "w")

    torch.save({"0.weight": Opens()}, first)
    with pytest.raises(ApcliError, match=first.name):
        read(index)
    assert not (tmp_path / "run").exists()
    first.unlink()
    with pytest.raises(ApcliError, match=f"lists the shard {first.name}, which is missing"):
        read(index)
    index.write_text(json.dumps({"weight_map": {"0.weight": "model.safetensors"}}))
    with pytest.raises(ApcliError, match="expected a PyTorch file in the same folder"):
        read(index)


@pytest.mark.parametrize("name", ["model.safetensors.index.json", "model"])
def test_it_is_found_by_its_index(tmp_path, monkeypatch, name):
    sharded(tmp_path / "net")
    monkeypatch.chdir(tmp_path / "net")
    assert find(name) == Path(INDEX)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError, match=f"net is a folder: expected a safetensors file, as in net/{re.escape(INDEX)}"):
        find("net")


@pytest.mark.parametrize("scope", slow_but(["layer", "global", "erk"], "layer"))
def test_pruned_as_one_file_would_be_and_sharded_as_it_was(tmp_path, scope):
    index, file = sharded(tmp_path / "a"), whole(tmp_path / "b")
    before = {path.name: path.read_bytes() for path in index.parent.iterdir()}
    options = {"scope": scope, "sparsity": (0.7,), "method": "lowest,random"}
    both = [list(prune(read(path), PruneConfig(**options), Outputs())) for path in (index, file)]
    for theirs, own in zip(*both, strict=True):
        assert theirs.name == own.name + ".index.json"
        assert contents(theirs).keys() == load_file(own).keys()
        for name, tensor in load_file(own).items():
            assert torch.equal(contents(theirs)[name], tensor), name
        stem = theirs.name.removesuffix(shards.SUFFIX)
        files = json.loads(index.read_text())["weight_map"]
        made = json.loads(theirs.read_text())
        assert made["weight_map"] == {name: file.replace("model-", f"{stem}-") for name, file in files.items()}
        assert made["metadata"]["total_size"] == json.loads(index.read_text())["metadata"]["total_size"]
        for shard in set(made["weight_map"].values()):
            with safe_open(theirs.with_name(shard), "pt") as opened:
                assert opened.metadata() == {"format": "pt"}
    assert before == {name: (index.parent / name).read_bytes() for name in before}
    assert not list(index.parent.glob(".*"))


def test_the_result_loads_where_the_source_came_from(tmp_path):
    index = sharded(tmp_path)
    path = run(index, Outputs(tmp_path / "out"), sparsity=(0.5,), scope="global")
    folder = tmp_path / "renamed"
    shutil.copytree(path.parent, folder)
    (folder / path.name).rename(folder / INDEX)
    fresh = model()
    load_torch_model(fresh, folder, strict=False)  # some versions of the library take every file for the whole
    assert all(torch.equal(tensor, contents(folder / INDEX)[name]) for name, tensor in fresh.state_dict().items())
    zeros = sum(int((w == 0).sum()) for w in fresh.state_dict().values() if w.dim() > 1)
    assert zeros == round(0.5 * sum(w.numel() for w in fresh.state_dict().values() if w.dim() > 1))


def test_the_lineage_goes_on_from_index_to_index(tmp_path):
    index = sharded(tmp_path)
    first = run(index, sparsity=(0.5,))
    second = run(first, sparsity=(0.9,))
    assert second.name == f"model.lowest-0.5.lowest-0.9{shards.SUFFIX}"
    lineage = read(second).lineage
    assert lineage.dense == Link(INDEX, read(index).sha256)
    assert lineage.parent == Link(first.name, read(first).sha256)
    assert dense_ancestor(read(second)).path.resolve() == index
    again = run(first, sparsity=(0.9,))
    assert again == second
    last = list(read(first).shards)[-1]
    save_file({name: 2 * tensor for name, tensor in load_file(last).items()}, last, {"format": "pt"})
    with pytest.raises(UsageError, match="was made with other settings"):
        run(first, sparsity=(0.9,))


def test_the_same_command_gives_the_same_bytes(tmp_path):
    made = []
    for folder in ("a", "b"):
        path = run(sharded(tmp_path / folder), sparsity=(0.5,), method="random", seeds=(3,))
        made.append({file.name: file.read_bytes() for file in path.parent.glob("model.random*")})
    assert made[0] == made[1]
    assert len(made[0]) >= 4


def test_written_as_one_file_where_the_output_is_one(tmp_path):
    index = sharded(tmp_path)
    path = run(index, Outputs(tmp_path / "one.safetensors"), sparsity=(0.5,))
    assert {name: int((w == 0).sum()) for name, w in load_file(path).items()} == {
        name: int((w == 0).sum()) for name, w in contents(run(index, sparsity=(0.5,))).items()
    }
    piped = run(index, Outputs(tmp_path / "pipe", overwrite=True, home=Path()), sparsity=(0.5,))
    assert piped == tmp_path / "pipe" / "model.lowest-0.5.safetensors"


def test_an_index_is_no_place_for_what_is_one_file(tmp_path):
    target = tmp_path / f"x{shards.SUFFIX}"
    with pytest.raises(UsageError, match=r"x\.safetensors\.index\.json is the index of several files: expected one"):
        run(whole(tmp_path / "a"), Outputs(target), sparsity=(0.5,))
    assert run(sharded(tmp_path / "b"), Outputs(target), sparsity=(0.5,)) == target
    with pytest.raises(UsageError, match="is one file but several checkpoints come out"):
        Outputs(target).expect(2)


def test_the_sources_own_files_are_never_written_over(tmp_path):
    index = sharded(tmp_path)
    for file in read(index).files:
        with pytest.raises(UsageError, match="is the input, or its dense ancestor"):
            run(index, Outputs(file, overwrite=True), sparsity=(0.5,))


def test_files_without_their_index_are_not_written_over(tmp_path):
    index = sharded(tmp_path)
    path = run(index, sparsity=(0.5,))
    path.unlink()
    with pytest.raises(UsageError, match=r"lowest-0\.5-00001-of-0000\d\.safetensors has no index: --overwrite"):
        run(index, sparsity=(0.5,))
    assert run(index, Outputs(overwrite=True), sparsity=(0.5,)) == path
    assert read(path).shards


def test_compact_storage_of_every_file_and_back(tmp_path):
    index = sharded(tmp_path)
    dense = run(index, sparsity=(0.9,))
    packed = run(index, sparsity=(0.9,), storage="bitmask")
    assert packed.name == f"model.lowest-0.9.bitmask{shards.SUFFIX}"
    assert read(packed).file_bytes < 0.6 * read(dense).file_bytes
    assert [set(names) for names in read(packed).shards.values()] == [set(x) for x in read(dense).shards.values()]
    before = {file.name: file.read_bytes() for file in read(dense).files}
    for file in read(dense).files:
        file.unlink()
    assert repack(read(packed), PruneConfig(sparsity=(0.0,)), Outputs()) == dense
    assert {file.name: file.read_bytes() for file in read(dense).files} == before


def test_a_lost_zero_is_found_in_any_file(tmp_path):
    source = read(run(sharded(tmp_path), sparsity=(0.5,)))
    last = list(source.shards)[-1]
    tensors = {name: tensor + 1 for name, tensor in load_file(last).items()}
    save_file(tensors, last, {"format": "pt"})
    with pytest.raises(VerificationError, match="but its lineage promises"):
        run(source.path, sparsity=(0.8,))
    with pytest.raises(VerificationError, match="but its lineage promises"):
        write(tmp_path / f"x{shards.SUFFIX}", read(source.path).entries, source.lineage, like=source)
    assert not [file for file in tmp_path.iterdir() if file.name.startswith(("x", "."))]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda index: "[]", "is no index of a sharded checkpoint: expected an object with a weight_map"),
        (lambda index: "{", "is no index of a sharded checkpoint"),
        (lambda index: "{}", "is no index of a sharded checkpoint"),
        (lambda index: {**index, "weight_map": {}}, "is no index of a sharded checkpoint"),
        (lambda index: {**index, "weight_map": {"0.weight": 3}}, "is no index of a sharded checkpoint"),
        (lambda index: {**index, "metadata": []}, None),
        (lambda index: {**index, "metadata": 7}, "is no index of a sharded checkpoint"),
        (lambda index: {**index, "metadata": {"apcli": 7}}, "lineage in .* is not an object with a version"),
        (lambda index: {"weight_map": {"0.weight": "../model.safetensors"}}, r"lists the shard '\.\./model"),
        (lambda index: {"weight_map": {"0.weight": INDEX}}, "expected a safetensors file in the same folder"),
        (lambda index: {"weight_map": {"0.weight": "gone.safetensors"}}, "gone.safetensors, which is missing"),
        (lambda index: {"weight_map": {"0.weight": "g" * 300 + ".safetensors"}}, "ggg.safetensors, which is missing"),
        (
            lambda index: {"weight_map": {**index["weight_map"], "x": index["weight_map"]["0.weight"]}},
            r"disagree on x \(only the index has it there\)",
        ),
        (
            lambda index: {"weight_map": {k: v for k, v in index["weight_map"].items() if k != "0.bias"}},
            r"disagree on 0\.bias \(only the file has it\)",
        ),
    ],
)
def test_a_damaged_index_is_named_in_one_line(tmp_path, change, words):
    index = sharded(tmp_path)
    changed = change(json.loads(index.read_text()))
    index.write_text(changed if isinstance(changed, str) else json.dumps(changed))
    if words is None:
        assert not read(index).lineage.is_known
        return
    with pytest.raises(ApcliError, match=words) as caught:
        read(index)
    assert "\n" not in str(caught.value)


def test_a_damaged_file_of_an_index_is_named(tmp_path):
    index = sharded(tmp_path)
    first = next(iter(read(index).shards))
    first.write_bytes(first.read_bytes()[:-10])
    with pytest.raises(ApcliError, match=f"{re.escape(str(first))} is not a complete safetensors file"):
        read(index)
