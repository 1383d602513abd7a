"""Writing checkpoints: whole or not at all, and held to their promises."""

from collections.abc import Callable, Iterable, Mapping
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

from apcli.checkpoints.checkpoint import Checkpoint, verify_zeros
from apcli.checkpoints.files import bitmask, headers, shards
from apcli.checkpoints.files.entries import Entry
from apcli.checkpoints.files.safetensors_files import opened, write_file
from apcli.checkpoints.files.staging import staged
from apcli.checkpoints.lineage import PENDING, Lineage


def write(
    path: Path,
    entries: Mapping[str, Entry],
    lineage: Lineage,
    *,
    packed: bool = False,
    like: Checkpoint | None = None,
    pending: Callable[[], str] | None = None,
) -> None:
    """Write a checkpoint whole or not at all, then hold it to its promises before it takes its name.

    What was written is reopened and the zeros of every layer in ``lineage.pruned`` are counted (the sparsity
    contract).

    Args:
        path: of a file, or of an index.
        packed: tensors that are smaller so are stored as a bit mask and values, see ``files.bitmask``.
        like: the checkpoint that this one is made from: what its metadata say, beside the lineage, is kept, and an
            index's files hold the tensors that its files hold.
        pending: gives, once the tensors are written, the SHA-256 that the lineage has as ``PENDING``.

    Raises:
        VerificationError: a pruned layer has fewer zeros than promised.
        ApcliError: the file cannot be written.
    """
    stored = dict(entries)
    if packed:
        stored, storage = bitmask.packed(entries)
        lineage = replace(lineage, storage=storage)
    text = lineage.to_text()

    def about(said: Mapping[str, Any]) -> dict[str, Any]:
        return headers.ordered(said) | {headers.KEY: text if pending is None else text.replace(PENDING, pending())}

    with ExitStack() as stack:
        # Names are taken in the reverse order: an index is there once all its files are.
        temporary = stack.enter_context(staged(path))
        if like is None or not shards.is_index(path):
            said = {} if like is None else headers.of_one_file(like.metadata)
            write_file(temporary, stored, headers.ordered(said) | {headers.KEY: text}, lambda: about(said))
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
            said = headers.of_index(like.metadata[like.path], _numbers(like.entries) == _numbers(entries))
            placed = {file.name: names for file, names in files.items()}
            temporary.write_bytes(shards.dump(total | about(said), placed))
        there = bitmask.unpacked(written, lineage.storage, str(path))
        verify_zeros(Checkpoint(path, path.parent, there, lineage))


def _numbers(entries: Mapping[str, Entry]) -> int:
    return sum(entry.size for entry in entries.values())


def _groups(stored: Iterable[str], storage: Mapping[str, Any], like: Checkpoint) -> dict[Path, list[str]]:
    """The tensors that go to each file, by the file of ``like`` that has them; new ones go to the last."""
    places = {name: file for file, names in like.shards.items() for name in names}
    last = list(like.shards)[-1]
    groups: dict[Path, list[str]] = {file: [] for file in like.shards}
    for name in stored:
        groups[places.get(bitmask.tensor_of(name, storage), last)].append(name)
    return {file: names for file, names in groups.items() if names}
