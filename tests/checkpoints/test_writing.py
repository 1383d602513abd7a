"""Writing: bytes against the safetensors library, whole or not at all."""

import hashlib
import json
import struct
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from small_files import TRAINED, entry, saved

from apcli.checkpoints.lineage import Lineage
from apcli.checkpoints.promises import Promise
from apcli.checkpoints.reading import read
from apcli.checkpoints.verification import verify_zeros
from apcli.checkpoints.writing import write
from apcli.errors import ApcliError, VerificationError

PROMISE = Promise(2, 4, "lowest", "layer", 0, 0.5)


def leftovers(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_written_file_is_an_ordinary_safetensors_file(tmp_path):
    path = tmp_path / "net.safetensors"
    state = {
        "b": torch.randn(3, 5).half(),
        "a": torch.randn(7),
        "n": torch.tensor(3),
        "c": torch.randn(2, 2).bfloat16(),
        "e": torch.empty(0, 4),
        "u": torch.arange(3, dtype=torch.uint8),
        "d": torch.randn(2, 3).double(),
    }
    save_file(state, tmp_path / "theirs.safetensors")
    write(path, read(tmp_path / "theirs.safetensors").entries, TRAINED)
    ours = load_file(path)
    assert ours.keys() == state.keys()
    assert all(torch.equal(ours[name], state[name]) and ours[name].dtype == state[name].dtype for name in state)
    with safe_open(path, framework="pt") as file:
        metadata = file.metadata()
    assert metadata.keys() == {"format", "apcli"}
    assert metadata["format"] == "pt"
    assert json.loads(metadata["apcli"]) == TRAINED.to_json()
    found = read(path)
    assert found.lineage == TRAINED
    assert found.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert leftovers(tmp_path) == ["net.safetensors", "theirs.safetensors"]


def test_tensors_are_aligned_and_keep_their_order_within_a_width(tmp_path):
    entries = {f"t{i}": entry(np.ones(i + 1), dtype) for i, dtype in enumerate(["F16", "F32", "F64", "F32"])}
    path = tmp_path / "net.safetensors"
    write(path, entries, TRAINED)
    content = path.read_bytes()
    (length,) = struct.unpack("<Q", content[:8])
    header = json.loads(content[8 : 8 + length])
    assert list(header) == ["__metadata__", "t2", "t1", "t3", "t0"]
    for name, written in entries.items():
        start, end = header[name]["data_offsets"]
        assert (8 + length + start) % written.width == 0
        assert content[8 + length + start : 8 + length + end] == written.data.tobytes()


def test_same_bytes_twice(tmp_path):
    first, second = saved(tmp_path / "a.safetensors"), saved(tmp_path / "b.safetensors")
    assert first.read_bytes() == second.read_bytes()


def test_a_broken_promise_leaves_no_file(tmp_path):
    lineage = Lineage.EMPTY.then("prune", {}, pruned={"fc.weight": PROMISE})
    path = tmp_path / "net.safetensors"
    for entries in ({"fc.weight": entry([[1, 0], [3, 2]])}, {"other": entry([[0, 0], [0, 0]])}):
        with pytest.raises(VerificationError, match=r"net\.safetensors: fc\.weight has [01] zeros but .* promises 2"):
            write(path, entries, lineage)
        assert leftovers(tmp_path) == []
    write(path, {"fc.weight": entry([[1, 0], [-0.0, 2]])}, lineage)
    verify_zeros(read(path))
    before = path.read_bytes()
    with pytest.raises(VerificationError):
        write(path, {"fc.weight": entry([[1, 2], [3, 4]])}, lineage)
    assert path.read_bytes() == before
    assert leftovers(tmp_path) == ["net.safetensors"]


@pytest.mark.parametrize("place", ["file/x.safetensors", "file/deeper/x.safetensors", "folder", "x" * 300])
def test_a_place_that_cannot_be_written(tmp_path, place):
    (tmp_path / "file").write_bytes(b"")
    (tmp_path / "folder").mkdir()
    with pytest.raises(ApcliError, match=r"cannot write .*: choose|another --output") as caught:
        write(tmp_path / place, {"t": entry([1.0])}, TRAINED)
    assert type(caught.value) is ApcliError
    assert leftovers(tmp_path) == ["file", "folder"]
