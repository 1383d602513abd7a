"""Reading checkpoints: from a name to a file, and from a file to its tensors and metadata."""

import logging
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from apcli import published
from apcli.checkpoints.checkpoint import SUFFIX, Checkpoint
from apcli.checkpoints.files import bitmask, headers, kinds, pickles, safetensors_files, shards
from apcli.checkpoints.files.entries import Entry
from apcli.checkpoints.files.open_files import OpenFile
from apcli.checkpoints.lineage import Lineage
from apcli.errors import ApcliError, UsageError, VerificationError

log = logging.getLogger("apcli")

_SHOWN = 200  # most characters of a given name that a message repeats


def find(name: str) -> Path:
    """The checkpoint called ``name``, with or without the suffix of a file or of an index.

    Raises:
        UsageError: there is no such file.
    """
    shown = name if len(name) <= _SHOWN else f"{name[:_SHOWN]}..."
    if not name:
        raise UsageError("a checkpoint's path is empty: expected a file of tensors")
    try:
        for candidate in (Path(name), Path(name + SUFFIX), Path(name + shards.SUFFIX)):
            if candidate.is_file():
                return candidate
        inside = sorted(Path(name).glob(f"*{shards.SUFFIX}")) if Path(name).is_dir() else None
    except OSError:  # no file can have such a name
        inside = None
    if inside is not None:
        example = inside[0] if inside else f"{shown.rstrip('/')}/*{SUFFIX}"
        raise UsageError(f"{shown} is a folder: expected a safetensors file, as in {example}")
    raise UsageError(f"no file {shown} (nor with {SUFFIX}): expected a safetensors file or a PyTorch state dict")


def read(path: Path, key: str | None = None, *, nameless: bool = False) -> Checkpoint:
    """Open a safetensors file, all files of an index, or a PyTorch file; the tensors stay there until they are read.

    Args:
        key: the member of a PyTorch training checkpoint that holds the state dict; None: the usual one.

    Raises:
        UsageError: a training checkpoint has no such member, or several and ``key`` is None.
        ApcliError: a file is not complete or of another kind, an index and its files disagree, or the lineage is
            malformed.
    """
    label = "standard input" if nameless else str(path)
    file = OpenFile(path, label)
    kinds.refuse_foreign(path, label)
    if kinds.is_pickle(path):
        entries = pickles.opened(path, label, key, file)
        return Checkpoint(path, path.parent, entries, metadata={path: {}}, key=key, opened={path: file})
    if key is not None:
        log.info("%s holds one set of tensors: --weights-key %s is for PyTorch files", label, key)
    metadata, handles = {}, {path: file}
    if shards.is_index(path):
        metadata[path], opened_files = _gathered(path, handles)
    else:
        opened_files = {path: safetensors_files.opened(path, label, file)}
    files = {}
    for part, (own_metadata, entries) in opened_files.items():
        metadata[part], files[part] = own_metadata, entries
    stored = {name: entry for entries in files.values() for name, entry in entries.items()}
    text = metadata[path].get(headers.KEY)
    lineage = Lineage.EMPTY if text is None else Lineage.from_text(str(text), label)
    there = bitmask.unpacked(stored, lineage.storage, label) if lineage.storage else stored
    placed = {file: [bitmask.tensor_of(name, lineage.storage) for name in entries] for file, entries in files.items()}
    own = placed if shards.is_index(path) else {}
    home = Path() if nameless else path.parent
    return Checkpoint(path, home, there, lineage, nameless, own, metadata, opened=handles)


def named(name: str, key: str | None = None, *, download: bool = True) -> Checkpoint:
    """Open the checkpoint called ``name``: a path (see ``find``) or published weights (see ``published``).

    Results of published weights go to the working folder, not into the cache. Those of torchvision and timm have a
    lineage that says which network they are.

    Args:
        key: see ``read``.
        download: fetch published weights that are not cached.

    Raises:
        UsageError: there is no such file, or there are no such weights.
        ApcliError: the weights cannot be fetched or read.
    """
    if not published.is_name(name):
        return read(find(name), key)
    checkpoint = read(published.fetched(name, download=download), key)
    lineage, model = checkpoint.lineage, published.model_of(name)
    if model is not None and not lineage.is_known:
        lineage = replace(lineage, stage="published", model=model)
    entries = {published.todays(name, tensor): entry for tensor, entry in checkpoint.entries.items()}
    return replace(checkpoint, entries=entries, home=Path(), lineage=lineage, published=name)


