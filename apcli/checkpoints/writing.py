"""Writing checkpoints atomically, and checking their promises."""

from collections.abc import Callable, Iterable, Mapping
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

from apcli.checkpoints.checkpoint import Checkpoint
from apcli.checkpoints.files import bitmask, headers, shards
from apcli.checkpoints.files.entries import Entry
from apcli.checkpoints.files.safetensors_files import opened, write_file
from apcli.checkpoints.files.staging import staged
from apcli.checkpoints.lineage import PENDING, Lineage
from apcli.checkpoints.verification import verify_zeros


def write(
    path: Path,
    entries: Mapping[str, Entry],
    lineage: Lineage,
    *,
    packed: bool = False,
    like: Checkpoint | None = None,
    pending: Callable[[], str] | None = None,
) -> None:
    """Write a checkpoint completely or not at all, and check its promises before it gets its name.

    The written file is reopened to count the zeros of every layer in ``lineage.pruned`` (the sparsity contract).

    Args:
        path: of a file, or of an index.
        packed: store tensors as a bit mask and values where that is smaller, see ``files.bitmask``.
        like: the checkpoint that this one is made from: its metadata, except for the lineage, is kept, and the files of
            an index hold the same tensors as its files.
        pending: returns, after the tensors are written, the SHA-256 that the lineage has as ``PENDING``.

    Raises:
        VerificationError: a pruned layer has fewer zeros than promised.
        ApcliError: the file cannot be written.
    """
    stored = dict(entries)
    if packed:
        stored, storage = bitmask.packed(entries)
        lineage = replace(lineage, storage=storage)
    text = lineage.to_text()

    def with_lineage(metadata: Mapping[str, Any]) -> dict[str, Any]:
        final = text if pending is None else text.replace(PENDING, pending())
        return headers.ordered(metadata) | {headers.KEY: final}

    with ExitStack() as stack:
        # Files get their names in reverse order: an index appears after all its files.
        temporary = stack.enter_context(staged(path))
        if like is None or not shards.is_index(path):
            metadata = {} if like is None else headers.of_one_file(like.metadata)
            header = headers.ordered(metadata) | {headers.KEY: text}
            write_file(temporary, stored, header, lambda: with_lineage(metadata))
            _, written = opened(temporary, str(path))
        else:
            groups = _groups(stored, lineage.storage, like)
            files = dict(zip(shards.beside(path, len(groups)), groups.values(), strict=True))
            written = {}
            for (file, names), origin in zip(files.items(), groups, strict=True):
                part = stack.enter_context(staged(file))
                write_file(part, {name: stored[name] for name in names}, headers.ordered(like.metadata[origin]))
                written |= opened(part, str(file))[1]
            total = {"total_size": sum(entry.nbytes for entry in stored.values())}
            kept = headers.of_index(like.metadata[like.path], _numbers(like.entries) == _numbers(entries))
            placed = {file.name: names for file, names in files.items()}
            temporary.write_bytes(shards.dump(total | with_lineage(kept), placed))
        there = bitmask.unpacked(written, lineage.storage, str(path))
        verify_zeros(Checkpoint(path, path.parent, there, lineage))


def _numbers(entries: Mapping[str, Entry]) -> int:
    return sum(entry.size for entry in entries.values())


def _groups(stored: Iterable[str], storage: Mapping[str, Any], like: Checkpoint) -> dict[Path, list[str]]:
    """The tensors for each file, by the file of ``like`` that has them; new ones go to the last."""
    places = {name: file for file, names in like.shards.items() for name in names}
    last = list(like.shards)[-1]
    groups: dict[Path, list[str]] = {file: [] for file in like.shards}
    for name in stored:
        groups[places.get(bitmask.tensor_of(name, storage), last)].append(name)
    return {file: names for file, names in groups.items() if names}
