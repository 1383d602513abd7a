"""The file: written bytes against the safetensors library, and every way a file can be damaged or a write can fail."""

import hashlib
import json
import os
import struct
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from apcli.checkpoints.checkpoint import Checkpoint, relative
from apcli.checkpoints.files.entries import FLOATS, Entry
from apcli.checkpoints.lineage import Lineage
from apcli.checkpoints.promises import Link, Promise
from apcli.checkpoints.reading import dense_ancestor, find, read
from apcli.checkpoints.verification import verify_zeros
from apcli.checkpoints.writing import write
from apcli.errors import ApcliError, UsageError, VerificationError

PLAIN = Lineage.EMPTY.then("train", {})
PROMISE = Promise(2, 4, "lowest", "layer", 0, 0.5)


def entry(values: Any, dtype: str = "F32") -> Entry:
    array = np.asarray(values, FLOATS[dtype])
    return Entry(dtype, array.shape, array.reshape(-1).view(np.uint8))


def raw(header: Any, data: bytes = b"", length: int | None = None) -> bytes:
    head = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(head) if length is None else length) + head + data


def saved(path: Path) -> Path:
    """A small file with a lineage."""
    write(path, {"fc.weight": entry([[1, 0], [0, 2]]), "fc.bias": entry([3, 4], "F64")}, PLAIN)
    return path


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
    write(path, read(tmp_path / "theirs.safetensors").entries, PLAIN)
    ours = load_file(path)
    assert ours.keys() == state.keys()
    assert all(torch.equal(ours[name], state[name]) and ours[name].dtype == state[name].dtype for name in state)
    with safe_open(path, framework="pt") as file:
        metadata = file.metadata()
    assert metadata.keys() == {"format", "apcli"}
    assert metadata["format"] == "pt"
    assert json.loads(metadata["apcli"]) == PLAIN.to_json()
    found = read(path)
    assert found.lineage == PLAIN
    assert found.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert leftovers(tmp_path) == ["net.safetensors", "theirs.safetensors"]


def test_tensors_are_aligned_and_keep_their_order_within_a_width(tmp_path):
    entries = {f"t{i}": entry(np.ones(i + 1), dtype) for i, dtype in enumerate(["F16", "F32", "F64", "F32"])}
    path = tmp_path / "net.safetensors"
    write(path, entries, PLAIN)
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


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.float16, torch.bfloat16], ids=str)
def test_values_bits_and_zeros(tmp_path, dtype):
    tensor = torch.tensor([[0.0, -0.0, 1.5], [-2.0, 3e-5, 0.0]], dtype=dtype)
    save_file({"t": tensor, "whole": torch.zeros(2, dtype=torch.int64)}, tmp_path / "t.safetensors")
    found = read(tmp_path / "t.safetensors")
    assert np.array_equal(found.entries["t"].values, tensor.double().numpy())
    assert (found.entries["t"].zeros, found.entries["t"].size, found.entries["t"].width) == (3, 6, tensor.itemsize)
    assert found.entries["t"].bits.tobytes() == tensor.view(torch.uint8).numpy().tobytes()
    assert found.entries["t"].is_float
    assert not found.entries["whole"].is_float
    before = (tmp_path / "t.safetensors").read_bytes()
    with suppress(ValueError):  # read-only, or a copy
        found.entries["t"].values[...] = 1
    assert (tmp_path / "t.safetensors").read_bytes() == before
    assert found.entries["t"].zeros == 3


@pytest.mark.parametrize("dtype", list(FLOATS))
def test_a_tensor_of_nothing(dtype):
    empty = Entry(dtype, (0, 3), np.empty(0, np.uint8))
    assert (empty.size, empty.zeros, empty.values.shape, empty.bits.size) == (0, 0, (0, 3), 0)


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
        with pytest.raises(ApcliError, match="not a complete safetensors file"):
            read(path)


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


def resident(path: Path) -> int:
    """The kilobytes of a mapped file that this process holds in memory."""
    text = Path("/proc/self/smaps").read_text()
    kilobytes, inside = 0, False
    for line in text.splitlines():
        if "-" in line.split(" ", 1)[0]:
            inside = line.endswith(str(path))
        elif inside and line.startswith("Rss:"):
            kilobytes += int(line.split()[1])
    return kilobytes


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.float16, torch.bfloat16], ids=str)
def test_runs_are_all_the_elements_in_order(tmp_path, monkeypatch, dtype):
    monkeypatch.setattr("apcli.checkpoints.files.entries.BLOCK", 7)
    tensor = ((torch.arange(45) - 22) / 8).to(dtype).reshape(5, 9)
    save_file({"a": torch.ones(3, dtype=torch.uint8), "w": tensor}, tmp_path / "x.safetensors")
    entry = read(tmp_path / "x.safetensors").entries["w"]
    runs = [run.copy() for run in entry.runs()]
    assert [run.size for run in runs] == [7, 7, 7, 7, 7, 7, 3]
    assert np.array_equal(np.concatenate(runs).astype(np.float64), tensor.double().numpy().ravel())
    assert np.array_equal(entry.run(40, 45).astype(np.float64), tensor.double().numpy().ravel()[40:])
    assert entry.zeros == 1
    assert entry.not_finite == 0


@pytest.mark.skipif(not Path("/proc/self/smaps").exists(), reason="the system does not say what a process holds")
def test_a_file_of_any_size_is_counted_in_the_memory_of_a_few_blocks(tmp_path):
    path = tmp_path / "x.safetensors"
    weight = torch.ones(1 << 23)
    weight[5::1000] = 0
    save_file({"w": weight}, path)
    entry = read(path).entries["w"]
    held = [resident(path) for run in entry.runs() if float(run.sum())]
    assert len(held) == 8
    assert max(held) < 3 * 4096  # a block is 4 MiB of these
    assert resident(path) < 4096
    assert entry.zeros == len(range(5, 1 << 23, 1000))
    assert float(entry.values[5::1000].sum()) == 0  # what was let go is there again
    entry.release(0, entry.size)
    assert resident(path) < 64
    assert float(entry.run(0, 4).sum()) == 4


def test_nan_and_inf_are_named(tmp_path):
    good = torch.ones(2, 2)
    for bad in (float("nan"), float("inf"), float("-inf")):
        for dtype in (torch.float64, torch.float32, torch.float16, torch.bfloat16):
            save_file({"good": good, "bad": (good * bad).to(dtype)}, tmp_path / "t.safetensors")
            found = read(tmp_path / "t.safetensors")
            found.check_finite(["good"])
            with pytest.raises(ApcliError, match=r"t\.safetensors: tensor bad holds 4 NaN or Inf"):
                found.check_finite(["good", "bad"])


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
        write(tmp_path / place, {"t": entry([1.0])}, PLAIN)
    assert type(caught.value) is ApcliError
    assert leftovers(tmp_path) == ["file", "folder"]


def test_links_are_relative_to_where_they_are_kept(tmp_path):
    (tmp_path / "a").mkdir()
    base = read(saved(tmp_path / "a" / "base.safetensors"))
    assert base.link(tmp_path / "b" / "c") == Link("../../a/base.safetensors", base.sha256)
    assert base.dense_link(tmp_path) == base.link(tmp_path) == Link("a/base.safetensors", base.sha256)
    piped = read(base.path, nameless=True)
    assert piped.link(tmp_path) == Link(None, base.sha256)
    assert (piped.label, piped.stem, base.stem) == ("standard input", "stdin", "base")


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
    write(base.path, {"fc.weight": entry([[9.0]])}, PLAIN)
    with pytest.raises(VerificationError, match="SHA-256 differs"):
        dense_ancestor(first)


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
