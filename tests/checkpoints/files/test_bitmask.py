"""Packed tensors come back bit for bit, and damaged ones are refused."""

from dataclasses import replace

import numpy as np
import pytest
import small_files
from safetensors.numpy import load_file, save_file

from apcli.checkpoints.files import bitmask
from apcli.checkpoints.files import entries as entries_module
from apcli.checkpoints.files.entries import BITS, FLOATS, Entry
from apcli.checkpoints.lineage import Lineage
from apcli.checkpoints.reading import read
from apcli.checkpoints.writing import write
from apcli.errors import ApcliError

PLAIN = Lineage.EMPTY.then("train", {})


def sparse(size, dtype="F32", share=0.9, shape=None):
    draw = np.random.default_rng(size)
    bits = draw.integers(1, 1 << 14, size).astype(BITS[dtype])
    bits[draw.random(size) < share] = 0
    if size:
        bits[0] = 1 << (8 * bits.itemsize - 1)  # -0.0
    return Entry(dtype, shape or (size,), bits.view(np.uint8))


def same(first, second):
    assert first.keys() == second.keys()
    for name, entry in first.items():
        assert (entry.dtype, entry.shape) == (second[name].dtype, second[name].shape)
        assert bytes(entry.data) == bytes(second[name].data)


@pytest.mark.parametrize("block", [8, 1 << 20])
@pytest.mark.parametrize("dtype", FLOATS)
def test_round_trip(dtype, block, tmp_path, monkeypatch):
    for module in (bitmask, entries_module):
        monkeypatch.setattr(module, "BLOCK", block)
    given = {f"w{size}": sparse(size, dtype) for size in (0, 1, 7, 8, 9, 64, 203)}
    given["dense"] = sparse(50, dtype, 0.0)
    given["matrix"] = sparse(60, dtype, shape=(3, 4, 5))
    given["count"] = Entry("I64", (), np.array([3]).view(np.uint8))
    write(tmp_path / "a.safetensors", given, PLAIN, packed=True)
    found = read(tmp_path / "a.safetensors")
    same(given, dict(sorted(found.entries.items(), key=lambda item: list(given).index(item[0]))))
    write(tmp_path / "b.safetensors", given, PLAIN)
    assert list(found.entries) == list(read(tmp_path / "b.safetensors").entries)  # or it could not come back the same
    assert {"w203", "matrix"} <= found.lineage.storage.keys()
    assert not {"dense", "count", "w0"} & found.lineage.storage.keys()
    assert found.entries["w203"].bits_of(3, 50).tolist() == given["w203"].bits[3:50].tolist()


def test_ninety_percent_of_zeros_is_7_6_times_smaller():
    size = 100_000
    bits = np.zeros(size, np.uint32)
    bits[::10] = 7
    found, _ = bitmask.packed({"w": Entry("F32", (size,), bits.view(np.uint8))})
    assert 4 * size / sum(entry.nbytes for entry in found.values()) == pytest.approx(7.6, abs=0.05)


def test_a_name_that_is_taken_stays_dense():
    given = {
        "x": sparse(99),
        "x.bitmask": sparse(99),
        "y": sparse(99),
        "y.values": Entry("U8", (0,), np.empty(0, "u1")),
    }
    found, storage = bitmask.packed(given)
    assert storage.keys() == {"x.bitmask"}
    same(given, {name: bitmask.unpacked(found, storage, "f")[name] for name in given})


@pytest.mark.parametrize("shape", [[-1, -99], [99.0], ["99"], [True], [10**30], [2**62, 4], [0], None])
def test_a_shape_that_the_parts_do_not_have_is_refused_when_read(tmp_path, shape):
    """Also one whose product wraps round to a small number in machine integers; nothing is allocated for it."""
    write(tmp_path / "a.safetensors", {"w": sparse(99)}, PLAIN, packed=True)
    lineage = read(tmp_path / "a.safetensors").lineage
    lineage = replace(lineage, storage={"w": {**lineage.storage["w"], "shape": shape}})
    parts = load_file(tmp_path / "a.safetensors")
    save_file(parts, tmp_path / "b.safetensors", {"apcli": lineage.to_text()})
    with pytest.raises(ApcliError, match=r"is damaged|no valid 'storage'") as caught:
        read(tmp_path / "b.safetensors")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("damage", ["count", "mask", "values", "beyond", "int", "shape"])
def test_damage_is_refused(damage):
    found, storage = bitmask.packed({"w": sparse(99)})
    mask, values = found["w.bitmask"], found["w.values"]
    if damage == "count":
        found["w.values"] = Entry("F32", (values.size - 1,), values.data[4:])
    elif damage in ("mask", "values"):
        del found["w.bitmask" if damage == "mask" else "w.values"]
    elif damage == "beyond":  # as many bits as values, but one of them lies after the last weight
        bits = np.unpackbits(mask.data)
        bits[0], bits[-1] = 0, 1
        found["w.bitmask"] = Entry("U8", mask.shape, np.packbits(bits))
    elif damage == "int":
        storage["w"]["dtype"] = "I32"
    else:
        storage["w"]["shape"] = [999]
    with pytest.raises(ApcliError, match=r"^f.* make the file again$"):
        bitmask.unpacked(found, storage, "f")


@pytest.mark.parametrize("shape", [[0, 2**62], [2**70, 0], [1] * 100])
def test_a_shape_that_no_array_can_have_is_refused(shape):
    """Its parts fit: it has no elements, or one."""
    size = int(0 not in shape)
    parts = {"w.bitmask": Entry("U8", (size,), np.full(size, 128, "u1")), "w.values": small_files.entry([1.0] * size)}
    with pytest.raises(ApcliError, match="make the file again"):
        bitmask.unpacked(parts, {"w": {"dtype": "F32", "shape": shape}}, "f")
