"""A checkpoint: a network's tensors and lineage in a file, or in several with an index (``files.shards``).

Neither torch nor a model is needed: a tensor is its name, dtype, shape and bytes.
"""

import hashlib
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from apcli import published
from apcli.checkpoints.files import kinds, shards
from apcli.checkpoints.files.entries import Entry
from apcli.checkpoints.files.open_files import OpenFile
from apcli.checkpoints.lineage import Lineage
from apcli.checkpoints.network_layers import NetworkLayers
from apcli.checkpoints.promises import Json, Link
from apcli.errors import ApcliError

SUFFIX = ".safetensors"


@dataclass(frozen=True)
class Checkpoint:
    """An open file of tensors: ``path`` to read from, ``home`` the folder to which its lineage's paths are relative.

    It can be given wherever a path is expected. ``nameless`` marks bytes from a pipe, which have no path that a lineage
    could name. ``shards`` are the files of a sharded checkpoint with the model's tensors in each; a single file has
    none. ``metadata`` is that of each file, including an index, whoever wrote it. ``built_layers`` lists the layers of
    the network itself, if it was built. ``key`` is the member of a training checkpoint that ``--weights-key`` chose.
    ``published`` is the name of published weights, whose file lies in a library's cache. ``opened`` are the files
    as they were opened: what takes their place later is another file.
    """

    path: Path
    home: Path
    entries: Mapping[str, Entry]
    lineage: Lineage = Lineage.EMPTY
    nameless: bool = False
    shards: Mapping[Path, Sequence[str]] = field(default_factory=dict)
    metadata: Mapping[Path, Mapping[str, Any]] = field(default_factory=dict)
    built_layers: NetworkLayers | None = None
    key: str | None = None
    published: str | None = None
    opened: Mapping[Path, OpenFile] = field(default_factory=dict)

    @property
    def network_layers(self) -> NetworkLayers | None:
        """The weights of the network's layers, from the built network or the lineage; None if neither is there."""
        return self.built_layers or self.lineage.layers

    def as_built(self, layers: NetworkLayers, model: Json) -> "Checkpoint":
        """The same checkpoint with the layers of its built network, and its description for the lineage."""
        built = replace(self, built_layers=layers, lineage=replace(self.lineage, model=model))
        if "sha256" in vars(self):  # the bytes may be gone, or take long to read
            vars(built)["sha256"] = self.sha256
        return built

    def __fspath__(self) -> str:
        return str(self.path)

    @cached_property
    def sha256(self) -> str:
        """That of the file that was opened; for an index, that of its own and its shards' digits, concatenated.

        Raises:
            ApcliError: a file has changed since.
        """
        files = self.opened or {self.path: OpenFile(self.path, self.label)}
        own, *others = (file.sha256() for file in files.values())
        return hashlib.sha256("".join([own, *others]).encode()).hexdigest() if shards.is_index(self.path) else own

    def check_unchanged(self) -> None:
        """Raise ApcliError if another program has written into a file since it was opened."""
        for file in self.opened.values():
            file.check_unchanged()

    @property
    def label(self) -> str:
        """The file's name in messages and records."""
        return "standard input" if self.nameless else self.published or str(self.path)

    @property
    def stem(self) -> str:
        """The file's name without its ending, from which the names of results are made."""
        if self.published is not None:
            return published.stem_of(self.published)
        name = self.path.name
        known = (shards.SUFFIX, shards.OF_PICKLES, SUFFIX, *kinds.PICKLED)
        endings = (ending for ending in known if name.endswith(ending))
        return "stdin" if self.nameless else name.removesuffix(next(endings, ""))

    @property
    def files(self) -> list[Path]:
        """All files of the checkpoint."""
        return [self.path, *self.shards]

    @property
    def file_bytes(self) -> int:
        return sum(path.stat().st_size for path in self.files)

    def link(self, home: Path, sha256: str | None = None) -> Link:
        """The link to this file for a lineage in folder ``home``; the SHA-256 is computed unless it is given."""
        path = None if self.nameless else self.published or relative(self.path, home)
        return Link(path, sha256 or self.sha256, key=self.key)

    def dense_link(self, home: Path, sha256: str | None = None) -> Link:
        """The link to the dense ancestor for files made from this one: this file, unless it is pruned already."""
        if not (self.lineage.pruned and self.lineage.dense):
            return self.link(home, sha256)
        return self.moved(self.lineage.dense, home)

    def moved(self, link: Link, home: Path) -> Link:
        """Convert a link of this file's lineage for a lineage in folder ``home``."""
        if link.path is None or published.is_name(link.path):
            return link
        return replace(link, path=relative(self.home.resolve() / link.path, home))

    def check_finite(self, names: Iterable[str] | None = None) -> None:
        """Raise ApcliError, naming the tensor, if a named tensor (default: all of floats) holds NaN or Inf."""
        for name in (name for name, entry in self.entries.items() if entry.is_float) if names is None else names:
            bad = self.entries[name].not_finite
            if bad:
                raise not_finite(self.label, name, bad)


def not_finite(label: str, tensor: str, count: int) -> ApcliError:
    """The error for a file's tensor that holds NaN or Inf."""
    return ApcliError(f"{label}: tensor {tensor} holds {count} NaN or Inf values: expected finite weights")


def relative(path: Path, home: Path) -> str:
    # Keep the name: a symbolic link to an index may lead to a file without its suffix.
    return Path(os.path.relpath(path.parent.resolve() / path.name, home.resolve())).as_posix()
