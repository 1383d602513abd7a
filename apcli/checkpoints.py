"""Checkpoints: what a file, or several with an index (``apcli.shards``), holds of a network, and what it promises.

Neither torch nor a model is needed: a tensor is its name, dtype, shape and bytes.
"""

import hashlib
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from apcli import headers, safetensors_files, shards
from apcli import lineage as lineages
from apcli import storage as storages
from apcli.entries import Entry
from apcli.errors import ApcliError, UsageError, VerificationError
from apcli.lineage import Lineage
from apcli.network_layers import NetworkLayers
from apcli.safetensors_files import opened, write_file
from apcli.staging import staged

SUFFIX = ".safetensors"
_SHOWN = 200  # characters of a given name that a message repeats


@dataclass(frozen=True)
class Checkpoint:
    """A safetensors file, opened: ``path`` to read it from, ``home`` the folder its lineage's paths start from.

    ``nameless`` is true of bytes that came through a pipe: they have no path that a lineage could name. ``shards`` are
    the files of a sharded checkpoint and the model's tensors in each; of one file alone there are none. ``metadata`` is
    what each file, an index too, says beside the tensors, whoever wrote it. ``built_layers`` is what the network itself
    says, where it has been built.
    """

    path: Path
    home: Path
    entries: Mapping[str, Entry]
    lineage: Lineage | None
    nameless: bool = False
    shards: Mapping[Path, Sequence[str]] = field(default_factory=dict)
    metadata: Mapping[Path, Mapping[str, Any]] = field(default_factory=dict)
    built_layers: NetworkLayers | None = None

    @cached_property
    def network_layers(self) -> NetworkLayers | None:
        """The weights of the network's layers, as it was built or as the lineage lists them; None where neither."""
        listed = (self.lineage or {}).get("layers")
        return self.built_layers or (None if listed is None else NetworkLayers.from_dict(listed))

    def as_built(self, layers: NetworkLayers) -> "Checkpoint":
        """The same checkpoint, of whose network the layers are known."""
        told = replace(self, built_layers=layers)
        if "sha256" in vars(self):  # of bytes that are gone, or long to read
            vars(told)["sha256"] = self.sha256
        return told

    @cached_property
    def sha256(self) -> str:
        return sha256_of(self.path)

    @property
    def label(self) -> str:
        """What messages and records call this file."""
        return "standard input" if self.nameless else str(self.path)

    @property
    def stem(self) -> str:
        return "stdin" if self.nameless else self.path.name.removesuffix(shards.SUFFIX).removesuffix(SUFFIX)

    @property
    def files(self) -> list[Path]:
        """All that the checkpoint is on disk."""
        return [self.path, *self.shards]

    @property
    def file_bytes(self) -> int:
        return sum(path.stat().st_size for path in self.files)

    def link(self, home: Path, sha256: str | None = None) -> dict[str, str | None]:
        """How a lineage kept in folder ``home`` names this file: relative path and SHA-256 (unless given, its own)."""
        return {"path": None if self.nameless else relative(self.path, home), "sha256": sha256 or self.sha256}

    def dense_link(self, home: Path, sha256: str | None = None) -> dict[str, str | None]:
        """How a file made from this one names its dense ancestor: this file, unless it is pruned already."""
        if not (self.lineage and self.lineage["pruned"] and self.lineage["dense"]):
            return self.link(home, sha256)
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
    # The last part stays as it is called: a link to an index may lead to a file without its suffix.
    return Path(os.path.relpath(path.parent.resolve() / path.name, home.resolve())).as_posix()


def sha256_of(path: Path) -> str:
    """The file's SHA-256; of an index that of its own sum and its shards', one after another as hexadecimal digits."""
    own = safetensors_files.sha256_of(path)
    if not shards.is_index(path):
        return own
    sums = [sha256_of(path.with_name(name)) for name in shards.parse(path.read_bytes(), str(path)).files]
    return hashlib.sha256("".join([own, *sums]).encode()).hexdigest()


def find(name: str) -> Path:
    """The checkpoint called ``name``, with or without the suffix of a file or of an index.

    Raises:
        UsageError: there is no such file.
    """
    shown = name if len(name) <= _SHOWN else f"{name[:_SHOWN]}..."
    if not name:
        raise UsageError("a checkpoint's path is empty: expected a safetensors file")
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
    raise UsageError(f"no file {shown} (nor with {SUFFIX}): expected a safetensors checkpoint")


