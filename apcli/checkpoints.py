"""Safetensors checkpoints: read as memory-mapped NumPy arrays, written in a fixed byte order, and verified.

Neither torch nor a model is needed: a tensor is its name, dtype, shape and bytes. The format is an eight-byte
little-endian header length, a JSON header, then the tensors' bytes (huggingface/safetensors, ``README.md``, Format).
"""

import errno
import hashlib
import json
import os
import struct
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open

from apcli import lineage as lineages
from apcli import storage as storages
from apcli.entries import Entry, Mapped, on_all_cores
from apcli.errors import ApcliError, UsageError, VerificationError
from apcli.lineage import Lineage

SUFFIX = ".safetensors"
_SHOWN = 200  # characters of a given name that a message repeats


@dataclass(frozen=True)
class Checkpoint:
    """A safetensors file, opened: ``path`` to read it from, ``home`` the folder its lineage's paths start from.

    ``nameless`` is true of bytes that came through a pipe: they have no path that a lineage could name.
    """

    path: Path
    home: Path
    entries: Mapping[str, Entry]
    lineage: Lineage | None
    nameless: bool = False

    @cached_property
    def sha256(self) -> str:
        return sha256_of(self.path)

    @property
    def label(self) -> str:
        """What messages and records call this file."""
        return "standard input" if self.nameless else str(self.path)

    @property
    def stem(self) -> str:
        return "stdin" if self.nameless else self.path.name.removesuffix(SUFFIX)

    def link(self, home: Path) -> dict[str, str | None]:
        """How a lineage kept in folder ``home`` names this file: relative path and SHA-256."""
        return {"path": None, "sha256": self.sha256} if self.nameless else link_to(self.path, home)

    def dense_link(self, home: Path) -> dict[str, str | None]:
        """How a file made from this one names its dense ancestor: this file, unless it is pruned already."""
        if not (self.lineage and self.lineage["pruned"] and self.lineage["dense"]):
            return self.link(home)
        path, sha256 = self.lineage["dense"].get("path"), self.lineage["dense"]["sha256"]
        return {"path": None if path is None else relative(self.home.resolve() / path, home), "sha256": sha256}

    def check_finite(self, names: Iterable[str] | None = None) -> None:
        """Raise ApcliError, naming the tensor, if a named tensor (default: any of floats) holds NaN or Inf."""
        for name in (name for name, entry in self.entries.items() if entry.is_float) if names is None else names:
            bad = self.entries[name].not_finite
            if bad:
                raise not_finite(self.label, name, bad)


def not_finite(label: str, tensor: str, count: int) -> ApcliError:
    """What to raise of a file's tensor that holds NaN or Inf."""
    return ApcliError(f"{label}: tensor {tensor} holds {count} NaN or Inf values: expected finite weights")


def relative(path: Path, home: Path) -> str:
    return Path(os.path.relpath(path.resolve(), home.resolve())).as_posix()


def link_to(path: Path, home: Path) -> dict[str, str | None]:
    """How a lineage kept in folder ``home`` names a file: relative path and SHA-256."""
    return {"path": relative(path, home), "sha256": sha256_of(path)}


def sha256_of(path: Path) -> str:
    """The file's SHA-256, read once for as long as the file stays as it is: many checkpoints share an ancestor."""
    found = path.stat()
    return _sha256(path.resolve(), found.st_ino, found.st_size, found.st_mtime_ns)


@lru_cache
def _sha256(path: Path, inode: int, size: int, modified: int) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def find(name: str) -> Path:
    """The file called ``name``, with or without the suffix.

    Raises:
        UsageError: there is no such file.
    """
    shown = name if len(name) <= _SHOWN else f"{name[:_SHOWN]}..."
    if not name:
        raise UsageError("a checkpoint's path is empty: expected a safetensors file")
    try:
        for candidate in (Path(name), Path(name + SUFFIX)):
            if candidate.is_file():
                return candidate
        is_folder = Path(name).is_dir()
    except OSError:  # no file can have such a name
        is_folder = False
    if is_folder:
        raise UsageError(f"{shown} is a folder: expected a safetensors file, as in {shown.rstrip('/')}/*{SUFFIX}")
    raise UsageError(f"no file {shown} (nor with {SUFFIX}): expected a safetensors checkpoint")


def read(path: Path, *, nameless: bool = False) -> Checkpoint:
    """Open a safetensors file; its tensors are memory-mapped, read-only.

    Raises:
        ApcliError: the file is not a whole safetensors file, or its lineage is malformed.
    """
    label = "standard input" if nameless else str(path)
    try:
        with safe_open(str(path), framework="numpy"):  # the library checks lengths, offsets, overlaps and gaps
            pass
    except (SafetensorError, OSError) as error:
        reason = str(error).removeprefix("Error while deserializing header: ")
        raise ApcliError(
            f"{label} is not a whole safetensors file ({reason}): expected a file that safetensors loads"
        ) from None
    mapping = Mapped(path)
    (length,) = struct.unpack("<Q", bytes(mapping.bytes[:8]))
    header = json.loads(bytes(mapping.bytes[8 : 8 + length]))
    metadata = header.pop("__metadata__", None) or {}
    data = mapping.bytes[8 + length :]
    entries = {}
    for name, info in sorted(header.items(), key=lambda item: item[1]["data_offsets"]):
        start, end = info["data_offsets"]
        entries[name] = Entry(info["dtype"], tuple(info["shape"]), data[start:end], mapping)
    text = metadata.get(lineages.KEY)
    lineage = None if text is None else lineages.parse(text, label)
    if lineage and lineage["storage"]:
        entries = storages.unpacked(entries, lineage["storage"], label)
    checkpoint = Checkpoint(path, Path() if nameless else path.parent, entries, lineage, nameless)
    if nameless:
        _ = checkpoint.sha256  # taken now: the temporary file that holds the bytes goes away
    return checkpoint


