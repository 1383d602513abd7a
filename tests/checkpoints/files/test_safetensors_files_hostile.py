"""Safetensors files of strangers: what is refused, in how much memory, and that the library takes and refuses the same.

The library (huggingface/safetensors) is the oracle: what it reads, and how, is what anyone else will read.
"""

import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import hostile_files
import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from safetensors import SafetensorError, deserialize

from apcli.checkpoints.files.entries import is_shape
from apcli.checkpoints.files.safetensors_files import length_of, opened, parsed
from apcli.checkpoints.reading import read
from apcli.errors import ApcliError

# The library reads the last of one name, 1e6 extents, and shapes without elements that no array can have.
STRICTER = {"one name twice", "a shape that is of too many dimensions", "no elements, in too large a shape"}
LATER = {"a type to come"}  # the library refuses types that it does not know


Tensors = dict[str, tuple[str, tuple[int, ...], bytes]]


def theirs(file: bytes) -> Tensors | None:
    """What the library reads; None if it refuses the file."""
    try:
        return {name: (one["dtype"], tuple(one["shape"]), bytes(one["data"])) for name, one in deserialize(file)}
    except SafetensorError:
        return None


@pytest.mark.parametrize("name", hostile_files.SAFETENSORS)
def test_a_file_that_is_wrong_is_refused_in_one_line_and_little_memory(tmp_path, name):
    path, content = tmp_path / "x.safetensors", hostile_files.SAFETENSORS[name]
    path.write_bytes(content)
    tracemalloc.start()
    with pytest.raises(ApcliError, match="is not a complete safetensors file") as error:
        read(path)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(str(error.value)) < 1000
    assert most < 40 * len(content) + (1 << 20)
    assert (theirs(content) is not None) == (name in STRICTER)


@pytest.mark.parametrize("name", hostile_files.ODD)
def test_a_file_that_is_odd_is_read_as_the_library_reads_it(tmp_path, name):
    path, content = tmp_path / "x.safetensors", hostile_files.ODD[name]
    path.write_bytes(content)
    entries = read(path).entries
    if name in LATER:
        assert theirs(content) is None
        assert [entry.data.size for entry in entries.values()] == [8]
        return
    assert {name: (e.dtype, e.shape, e.data.tobytes()) for name, e in entries.items()} == theirs(content)


# ---- any header

names = st.text(max_size=3) | st.sampled_from(["w", "__metadata__", "\0", "../x"])
numbers = st.integers(-1, 20) | st.sampled_from([2**31, 2**62, 2**63 - 1, 2**63, 2**64]) | st.floats() | st.booleans()
anything = st.none() | numbers | names | st.lists(numbers, max_size=2)
tensors = st.fixed_dictionaries(
    {
        "dtype": st.sampled_from(["F32", "F16", "BF16", "U8", "I64", "BOOL", "F4", "F6_E2M3", "F8_E4M3"]) | anything,
        "shape": st.lists(st.integers(0, 4) | numbers, max_size=3) | anything,
        "data_offsets": st.lists(st.integers(0, 16) | numbers, min_size=1, max_size=3) | anything,
    },
    optional={"more": anything},
)
headers = st.dictionaries(names, tensors | anything, max_size=3)


@st.composite
def laid_out(draw: st.DrawFn) -> tuple[dict[str, object], bytes]:
    """A header whose tensors follow one another, as they must, and their bytes."""
    header: dict[str, Any] = {}
    end = 0
    for name in draw(st.lists(names.filter(lambda name: name != "__metadata__"), unique=True, max_size=3)):
        dtype, width = draw(st.sampled_from([("F64", 8), ("F32", 4), ("BF16", 2), ("U8", 1)]))
        shape = draw(st.lists(st.integers(0, 3), max_size=3))
        stop = end + int(np.prod(shape, dtype=int)) * width
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [end, stop]}
        end = stop
    if draw(st.booleans()):
        header["__metadata__"] = draw(st.dictionaries(names, names, max_size=2))
    return header, draw(st.binary(min_size=end, max_size=end))


def verdict(path: Path) -> Tensors | None:
    try:
        return {name: (e.dtype, e.shape, e.data.tobytes()) for name, e in opened(path, "x")[1].items()}
    except ApcliError:
        return None


KNOWN = {"F4", "F6_E2M3", "F8_E4M3", "F64", "F32", "F16", "BF16", "U8", "I64", "BOOL"}


def knows_only(header: dict[str, Any]) -> bool:
    """Whether all types are the library's."""
    types = (value.get("dtype") for value in header.values() if isinstance(value, dict))
    return all(not isinstance(kind, str) or kind in KNOWN for kind in types)


def makes_arrays(header: dict[str, Any]) -> bool:
    """Whether all shapes are those of arrays, if they are shapes."""
    shapes = [value.get("shape") for value in header.values() if isinstance(value, dict)]
    return all(is_shape(s) for s in shapes if isinstance(s, list) and all(type(size) is int for size in s))


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    return tmp_path_factory.mktemp("any") / "x.safetensors"


@pytest.mark.slow
@given(laid_out(), st.binary(max_size=2))
def test_what_the_library_reads_is_read_alike(place, made, more):
    header, data = made
    file = hostile_files.file_of(header, data + more)
    place.write_bytes(file)
    assert verdict(place) == theirs(file)
    assert (theirs(file) is None) == bool(more)


@pytest.mark.slow
@given(headers.filter(knows_only).filter(makes_arrays), st.binary(max_size=16))
@example({"w": {"dtype": "F4", "shape": [3], "data_offsets": [0, 1]}}, b"1")
def test_any_header_has_the_librarys_verdict(place, header, data):
    file = hostile_files.file_of(header, data)
    place.write_bytes(file)
    assert verdict(place) == theirs(file)


def reason(use: Callable[[bytes], object], text: bytes) -> str:
    try:
        use(text)
    except ValueError as error:
        return str(error)
    return "none"


@given(st.binary(max_size=64) | st.text(max_size=64).map(str.encode))
def test_any_bytes_are_a_header_or_there_is_a_reason(text):
    assert reason(parsed, text)
    assert reason(length_of, text[:8])
