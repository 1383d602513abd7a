"""Safetensors files: checked and opened to be read by parts, and written in a fixed byte order.

The format is an eight-byte little-endian header length, a JSON header, then the tensors' bytes
(huggingface/safetensors, ``README.md``, Format). Files are read here to get the bits of any type (NumPy has no BF16),
a block at a time, and because the library maps them into memory, where a file that is shortened ends the process. They
are written here because the library's bytes are reproducible only with a single metadata key, and to write blocks in
parallel.
"""

import json
import math
import os
import struct
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeGuard

from apcli.checkpoints.files import kinds
from apcli.checkpoints.files.entries import Entry, Stored, is_shape, on_all_cores
from apcli.checkpoints.files.open_files import OpenFile
from apcli.errors import ApcliError, UsageError
from apcli.words import by, shown

_LONGEST = 100_000_000  # bytes of a header: the library's own limit
_LARGEST = 2**63 - 1  # a size or a place

# Bits per element of every type of the format, as of version 0.8 of the library.
_WIDTHS = {
    **{"F4": 4, "F6_E2M3": 6, "F6_E3M2": 6},
    **dict.fromkeys(("BOOL", "U8", "I8", "F8_E5M2", "F8_E4M3", "F8_E8M0", "F8_E4M3FNUZ", "F8_E5M2FNUZ"), 8),
    **dict.fromkeys(("I16", "U16", "F16", "BF16"), 16),
    **dict.fromkeys(("I32", "U32", "F32"), 32),
    **dict.fromkeys(("C64", "F64", "I64", "U64"), 64),
}


@dataclass(frozen=True)
class Header:
    """A file's metadata, its tensors in the order of their bytes, and how many bytes these are.

    Each tensor has the name of its type, its shape, and where its bytes begin and end after the header.
    """

    metadata: Mapping[str, str]
    tensors: Mapping[str, tuple[str, tuple[int, ...], int, int]]
    nbytes: int


def opened(path: Path, label: str, file: OpenFile | None = None) -> tuple[Mapping[str, Any], dict[str, Entry]]:
    """Open a file: its metadata, and its tensors in the file's order; ``label`` names it in messages.

    Args:
        file: it, if it is open already.

    Raises:
        UsageError: the file holds records.
        ApcliError: it is not a complete safetensors file.
    """
    file = file or OpenFile(path, label)
    try:
        length = length_of(file.read(0, min(8, file.size)).tobytes())
        if 8 + length > file.size:
            raise ValueError(f"its header has {length} bytes, and the file {file.size}")
        header = parsed(file.read(8, length).tobytes())
        begin = 8 + length
        if begin + header.nbytes != file.size:
            raise ValueError(f"its tensors take {header.nbytes} bytes, and {file.size - begin} are there")
    except ValueError as error:
        if file.size >= 2 and file.read(0, 2).tobytes() == b'{"':
            raise UsageError(
                f"{label} holds records where a checkpoint was expected: give records to `apcli report`"
            ) from None
        kind = "neither a PyTorch file nor" if path.name.endswith(kinds.PICKLED) else "not"
        raise ApcliError(
            f"{label} is {kind} a complete safetensors file ({error}): expected a file that safetensors or torch.load "
            "reads"
        ) from None
    entries: dict[str, Entry] = {
        name: Stored(dtype, shape, file, begin + start, begin + stop)
        for name, (dtype, shape, start, stop) in header.tensors.items()
    }
    return header.metadata, entries


def length_of(head: bytes) -> int:
    """The length of a header, which a file's first eight bytes give.

    Raises:
        ValueError: they are fewer, or the length is beyond the library's own limit.
    """
    if len(head) < 8:
        raise ValueError(f"it has {len(head)} bytes")
    (length,) = struct.unpack("<Q", head)
    if length > _LONGEST:
        raise ValueError(f"its header would have {length} bytes")
    return int(length)


def parsed(text: bytes) -> Header:
    """Read a header, from a file that anyone may have made, as strictly as the format is defined.

    A type that is not known is one of a later version of the format: such tensors are copied, never interpreted.

    Raises:
        ValueError: it is none; the message is the reason.
    """
    try:
        members = json.loads(text.decode(), object_pairs_hook=_once, parse_constant=_refused)
    except UnicodeDecodeError:
        raise ValueError("its header is no UTF-8") from None
    except RecursionError:
        raise ValueError("its header is too deep") from None
    except json.JSONDecodeError as error:
        raise ValueError(f"its header is no JSON: {error}") from None
    if not isinstance(members, dict):
        raise ValueError("its header is no JSON object")
    metadata = members.pop("__metadata__", None)
    metadata = {} if metadata is None else metadata
    if not isinstance(metadata, dict) or not all(isinstance(value, str) for value in metadata.values()):
        raise ValueError("its metadata are not texts by name")
    _check_text([*members, *metadata, *metadata.values()])
    tensors, end = {}, 0
    for name, tensor in sorted(((name, _tensor(name, said)) for name, said in members.items()), key=_place):
        _, _, start, stop = tensor
        if start != end:
            raise ValueError(f"tensor {shown(name)} begins at byte {start}, and the one before it ends at {end}")
        tensors[name], end = tensor, stop
    return Header(metadata, tensors, end)