def dense_ancestor(pruned: Checkpoint, given: str | None = None) -> Checkpoint:
    """The dense checkpoint that ``pruned`` came from: ``given``, or what its lineage names, its SHA-256 compared.

    Raises:
        UsageError: the lineage names none, or the named file is not there.
        VerificationError: the file there is another one than the lineage names.
    """
    if given is not None:
        return read(find(given))
    link = (pruned.lineage or {}).get("dense")
    if link is None or link.get("path") is None:
        raise UsageError(f"{pruned.label} does not say which dense file it came from: give it with --dense FILE")
    path = Path(os.path.relpath(pruned.home.resolve() / str(link["path"])))
    if not path.is_file():
        raise UsageError(f"the dense file {path} of {pruned.label} is not there: give it with --dense FILE")
    dense = read(path)
    if dense.sha256 != link["sha256"]:
        raise VerificationError(
            f"{path} is not the dense file that {pruned.label} came from (SHA-256 differs): give that with --dense FILE"
        )
    return dense


def write(path: Path, entries: Mapping[str, Entry], lineage: Lineage, *, packed: bool = False) -> None:
    """Write a checkpoint whole or not at all, then hold it to its promises before it takes its name.

    The file is reopened and the zeros of every layer in ``lineage["pruned"]`` are counted (the sparsity contract).
    ``packed``: tensors that are smaller so are stored as a bit mask and values, see ``apcli.storage``.

    Raises:
        VerificationError: a pruned layer has fewer zeros than promised.
        ApcliError: the file cannot be written.
    """
    stored = dict(entries)
    if packed:
        stored, storage = storages.packed(entries)
        lineage = {**lineage, "storage": storage}
    # Wide elements first keeps every tensor aligned; the sort is stable: within a width, the model's own order.
    ordered = sorted(stored.items(), key=lambda item: -item[1].width)
    header: dict[str, Any] = {"__metadata__": {"format": "pt", lineages.KEY: lineages.dump(lineage)}}
    offset = 0
    places = {}
    for name, entry in ordered:
        places[name] = offset
        header[name] = {"dtype": entry.dtype, "shape": entry.shape, "data_offsets": [offset, offset + entry.nbytes]}
        offset += entry.nbytes
    head = json.dumps(header, separators=(",", ":")).encode()
    head += b" " * (-len(head) % 8)
    with staged(path) as temporary:
        with temporary.open("wb") as file:
            file.write(struct.pack("<Q", len(head)) + head)
            file.flush()
            _write_blocks(file.fileno(), 8 + len(head), [(entry, places[name]) for name, entry in ordered])
        verify_zeros(read(temporary), str(path))


def _write_blocks(file: int, begin: int, entries: Sequence[tuple[Entry, int]]) -> None:
    """Write every tensor at its place, its blocks made and written on all cores."""

    def put(task: tuple[Entry, int, int, int]) -> None:
        entry, place, start, stop = task
        left, at = entry.bytes_of(start, stop).data, begin + place + start * entry.width
        while left:
            written = os.pwrite(file, left, at)
            left, at = left[written:], at + written
        entry.release(start, stop)

    tasks = ((entry, place, start, stop) for entry, place in entries for start, stop in entry.blocks())
    for _ in on_all_cores(put, tasks):
        pass


def verify_zeros(checkpoint: Checkpoint, label: str | None = None) -> None:
    """Hold a file to its lineage: every pruned layer has the zeros that were promised.

    Raises:
        VerificationError: it has fewer; ``label`` is what the message calls the file.
    """
    for tensor, promise in (checkpoint.lineage or {}).get("pruned", {}).items():
        entry = checkpoint.entries.get(tensor)
        found = entry.zeros if entry is not None and entry.is_float else 0
        if found < promise["zeros"]:
            raise VerificationError(
                f"{label or checkpoint.label}: {tensor} has {found} zeros but its lineage promises {promise['zeros']}: "
                "the sparsity was lost, prune again"
            )


def check_input(checkpoint: Checkpoint) -> None:
    """Refuse what is no checkpoint of a network, or not the one its lineage describes, before a stage starts on it.

    Raises:
        UsageError: it is the trace of another checkpoint.
        VerificationError: a pruned layer has fewer zeros than promised.
    """
    if checkpoint.lineage is not None and checkpoint.lineage["stage"] == "trace":
        raise UsageError(f"{checkpoint.label} is a trace of another checkpoint's layers: give the checkpoint itself")
    verify_zeros(checkpoint)


@contextmanager
def staged(path: Path) -> Iterator[Path]:
    """A temporary path beside ``path`` that takes its name on success and is removed on any failure.

    Raises:
        ApcliError: the system refuses to write (full disk, no permission).
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield temporary
        os.replace(temporary, path)
    except OSError as error:
        full = error.errno in (errno.ENOSPC, errno.EFBIG, errno.EDQUOT)
        remedy = "free some space, or choose another --output" if full else "choose another --output"
        raise ApcliError(f"cannot write {path}: {error.strerror}: {remedy}") from None
    finally:
        with suppress(OSError):  # a parent that is no folder holds nothing to remove
            temporary.unlink()
