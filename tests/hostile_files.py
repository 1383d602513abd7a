"""Files as somebody would make them to crash, fill or take over whoever reads them. Each is made by code, by name."""

import json
import struct
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from apcli.records.divergence import DivergenceRecord

MARKED = "<script>alert(1)</script>\x1b]0;owned\x07\x1b[2J\r\n\u202e\x9b31m"  # a page's and a terminal's commands
LONG = "x" * 1_000_000
DEEP = "[" * 100_000 + "]" * 100_000
PLACES = ("../../outside", "/tmp/outside", "a/../../outside", "C:\\outside", "~/outside", "\0")


def file_of(header: object, data: bytes = b"", length: int | None = None) -> bytes:
    """The bytes of a safetensors file: a header (an object, or its text) of any claimed length, and data."""
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text) if length is None else length) + text + data


def tensor(shape: list[Any], *place: Any, dtype: Any = "F32") -> dict[str, Any]:
    return {"dtype": dtype, "shape": shape, "data_offsets": list(place)}


W = tensor([2], 0, 8)
SHAPES = {
    "overflows": [2**32, 2**32],
    "overflows to its bytes": [2**62, 4, 2],
    "overflows, with a zero": [2**62, 2**62, 0],
    "of a huge extent and a zero": [2**70, 0],
    "negative": [-2],
    "of a float": [2.0],
    "of a boolean": [True, 2],
    "of text": ["2"],
    "of a list": [[2]],
    "of another number of elements": [3],
    "of too many dimensions": [1] * 100_000 + [2],
}
OFFSETS = {
    "reversed": [8, 0],
    "negative": [-8, 0],
    "beyond the end": [0, 16],
    "far beyond the end": [2**63, 2**63 + 8],
    "huge": [0, 2**64],
    "after a gap": [4, 12],
    "unaligned": [0, 7],
    "floats": [0.0, 8.0],
    "infinite": [0, float("inf")],
    "one": [8],
    "three": [0, 4, 8],
    "none": [],
    "text": "08",
    "null": None,
    "booleans": [False, 8],
}

