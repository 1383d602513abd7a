"""Every type of the format, and types that are still to come: read, and written again byte for byte."""

import json
import struct
from pathlib import Path

import numpy as np
import pytest
from safetensors import safe_open

from apcli.checkpoints.files import entries as entries_module
from apcli.checkpoints.files.safetensors_files import _WIDTHS, opened, write_file
from apcli.errors import ApcliError

FUTURE = "F2_E1M0"


def file_of(path: Path, tensors: dict[str, tuple[str, list[int], bytes]], **header: object) -> Path:
    """A file of these types, shapes and bytes, made by hand; ``header`` replaces what it says of a tensor."""
    said, data = {}, b""
    for name, (dtype, shape, own) in tensors.items():
        said[name] = {"dtype": dtype, "shape": shape, "data_offsets": [len(data), len(data) + len(own)]}
        data += own
    text = json.dumps({**said, **header}).encode()
    text += b" " * (-len(text) % 8)
    path.write_bytes(struct.pack("<Q", len(text)) + text + data)
    return path


def of_every_type() -> dict[str, tuple[str, list[int], bytes]]:
    draw = np.random.default_rng(0)
    made = {dtype: (dtype, [6, 4], draw.bytes(24 * bits // 8)) for dtype, bits in _WIDTHS.items()}
    # Floats are drawn as numbers: NaN and Inf are another test's.
    for dtype, kind in (("F64", "f8"), ("F32", "f4"), ("F16", "f2")):
        made[dtype] = (dtype, [6, 4], draw.standard_normal(24).astype(kind).tobytes())
    made["BF16"] = ("BF16", [6, 4], (draw.standard_normal(24).astype("f4").view("u4") >> 16).astype("u2").tobytes())
    return {f"{dtype.lower()}.weight": tensor for dtype, tensor in made.items()}


def test_the_library_knows_the_same_types(tmp_path):
    with (
        pytest.raises(Exception, match="unknown variant") as caught,
        safe_open(file_of(tmp_path / "a", {"a": (FUTURE, [8], b"ab")}), "numpy"),
    ):
        pass
    words = str(caught.value).split("expected one of ")[1]
    assert {word.strip("`") for word in words.split(" at line")[0].split(", ")} <= set(_WIDTHS)


@pytest.mark.parametrize("block", [8, 1 << 20])
@pytest.mark.parametrize("future", [False, True])
def test_what_is_read_is_written_again(tmp_path, block, future, monkeypatch):
    monkeypatch.setattr(entries_module, "BLOCK", block)
    tensors = of_every_type()
    if future:
        tensors["future.weight"] = (FUTURE, [5, 8], bytes(range(10)))
    tensors["empty"] = ("F4", [0, 3], b"")
    metadata, found = opened(file_of(tmp_path / "a", tensors), "a")
    write_file(tmp_path / "b", found, {"k": "v"})
    metadata, again = opened(tmp_path / "b", "b")
    assert metadata == {"k": "v"}
    assert {name: (e.dtype, list(e.shape), bytes(e.data)) for name, e in again.items()} == tensors
    assert again["f4.weight"].size == 24


@pytest.mark.parametrize(
    "tensors, header, words",
    [
        ({"a": (FUTURE, [8], b"ab")}, {"a": {"dtype": FUTURE, "shape": [8], "data_offsets": [0, 3]}}, "take 3 bytes"),
        ({"a": (FUTURE, [8], b"ab"), "b": ("F32", [2], b"abcd")}, {}, "tensor b of 2 F32 has 4 bytes"),
        ({"a": (FUTURE, [8], b"ab")}, {"a": {"dtype": FUTURE, "shape": [8], "data_offsets": [1, 2]}}, "begins at byte"),
        ({"a": (FUTURE, [8], b"ab")}, {"a": {"dtype": FUTURE, "shape": [-8], "data_offsets": [0, 2]}}, "no valid"),
        ({"a": (FUTURE, [8], b"ab")}, {"a": {"dtype": FUTURE, "shape": 8, "data_offsets": [0, 2]}}, "no valid"),
        ({"a": (FUTURE, [8], b"ab")}, {"a": {"dtype": FUTURE, "shape": [8], "data_offsets": [0]}}, "no valid"),
        ({"a": (FUTURE, [8], b"ab")}, {"a": {"dtype": FUTURE, "shape": [8], "data_offsets": ["0", 2]}}, "no valid"),
        ({"a": (FUTURE, [8], b"ab")}, {"__metadata__": {"k": 1}}, "metadata"),
    ],
)
def test_a_damaged_file_of_a_newer_type_is_refused(tmp_path, tensors, header, words):
    path = file_of(tmp_path / "a", tensors, **header)
    with pytest.raises(ApcliError, match=f"a is not a complete safetensors file .*{words}"):
        opened(path, "a")
