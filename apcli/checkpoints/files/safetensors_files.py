"""Safetensors files: opened as memory-mapped NumPy arrays, and written in a fixed byte order.

The format is an eight-byte little-endian header length, a JSON header, then the tensors' bytes
(huggingface/safetensors, ``README.md``, Format). The library checks files, but the header is parsed here to get the
bits of any type (NumPy has no BF16) and to release memory block by block. Files are written here because the library's
bytes are reproducible only with a single metadata key, and to write blocks in parallel.
"""

import hashlib
import json
import math
import os
import struct
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open

from apcli.checkpoints.files import kinds
from apcli.checkpoints.files.entries import Entry, Mapped, on_all_cores
from apcli.errors import ApcliError, UsageError

# Bits per element of every type of the format, as of version 0.8 of the library.
_WIDTHS = {
    **{"F4": 4, "F6_E2M3": 6, "F6_E3M2": 6},
    **dict.fromkeys(("BOOL", "U8", "I8", "F8_E5M2", "F8_E4M3", "F8_E8M0", "F8_E4M3FNUZ", "F8_E5M2FNUZ"), 8),
    **dict.fromkeys(("I16", "U16", "F16", "BF16"), 16),
    **dict.fromkeys(("I32", "U32", "F32"), 32),
    **dict.fromkeys(("C64", "F64", "I64", "U64"), 64),
}


def opened(path: Path, label: str) -> tuple[Mapping[str, Any], dict[str, Entry]]:
    """Open a file: its metadata, and its tensors in the file's order; ``label`` names it in messages.

    Raises:
        UsageError: the file holds records.
        ApcliError: it is not a complete safetensors file.
    """
    unknown_type = False
    try:
        with safe_open(str(path), framework="numpy"):  # the library checks lengths, offsets, overlaps and gaps
            pass
    except (SafetensorError, OSError) as error:
        reason = str(error).removeprefix("Error while deserializing header: ")
        unknown_type = "unknown variant" in reason
        if not unknown_type:
            if _holds_records(path):
                raise UsageError(
                    f"{label} holds records where a checkpoint was expected: give records to `apcli report`"
                ) from None
            raise _not_whole(path, label, reason) from None
    mapping = Mapped(path)
    (length,) = struct.unpack("<Q", bytes(mapping.bytes[:8]))
    header = json.loads(bytes(mapping.bytes[8 : 8 + length]))
    metadata = header.pop("__metadata__", None) or {}
    data = mapping.bytes[8 + length :]
    if unknown_type:
        _check(header, metadata, data.size, path, label)
    entries = {}
    for name, info in sorted(header.items(), key=lambda item: item[1]["data_offsets"]):
        start, end = info["data_offsets"]
        entries[name] = Entry(info["dtype"], tuple(info["shape"]), data[start:end], mapping)
    return metadata, entries


def _holds_records(path: Path) -> bool:
    """Whether a file that does not load begins like JSON Lines."""
    try:
        with path.open("rb") as file:
            return file.read(2) == b'{"'
    except OSError:
        return False


def _not_whole(path: Path, label: str, reason: str) -> ApcliError:
    expected = "expected a file that safetensors or torch.load reads"
    kind = "neither a PyTorch file nor" if path.name.endswith(kinds.PICKLED) else "not"
    return ApcliError(f"{label} is {kind} a complete safetensors file ({reason}): {expected}")


def _check(tensors: Mapping[str, Any], metadata: Mapping[str, str], size: int, path: Path, label: str) -> None:
    """Repeat the library's checks on a file with a newer type, which the installed version does not know.

    Tensors of such a type are only copied, never interpreted.

    Raises:
        ApcliError: the file is not complete.
    """
    try:
        if not all(isinstance(text, str) for text in metadata.values()):
            raise ValueError("metadata that is no text")
        end = 0
        for name, info in sorted(tensors.items(), key=lambda item: item[1]["data_offsets"]):
            start, stop = info["data_offsets"]
            shape, bits = info["shape"], _WIDTHS.get(info["dtype"])
            if not all(type(number) is int and number >= 0 for number in (start, stop, *shape)) or stop < start:
                raise ValueError(f"{name} has invalid numbers")
            if start != end or (bits is not None and math.prod(shape) * bits != 8 * (stop - start)):
                raise ValueError(f"{name} has offsets that do not match")
            end = stop
        if end != size:
            raise ValueError("the tensors do not fill it")
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise _not_whole(path, label, str(error)) from None


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
        entry.release(start, stop)

    tasks = ((entry, place, start, stop) for entry, place in entries for start, stop in entry.blocks())
    for _ in on_all_cores(put, tasks):
        pass


def sha256_of(path: Path) -> str:
    """The file's SHA-256, cached while the file is unchanged, because many checkpoints share an ancestor."""
    state = path.stat()
    return _sha256(path.resolve(), state.st_ino, state.st_size, state.st_mtime_ns)


@lru_cache
def _sha256(path: Path, inode: int, size: int, modified: int) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
