"""Reading: every way a file can be damaged, names of files, and the way to the dense ancestor."""

import hashlib
import json
import os
import struct
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors import safe_open
from small_files import TRAINED, entry, saved

from apcli.checkpoints.checkpoint import Checkpoint, relative
from apcli.checkpoints.lineage import Lineage
from apcli.checkpoints.promises import Link, Promise
from apcli.checkpoints.reading import dense_ancestor, find, opened, read
from apcli.checkpoints.writing import write
from apcli.errors import ApcliError, UsageError, VerificationError

PROMISE = Promise(2, 4, "lowest", "layer", 0, 0.5)


def raw(header: Any, data: bytes = b"", length: int | None = None) -> bytes:
    head = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(head) if length is None else length) + head + data


# All positions take seconds: every eleventh is tried in `make test`, all of them in `make test-long`.
STEPS = pytest.mark.parametrize("step", [11, pytest.param(1, marks=pytest.mark.long)])


@STEPS
def test_truncated_anywhere(tmp_path, step):
    content = saved(tmp_path / "whole.safetensors").read_bytes()
    path = tmp_path / "cut.safetensors"
    for length in range(0, len(content), step):
        path.write_bytes(content[:length])
        with pytest.raises(ApcliError, match=r"cut\.safetensors is not a complete safetensors file"):
            read(path)
    path.write_bytes(content + b"\0")
    with pytest.raises(ApcliError, match="not a complete"):
        read(path)


@STEPS
def test_any_damaged_byte_of_the_header(tmp_path, step):
    """It reads, perhaps as another file, or it is refused in one line."""
    content = saved(tmp_path / "whole.safetensors").read_bytes()
    (length,) = struct.unpack("<Q", content[:8])
    path = tmp_path / "damaged.safetensors"
    refused = 0
    for position in range(0, 8 + length, step):
        for flip in (0x01, 0x20, 0x80):
            path.write_bytes(content[:position] + bytes([content[position] ^ flip]) + content[position + 1 :])
            try:
                entries = read(path).entries
            except ApcliError:
                refused += 1
            else:
                assert all(found.values.shape == found.shape for found in entries.values() if found.is_float)
    assert refused > length / step


TENSOR = {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\0" * 7,
        b"\0" * 8,
        b"PK\x03\x04" + b"zip" * 50,
        b"\x80\x02}q\0" * 20,
        b"base.safetensors\n",
        bytes(range(256)) * 4,
        raw(b"{"),
        raw(b"[]"),
        raw(b"null"),
        raw({}, length=2**63),
        raw({}, length=50),
        raw({"t": TENSOR}),
        raw({"t": TENSOR}, b"\0" * 9),
        raw({"t": {**TENSOR, "shape": [3]}}, b"\0" * 8),
        raw({"t": {**TENSOR, "data_offsets": [4, 12]}}, b"\0" * 12),
        raw({"t": {**TENSOR, "data_offsets": [8, 0]}}, b"\0" * 8),
        raw({"t": {**TENSOR, "shape": [2**40, 2**40]}}, b"\0" * 8),
        raw({"t": {**TENSOR, "shape": [-2]}}, b"\0" * 8),
        raw({"t": TENSOR, "u": TENSOR}, b"\0" * 8),
        raw({"t": {"dtype": "F32"}}, b"\0" * 8),
        raw({"__metadata__": {"apcli": {}}, "t": TENSOR}, b"\0" * 8),
        raw({"__metadata__": {"apcli": "{}"}, "t": TENSOR}, b"\0" * 8),
        raw({"__metadata__": {"apcli": "["}, "t": TENSOR}, b"\0" * 8),
    ],
)
def test_what_is_no_checkpoint(tmp_path, content):
    path = tmp_path / "thing.safetensors"
    path.write_bytes(content)
    with pytest.raises(ApcliError, match=r"thing\.safetensors") as caught:
        read(path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "content",
    [
        raw({}),
        raw({"__metadata__": {}}),
        raw({"__metadata__": None}),
        raw({"__metadata__": {"format": "pt", "other": "x"}}),
    ],
)
def test_what_is_one_though_nothing_is_in_it(tmp_path, content):
    path = tmp_path / "empty.safetensors"
    path.write_bytes(content)
    with safe_open(path, framework="np") as file:
        assert list(file.keys()) == []
    assert read(path).entries == {}
    assert not read(path).lineage.is_known


def test_unreadable_paths(tmp_path):
    for path in (tmp_path, tmp_path / "none.safetensors"):
        with pytest.raises(ApcliError, match="cannot read"):
            read(path)


def test_a_text_called_as_a_pytorch_file_is_neither_kind(tmp_path):
    (tmp_path / "notes.pth").write_text("some notes on the runs of this week")
    with pytest.raises(
        ApcliError, match=r"notes\.pth is neither a PyTorch file nor a complete safetensors file \(its header"
    ):
        read(tmp_path / "notes.pth")


def test_find_takes_the_suffix_or_leaves_it(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "runs").mkdir()
    saved(tmp_path / "runs" / "net.lowest-0.3.safetensors")
    for name in ("runs/net.lowest-0.3", "runs/net.lowest-0.3.safetensors", str(tmp_path / "runs/net.lowest-0.3")):
        assert find(name).samefile("runs/net.lowest-0.3.safetensors")
    (tmp_path / "plain").write_bytes(b"x")
    assert find("plain") == Path("plain")
    for name, words in (("runs/", "is a folder"), ("other", "no file other ")):
        with pytest.raises(UsageError, match=words):
            find(name)


