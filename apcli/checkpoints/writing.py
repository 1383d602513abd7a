"""Writing checkpoints atomically, and checking their promises."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
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
    streamed: bool = False,
    pending: Callable[[], str] | None = None,
) -> None:
    """Write a checkpoint completely or not at all, and check its promises before it gets its name.

    The written file is reopened to count the zeros of every layer in ``lineage.pruned`` (the sparsity contract).

    Args:
        path: of a file, or of an index.
        packed: store tensors as a bit mask and values where that is smaller, see ``files.bitmask``.
        like: the checkpoint that this one is made from: its metadata, except for the lineage, is kept, and the files of
            an index hold the same tensors as its files.
        streamed: the tensors are read from ``like`` while they are written, so that it must not change meanwhile.
        pending: returns, after the tensors are written, the SHA-256 that the lineage has as ``PENDING``.

    Raises:
        VerificationError: a pruned layer has fewer zeros than promised.
        ApcliError: the file cannot be written, or ``like`` has changed.
    """
    stored = dict(entries)
    if packed:
        stored, storage = bitmask.packed(entries)
        lineage = replace(lineage, storage=storage)
    text = lineage.to_text()

    def with_lineage(metadata: Mapping[str, Any]) -> dict[str, Any]:
        final = text if pending is None else text.replace(PENDING, pending())
        return headers.ordered(metadata) | {headers.KEY: final}

    placed: list[Path] = []
    with _together(path, placed), ExitStack() as stack:
        # Files get their names in reverse order: an index appears after all its files.
        temporary = stack.enter_context(staged(path))
        if like is None or not shards.is_index(path):
            files: dict[Path, list[str]] = {}
            metadata = {} if like is None else headers.of_one_file(like.metadata)
            header = headers.ordered(metadata) | {headers.KEY: text}
            write_file(temporary, stored, header, lambda: with_lineage(metadata))
            _, written = opened(temporary, str(path))
        else:
            files, written = _write_shards(stack, path, stored, lineage, like)
            total = {"total_size": sum(entry.nbytes for entry in stored.values())}
            kept = headers.of_index(like.metadata[like.path], _numbers(like.entries) == _numbers(entries))
            listed = {file.name: names for file, names in files.items()}
            temporary.write_bytes(shards.dump(total | with_lineage(kept), listed))
        there = bitmask.unpacked(written, lineage.storage, str(path))
        verify_zeros(Checkpoint(path, path.parent, there, lineage))
        if streamed and like is not None:
            like.check_unchanged()
        if files:
            path.unlink(missing_ok=True)  # of one that is overwritten: it must never list files of both
            placed += files


def _write_shards(
    stack: ExitStack, index: Path, stored: Mapping[str, Entry], lineage: Lineage, like: Checkpoint
) -> tuple[dict[Path, list[str]], dict[str, Entry]]:
    """Write the files of an index, which get their names at the end of ``stack``: their tensors, and all as written."""
    groups = _groups(stored, lineage.storage, like)
    files = dict(zip(shards.beside(index, len(groups)), groups.values(), strict=True))
    written: dict[str, Entry] = {}
    for (file, names), origin in zip(files.items(), groups, strict=True):
        part = stack.enter_context(staged(file))
        write_file(part, {name: stored[name] for name in names}, headers.ordered(like.metadata[origin]))
        written |= opened(part, str(file))[1]
    return files, written


@contextmanager
def _together(index: Path, placed: Iterable[Path]) -> Iterator[None]:
    """Remove the files that got their names for an index which did not: they would be in the way of the next run."""
    try:
        yield
    except BaseException:
        for file in placed if placed and not index.exists() else ():
            file.unlink(missing_ok=True)
        raise


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