# Safetensors files that no reader should take. Eight bytes of data follow where nothing else is said.
SAFETENSORS: dict[str, bytes] = {
    "nothing": b"",
    "seven bytes": b"\0" * 7,
    "a header of length 0": file_of(b""),
    "a header of length 1": file_of(b"{", length=1),
    "a header as long as the largest number": file_of({"w": W}, b"\0" * 8, 2**64 - 1),
    "a header of length 2 to the 63": file_of({"w": W}, b"\0" * 8, 2**63),
    "a header beyond the library's limit": file_of({"w": W}, b"\0" * 8, 100_000_001),
    "a header longer than the file": file_of({"w": W}, b"\0" * 8, 1000),
    "a header one byte longer than the file": file_of({}, length=3),
    "a header that is cut": file_of({"w": W}, b"\0" * 8, 20),
    "a header of spaces": file_of(b" " * 64),
    "a header of zeros": file_of(b"\0" * 64),
    "a header of brackets": file_of(DEEP.encode()),
    "a header of nested objects": file_of(b'{"a":' * 50_000 + b"1" + b"}" * 50_000),
    "a header that is a list": file_of([W], b"\0" * 8),
    "a header that is a number": file_of(1),
    "a header that is null": file_of(None),
    "a header of invalid UTF-8": file_of(b'{"\xff\xfe": ' + json.dumps(W).encode() + b"}", b"\0" * 8),
    "a header in UTF-16": file_of(json.dumps({"w": W}).encode("utf-16"), b"\0" * 8),
    "a header with a byte order mark": file_of(b"\xef\xbb\xbf" + json.dumps({"w": W}).encode(), b"\0" * 8),
    "a header with half a character": file_of(b'{"\\ud800": ' + json.dumps(W).encode() + b"}", b"\0" * 8),
    "a header with NaN": file_of(b'{"w": {"dtype": "F32", "shape": [NaN], "data_offsets": [0, 8]}}', b"\0" * 8),
    "a header with a number of a million digits": file_of(
        b'{"w": {"dtype": "F32", "shape": [' + b"9" * 1_000_000 + b'], "data_offsets": [0, 8]}}', b"\0" * 8
    ),
    "two headers": file_of(json.dumps({"w": W}).encode() * 2, b"\0" * 8),
    "a trailing comma": file_of(b'{"w": ' + json.dumps(W).encode() + b",}", b"\0" * 8),
    "no data": file_of({"w": W}),
    "more data than tensors": file_of({"w": W}, b"\0" * 9),
    "data without tensors": file_of({}, b"\0" * 8),
    "one name twice": file_of(b'{"w": %s, "w": %s}' % ((json.dumps(W).encode(),) * 2), b"\0" * 8),
    "no elements, in too large a shape": file_of({"w": tensor([0, 2**62], 0, 0, dtype="F64")}),
    "a tensor that is a list": file_of({"w": [W]}, b"\0" * 8),
    "a tensor that is text": file_of({"w": "F32"}, b"\0" * 8),
    "a tensor of nothing": file_of({"w": {}}, b"\0" * 8),
    "overlapping tensors": file_of({"a": tensor([2], 0, 8), "b": tensor([2], 4, 12)}, b"\0" * 12),
    "the same bytes for two tensors": file_of({"a": W, "b": W}, b"\0" * 8),
    "metadata of numbers": file_of({"__metadata__": {"a": 1}, "w": W}, b"\0" * 8),
    "metadata that is a list": file_of({"__metadata__": ["a"], "w": W}, b"\0" * 8),
    "metadata that is text": file_of({"__metadata__": "a", "w": W}, b"\0" * 8),
    "metadata twice": file_of(b'{"__metadata__": {}, "__metadata__": {}}'),
    "a type that is a number": file_of({"w": tensor([2], 0, 8, dtype=32)}, b"\0" * 8),
    "a type that is null": file_of({"w": tensor([2], 0, 8, dtype=None)}, b"\0" * 8),
    "commands to the terminal as its name": file_of({MARKED: tensor([3], 0, 8)}, b"\0" * 8),
    "commands to the terminal as its type": file_of({"w": {**W, "dtype": MARKED, "data_offsets": [0, 9]}}, b"\0" * 8),
    "a name of a megabyte": file_of({LONG: tensor([3], 0, 8)}, b"\0" * 8),
    "a type of a megabyte": file_of({"w": {**W, "dtype": LONG, "data_offsets": [0, 9]}}, b"\0" * 8),
    **{f"a shape that is {name}": file_of({"w": tensor(shape, 0, 8)}, b"\0" * 8) for name, shape in SHAPES.items()},
    **{
        f"offsets that are {name}": file_of({"w": {**W, "data_offsets": at}}, b"\0" * 8) for name, at in OFFSETS.items()
    },
}

# Safetensors files that are right, and odd: whoever takes them writes nowhere else, and prints one line at most.
ODD: dict[str, bytes] = {
    "no tensor": file_of({}),
    "an empty name": file_of({"": W}, b"\0" * 8),
    "a name of a megabyte": file_of({f"{LONG}.weight": tensor([2, 1], 0, 8)}, b"\0" * 8),
    "a name that commands": file_of({f"{MARKED}.weight": tensor([2, 1], 0, 8)}, b"\0" * 8),
    **{f"the name {place!r}": file_of({f"{place}.weight": tensor([2, 1], 0, 8)}, b"\0" * 8) for place in PLACES},
    "a type to come": file_of({"w.weight": tensor([2, 1], 0, 8, dtype="F2_NEW")}, b"\0" * 8),
    "no elements": file_of({"w.weight": tensor([0, 3], 0, 0)}),
    "spaces before and after": file_of(b"  " + json.dumps({"w": W}).encode() + b"   ", b"\0" * 8),
    "metadata that command": file_of({"__metadata__": {MARKED: MARKED}, "w.weight": tensor([2, 1], 0, 8)}, b"\0" * 8),
    "metadata that are null": file_of({"__metadata__": None, "w": W}, b"\0" * 8),
}

VALUES: dict[str, Any] = {
    "null": None,
    "a number": 3,
    "a negative number": -1,
    "a huge number": 10**400,
    "a fraction": 0.5,
    "infinity": float("inf"),
    "not a number": float("nan"),
    "text": "text",
    "a command": MARKED,
    "a megabyte": LONG,
    "a place": PLACES[0],
    "code": "planted.py:hit",
    "a module": "os:system",
    "a list": [],
    "a list of lists": [[[]]],
    "an object": {},
    "nested objects": {"a": {"b": {"c": {}}}},
    "true": True,
}