def child(folder: Path, base: Checkpoint, name: str = "child") -> Checkpoint:
    lineage = Lineage.EMPTY.then(
        "prune", {}, parent=base.link(folder), dense=base.dense_link(folder), pruned={"fc.weight": PROMISE}
    )
    write(folder / f"{name}.safetensors", dict(base.entries), lineage)
    return read(folder / f"{name}.safetensors")


def test_the_dense_ancestor_is_found_checked_and_handed_on(tmp_path):
    for folder in ("a", "b/c"):
        (tmp_path / folder).mkdir(parents=True)
    base = read(saved(tmp_path / "a" / "base.safetensors"))
    first = child(tmp_path / "b", base)
    second = child(tmp_path / "b" / "c", first)
    assert second.lineage.dense == Link("../../a/base.safetensors", base.sha256)
    for pruned in (first, second):
        assert dense_ancestor(pruned).sha256 == base.sha256
        assert dense_ancestor(pruned).path.samefile(base.path)
    assert dense_ancestor(base, str(first.path)).sha256 == first.sha256
    with pytest.raises(UsageError, match=r"does not say which dense file.*--dense FILE"):
        dense_ancestor(base)
    with pytest.raises(UsageError, match="no file nowhere"):
        dense_ancestor(first, "nowhere")
    os.rename(base.path, tmp_path / "moved.safetensors")
    with pytest.raises(UsageError, match="is missing: give it with --dense FILE"):
        dense_ancestor(first)
    write(base.path, {"fc.weight": entry([[9.0]])}, TRAINED)
    with pytest.raises(VerificationError, match="SHA-256 differs"):
        dense_ancestor(first)


def test_a_dense_file_of_a_name_that_no_file_can_have_is_missing(tmp_path):
    write(tmp_path / "x.safetensors", {}, TRAINED.then("prune", {}, dense=Link("n" * 300, "0" * 64)))
    with pytest.raises(UsageError, match=r"nnn of .* is missing: give it with --dense FILE"):
        dense_ancestor(read(tmp_path / "x.safetensors"))


def test_a_folder_of_another_name_leads_to_the_same_ancestor(tmp_path):
    """``link`` is another name of ``deep/b``: beside it there is no ``a``."""
    for folder in ("deep/a", "deep/b"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "link").symlink_to(tmp_path / "deep" / "b")
    base = read(saved(tmp_path / "deep" / "a" / "base.safetensors"))
    child(tmp_path / "deep" / "b", base)
    assert dense_ancestor(read(tmp_path / "link" / "child.safetensors")).sha256 == base.sha256
    other = child(tmp_path / "link", base, "other")
    assert other.lineage.dense.path == "../a/base.safetensors"
    assert dense_ancestor(other).sha256 == base.sha256
    assert relative(tmp_path / "link" / "x", tmp_path / "deep") == "b/x"


def test_paths_and_open_checkpoints_are_taken_in_any_nesting(tmp_path):
    path = saved(tmp_path / "net.safetensors")
    found = opened([path, [str(tmp_path / "net"), read(path)]])
    assert [checkpoint.path for checkpoint in found] == [path] * 3
    with pytest.raises(UsageError, match="no checkpoint is given: expected at least one"):
        opened([[]])
    with pytest.raises(UsageError, match="a checkpoint is 3: expected a path, or a Checkpoint"):
        opened([3])


# ---- PyTorch files


@pytest.fixture
def averaged(tmp_path: Path) -> Path:
    """A training checkpoint with an average of the weights beside them."""
    state = {"fc.weight": torch.tensor([[0.0, 0.0], [2.0, 3.0]])}
    torch.save({"state_dict": state, "state_dict_ema": {"fc.weight": -state["fc.weight"]}}, tmp_path / "net.pth")
    return tmp_path / "net.pth"


def test_a_pytorch_file_is_a_checkpoint_without_a_lineage(averaged):
    found = read(averaged)
    assert found.entries["fc.weight"].values.tolist() == [[0, 0], [2, 3]]
    assert not found.lineage.is_known
    assert found.sha256 == hashlib.sha256(averaged.read_bytes()).hexdigest()
    assert opened([averaged], "state_dict_ema")[0].entries["fc.weight"].values[1, 1] == -3


def test_a_result_leads_back_to_the_member_that_it_was_made_of(averaged, tmp_path):
    for key in (None, "state_dict_ema"):
        base = read(averaged, key)
        made = child(tmp_path, base, f"of-{key}")
        assert made.lineage.parent == made.lineage.dense == Link("net.pth", base.sha256, key=key)
        assert dense_ancestor(made).entries["fc.weight"].values.tolist() == base.entries["fc.weight"].values.tolist()
    assert "key" not in read(tmp_path / "of-None.safetensors").lineage.to_json()["parent"]
    given = dense_ancestor(made, str(averaged), "state_dict_ema")
    assert given.entries["fc.weight"].values[1, 1] == -3


def test_a_key_for_a_file_of_one_set_is_said_to_do_nothing(tmp_path, caplog):
    caplog.set_level("INFO", "apcli")
    read(saved(tmp_path / "net.safetensors"), "state_dict_ema")
    assert "net.safetensors holds one set of tensors: --weights-key state_dict_ema is for PyTorch files" in caplog.text