def opened(given: Iterable[Any], key: str | None = None) -> list[Checkpoint]:
    """Open the checkpoints that ``listed`` gives.

    Raises:
        UsageError: there is no such file, an item has another type, or none is given.
    """
    return [one if isinstance(one, Checkpoint) else named(one, key) for one in listed(given)]


def listed(given: Iterable[Any]) -> list[str | Checkpoint]:
    """The checkpoints at paths that are there, or by name; open ones and nested lists are accepted too.

    Raises:
        UsageError: there is no such file, an item has another type, or none is given.
    """
    checkpoints = list(_each(given))
    if not checkpoints:
        raise UsageError("no checkpoint is given: expected at least one")
    return checkpoints


def _each(given: Iterable[Any]) -> Iterator[str | Checkpoint]:
    for one in given:
        if isinstance(one, Checkpoint):
            yield one
        elif isinstance(one, str | os.PathLike):
            name = os.fsdecode(one)
            yield name if published.is_name(name) else str(find(name))
        elif isinstance(one, Iterable):
            yield from _each(one)
        else:
            raise UsageError(f"a checkpoint is {one!r}: expected a path, or a Checkpoint")


def _gathered(
    path: Path, handles: dict[Path, OpenFile]
) -> tuple[Mapping[str, Any], dict[Path, tuple[Mapping[str, Any], dict[str, Entry]]]]:
    """An index's metadata, and the metadata and tensors of its files, which are added to ``handles``."""
    index = shards.read(path)
    files: dict[Path, tuple[Mapping[str, Any], dict[str, Entry]]] = {}
    for name, tensors in index.files.items():
        file = path.with_name(name)
        if not os.path.isfile(file):  # False too of a name that no file can have
            raise ApcliError(f"{path} lists the shard {name}, which is missing: put it beside the index")
        handles[file] = OpenFile(file, str(file))
        if path.name.endswith(shards.OF_PICKLES):
            files[file] = {}, pickles.opened(file, str(file), file=handles[file])
        else:
            files[file] = safetensors_files.opened(file, str(file), handles[file])
        differing = sorted(files[file][1].keys() ^ set(tensors))
        if differing:
            where = "only the index has it there" if differing[0] in tensors else "only the file has it"
            raise ApcliError(f"{file} and {path.name} disagree on {differing[0]} ({where}): get or make both again")
    return index.metadata, files


def dense_ancestor(pruned: Checkpoint, given: str | None = None, key: str | None = None) -> Checkpoint:
    """The dense checkpoint that ``pruned`` came from: ``given``, or the one in its lineage, checked by SHA-256.

    Args:
        key: see ``read``, for ``given``.

    Raises:
        UsageError: the lineage names none, or the named file is missing.
        VerificationError: the file is not the one in the lineage.
    """
    if given is not None:
        return named(given, key)
    link = pruned.lineage.dense
    if link is None or link.path is None:
        raise UsageError(f"{pruned.label} does not say which dense file it came from: give it with --dense FILE")
    path = link.path if published.is_name(link.path) else os.path.relpath(pruned.home.resolve() / link.path)
    if not _is_there(path):
        raise UsageError(f"the dense file {path} of {pruned.label} is missing: give it with --dense FILE")
    dense = named(path, link.key, download=False)
    if dense.sha256 != link.sha256:
        raise VerificationError(
            f"{path} is not the dense file that {pruned.label} came from (SHA-256 differs): give it with --dense FILE"
        )
    return dense


def _is_there(name: str) -> bool:
    """Whether a file is there, or published weights are in a cache: a name in a file is no reason to fetch anything."""
    if not published.is_name(name):
        return os.path.isfile(name)
    try:
        return published.fetched(name, download=False).is_file()
    except ApcliError:
        return False