_MISSING = object()


def spoilt(members: Mapping[str, Any], nested: int = 3) -> Iterator[tuple[str, dict[str, Any]]]:
    """Copies of a JSON object with one member replaced by each of ``VALUES`` or left out, ``nested`` levels deep."""
    for path, put in _places(members, nested):
        for name, value in VALUES.items():
            yield f"{path} is {name}", put(value)
        yield f"{path} is missing", put(_MISSING)


def _places(value: Any, nested: int, path: str = "") -> Iterator[tuple[str, Callable[[Any], Any]]]:
    """Each place in nested objects and lists, and the function that returns a copy with another value there."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items if nested else ():
        yield f"{path}{key}", lambda new, key=key: _with(value, key, new)
        for name, put in _places(inner, nested - 1, f"{path}{key}."):
            yield name, lambda new, key=key, put=put: _with(value, key, put(new))


def _with(value: Any, key: Any, new: Any) -> Any:
    copy = dict(value) if isinstance(value, dict) else list(value)
    if new is _MISSING:
        del copy[key]
    else:
        copy[key] = new
    return copy


def _mapping(**placed: Any) -> bytes:
    return json.dumps({"metadata": {}, "weight_map": placed}).encode()


# Indexes of sharded checkpoints.
INDEXES: dict[str, bytes] = {
    "nothing": b"",
    "no JSON": b"{",
    "brackets": DEEP.encode(),
    "a list": b"[]",
    "a number": b"1",
    "no map": b"{}",
    "an empty map": _mapping(),
    "a list as its map": b'{"weight_map": []}',
    "text as its map": b'{"weight_map": "a"}',
    "a shard that is a number": _mapping(a=1),
    "a shard that is null": _mapping(a=None),
    "a shard that is missing": _mapping(a="missing.safetensors"),
    "a shard that is the index": _mapping(a="a.safetensors.index.json"),
    "a shard of another kind": _mapping(a="planted.py"),
    "a shard of a megabyte": _mapping(a=LONG + ".safetensors"),
    "a shard that commands": _mapping(a=f"{MARKED}.safetensors"),
    "a tensor that the file has not": _mapping(a="a.safetensors"),
    "metadata that are a list": b'{"metadata": [1], "weight_map": {"w": "a.safetensors"}}',
    "invalid UTF-8": b'{"weight_map": {"\xff": "a.safetensors"}}',
    "half a character": b'{"weight_map": {"w": "\\ud800.safetensors"}}',
    "a huge number": b'{"weight_map": {"w": "a.safetensors"}, "metadata": {"total_size": ' + b"9" * 10_000 + b"}}",
    **{f"a shard at {place!r}": _mapping(a=f"{place}.safetensors") for place in PLACES},
}

RECORD: dict[str, Any] = json.loads(
    json.dumps(DivergenceRecord(value=0.1, layer="fc", dist="ap2", model="m", data="d", method="lowest").to_json())
)

# Lines that are no records, or none that can be trusted.
LINES: dict[str, bytes] = {
    "brackets": DEEP.encode(),
    "nested objects": b'{"kind": "divergence", "version": 1, "pd": ' + b'{"a":' * 50_000 + b"1" + b"}" * 50_001,
    "a number of a million digits": b'{"kind": "divergence", "version": 1, "value": ' + b"9" * 1_000_000 + b"}",
    "no JSON": b"{",
    "a list": b"[]",
    "no kind": b"{}",
    "a kind that is a list": b'{"kind": []}',
    "a kind of code": b'{"kind": "planted.py:hit", "version": 1}',
    "a version of text": b'{"kind": "divergence", "version": "1"}',
    "a huge version": b'{"kind": "divergence", "version": 1e999}',
    "invalid UTF-8": b'{"kind": "divergence\xff", "version": 1}',
    "zeros": b"\0" * 100,
    "commands to the terminal": f"{MARKED}\n".encode(),
    "a megabyte": LONG.encode(),
}