def _tensor(name: str, said: object) -> tuple[str, tuple[int, ...], int, int]:
    """A tensor's type, shape and place, as a header says them."""
    if not isinstance(said, dict):
        raise ValueError(f"tensor {shown(name)} is no JSON object")
    dtype, shape, place = said.get("dtype"), said.get("shape"), said.get("data_offsets")
    if not isinstance(dtype, str) or not _are_counts(shape) or not _are_counts(place) or len(place) != 2:
        raise ValueError(f"tensor {shown(name)} has no valid dtype, shape and data_offsets")
    if not is_shape(shape):
        raise ValueError(f"tensor {shown(name)} has a shape that no array can have")
    start, stop = place
    bits = _WIDTHS.get(dtype)
    if stop < start or (bits is not None and math.prod(shape) * bits != 8 * (stop - start)):
        raise ValueError(f"tensor {shown(name)} of {by(shape) or 'one'} {shown(dtype)} has {stop - start} bytes")
    return dtype, tuple(shape), start, stop


def _place(named: tuple[str, tuple[str, tuple[int, ...], int, int]]) -> tuple[int, int]:
    return named[1][2:]


def _are_counts(value: object) -> TypeGuard[list[int]]:
    return isinstance(value, list) and all(type(number) is int and 0 <= number <= _LARGEST for number in value)


def _once(pairs: list[tuple[str, object]]) -> dict[str, object]:
    """The object of these members; the format forbids to name one twice, of which other readers take another one."""
    members = dict(pairs)
    if len(members) < len(pairs):
        twice = next(name for name, count in Counter(name for name, _ in pairs).items() if count > 1)
        raise ValueError(f"its header names {shown(twice)} twice")
    return members


def _refused(constant: str) -> None:
    raise ValueError(f"its header holds {constant}, which is no JSON")


def _check_text(texts: Iterable[str]) -> None:
    """Raise ValueError if a text has no UTF-8, as a lone half of a surrogate pair."""
    try:
        "".join(texts).encode()
    except UnicodeEncodeError as error:
        raise ValueError(f"its header holds {error.object[error.start]!a}, which is no text") from None


def write_file(
    path: Path,
    entries: Mapping[str, Entry],
    metadata: Mapping[str, str],
    finish: Callable[[], Mapping[str, str]] | None = None,
) -> None:
    """Write a file: the same tensors in the same order give the same bytes.

    Args:
        finish: called after the tensors are written; returns the final metadata, of the same length in bytes.
    """
    # Wide elements first keeps every tensor aligned; the sort is stable and so keeps the model's order within a width.
    ordered = sorted(entries.items(), key=lambda item: -item[1].width)
    places, header, offset = {}, {}, 0
    for name, entry in ordered:
        places[name] = offset
        header[name] = {"dtype": entry.dtype, "shape": entry.shape, "data_offsets": [offset, offset + entry.nbytes]}
        offset += entry.nbytes
    head = _head(metadata, header)
    with path.open("wb") as file:
        _write_blocks(file.fileno(), len(head), [(entry, places[name]) for name, entry in ordered])
        finished = head if finish is None else _head(finish(), header)
        assert len(finished) == len(head)
        file.write(finished)


def _head(metadata: Mapping[str, str], tensors: Mapping[str, Any]) -> bytes:
    text = json.dumps({"__metadata__": metadata, **tensors}, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    return struct.pack("<Q", len(text)) + text


def _write_blocks(file: int, begin: int, entries: Sequence[tuple[Entry, int]]) -> None:
    """Write every tensor at its offset; blocks are computed and written on all cores."""

    def put(task: tuple[Entry, int, int, int]) -> None:
        entry, place, start, stop = task
        left, at = entry.bytes_of(start, stop).data, begin + place + start * entry.unit
        while left:
            written = os.pwrite(file, left, at)
            left, at = left[written:], at + written

    tasks = ((entry, place, start, stop) for entry, place in entries for start, stop in entry.blocks())
    for _ in on_all_cores(put, tasks):
        pass