def read(path: Path, *, nameless: bool = False) -> Checkpoint:
    """Open a safetensors file, or all files of an index; their tensors are memory-mapped, read-only.

    Raises:
        ApcliError: a file is not whole, an index and its files disagree, or the lineage is malformed.
    """
    label = "standard input" if nameless else str(path)
    metadata = {}
    if shards.is_index(path):
        metadata[path], found = _gathered(path)
    else:
        found = {path: opened(path, label)}
    files = {}
    for file, (said, entries) in found.items():
        metadata[file], files[file] = said, entries
    stored = {name: entry for entries in files.values() for name, entry in entries.items()}
    text = metadata[path].get(lineages.KEY)
    lineage = None if text is None else lineages.parse(str(text), label)
    storage = lineage["storage"] if lineage else {}
    there = storages.unpacked(stored, storage, label) if storage else stored
    placed = {file: [storages.tensor_of(name, storage) for name in entries] for file, entries in files.items()}
    own = placed if shards.is_index(path) else {}
    checkpoint = Checkpoint(path, Path() if nameless else path.parent, there, lineage, nameless, own, metadata)
    if nameless:
        _ = checkpoint.sha256  # taken now: the temporary file that holds the bytes goes away
    return checkpoint


def _gathered(path: Path) -> tuple[Mapping[str, Any], dict[Path, tuple[Mapping[str, Any], dict[str, Entry]]]]:
    """An index's metadata, and the metadata and tensors of its files."""
    try:
        index = shards.parse(path.read_bytes(), str(path))
    except OSError as error:
        raise ApcliError(f"cannot read {path}: {error.strerror}: expected the index of a sharded checkpoint") from None
    files = {}
    for name, tensors in index.files.items():
        file = path.with_name(name)
        if not file.is_file():
            raise ApcliError(f"{path} names the shard {name}, which is not there: put it beside the index")
        files[file] = opened(file, str(file))
        differing = sorted(files[file][1].keys() ^ set(tensors))
        if differing:
            where = "only the index has it there" if differing[0] in tensors else "only the file has it"
            raise ApcliError(f"{file} and {path.name} disagree on {differing[0]} ({where}): fetch or make both again")
    return index.metadata, files


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

    What was written is reopened and the zeros of every layer in ``lineage["pruned"]`` are counted (the sparsity
    contract).

    Args:
        path: of a file, or of an index.
        packed: tensors that are smaller so are stored as a bit mask and values, see ``apcli.storage``.
        like: the checkpoint that this one is made from: what its metadata say, beside the lineage, is kept, and an
            index's files hold the tensors that its files hold.
        pending: gives, once the tensors are written, the SHA-256 that the lineage has as ``PENDING``.

    Raises:
        VerificationError: a pruned layer has fewer zeros than promised.
        ApcliError: the file cannot be written.
    """
    stored = dict(entries)
    if packed:
        stored, storage = storages.packed(entries)
        lineage = {**lineage, "storage": storage}
    text = lineages.dump(lineage)

    def about(said: Mapping[str, Any]) -> dict[str, Any]:
        return headers.ordered(said) | {
            lineages.KEY: text if pending is None else text.replace(lineages.PENDING, pending())
        }

    with ExitStack() as stack:
        # Names are taken in the reverse order: an index is there once all its files are.
        temporary = stack.enter_context(staged(path))
        if like is None or not shards.is_index(path):
            said = {} if like is None else headers.of_one_file(like.metadata)
            write_file(temporary, stored, headers.ordered(said) | {lineages.KEY: text}, lambda: about(said))
            _, written = opened(temporary, str(path))
        else:
            groups = _groups(stored, lineage["storage"], like)
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
        there = storages.unpacked(written, lineage["storage"], str(path))
        verify_zeros(Checkpoint(path, path.parent, there, lineage))


def _numbers(entries: Mapping[str, Entry]) -> int:
    return sum(entry.size for entry in entries.values())


def _groups(stored: Iterable[str], storage: Mapping[str, Any], like: Checkpoint) -> dict[Path, list[str]]:
    """The tensors that go to each file, by the file of ``like`` that has them; new ones go to the last."""
    places = {name: file for file, names in like.shards.items() for name in names}
    last = list(like.shards)[-1]
    groups: dict[Path, list[str]] = {file: [] for file in like.shards}
    for name in stored:
        groups[places.get(storages.tensor_of(name, storage), last)].append(name)
    return {file: names for file, names in groups.items() if names}


def verify_zeros(checkpoint: Checkpoint, label: str | None = None) -> None:
    """Hold a file to its lineage: every pruned layer has the zeros that were promised.

    Raises:
        VerificationError: it has fewer; ``label`` is what the message calls the file.
    """
    known = checkpoint.network_layers
    weights = {} if known is None else known.by_name
    for promised, promise in (checkpoint.lineage or {}).get("pruned", {}).items():
        names = weights[promised].names if promised in weights else (promised,)
        for tensor in (promised, *(name for name in names if name != promised and name in checkpoint.entries)):
            entry = checkpoint.entries.get(tensor)
            found = entry.zeros if entry is not None and entry.is_float else 0
            if found < promise["zeros"]:
                raise VerificationError(
                    f"{label or checkpoint.label}: {tensor} has {found} zeros but its lineage promises "
                    f"{promise['zeros']}: the sparsity was lost, prune again"
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
