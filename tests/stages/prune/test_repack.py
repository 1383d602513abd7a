"""Another storage, and nothing else."""

import pytest
import torch
from prunings import run
from safetensors.torch import load_file, save_file

from apcli.checkpoints.reading import read
from apcli.errors import UsageError


def test_packing_and_unpacking_gives_the_same_bytes(digits, tmp_path):
    (dense,) = run(digits, 0.9, method="random", seeds=(3,), folder=tmp_path / "dense")
    (packed,) = run(digits, 0.9, method="random", seeds=(3,), storage="bitmask", folder=tmp_path / "packed")
    assert packed.name == "fc5-digits.random-0.9.bitmask.safetensors"
    assert packed.stat().st_size < dense.stat().st_size / 5
    (back,) = run(packed, 0.0, storage="dense", folder=tmp_path / "back")
    assert back.name == dense.name
    before, after = read(dense), read(back)
    assert load_file(back).keys() == load_file(dense).keys()
    for name, tensor in load_file(dense).items():
        assert torch.equal(load_file(back)[name], tensor)
        assert torch.equal(torch.from_numpy(read(packed).entries[name].values.copy()).reshape(tensor.shape), tensor)
    assert before.lineage.pruned == after.lineage.pruned
    (repacked,) = run(dense, 0.0, storage="bitmask", folder=tmp_path / "repacked")
    (unpacked,) = run(repacked, 0.0, folder=tmp_path / "unpacked")
    assert unpacked.read_bytes() == back.read_bytes() == dense.read_bytes()
    assert repacked.read_bytes() == packed.read_bytes()


@pytest.mark.parametrize("storage", ["dense", "bitmask"])
def test_sparsity_0_changes_no_bit(tmp_path, storage, caplog):
    """Of a file where no tensor packs, and of one that is not packed at all: -0.0 stays -0.0."""
    weight = torch.randn(8, 8, generator=torch.Generator().manual_seed(0))
    weight[0, :2] = torch.tensor([-0.0, 0.0])
    save_file({"fc.weight": weight, "fc.bias": torch.tensor([-0.0])}, tmp_path / "net.safetensors")
    (first,) = run(tmp_path / "net.safetensors", 0.0, storage=storage, folder=tmp_path / "first")
    (second,) = run(first, 0.0, folder=tmp_path / "second")
    for path in (first, second):
        assert load_file(path)["fc.weight"].view(torch.int32).tolist() == weight.view(torch.int32).tolist()
        assert load_file(path)["fc.bias"].signbit().all()
    assert ("no tensor is smaller as a bit mask" in caplog.text) == (storage == "bitmask")


def test_nothing_to_repack_is_refused(source, tmp_path):
    (packed,) = run(source, 0.5, storage="bitmask")
    with pytest.raises(UsageError, match="stored as bitmask already"):
        run(packed, 0.0, storage="bitmask")
