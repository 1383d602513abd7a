"""The files that a stage writes: their names, and what happens if they exist already."""

import glob
import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from apcli.checkpoints import reading, verification
from apcli.checkpoints.checkpoint import SUFFIX, Checkpoint
from apcli.checkpoints.files import kinds, shards
from apcli.checkpoints.files.saved_states import remove_left_over_states
from apcli.checkpoints.files.staging import was_killed
from apcli.checkpoints.lineage import Lineage
from apcli.errors import ApcliError, UsageError
from apcli.progress import KEPT

log = logging.getLogger("apcli")

_SUFFIXES = (SUFFIX, shards.SUFFIX)


@dataclass
class Outputs:
    """Names the files of one stage.

    ``target`` is the value of ``--output``: None (beside the input), a file that ends in ``.safetensors``, the index of
    a sharded checkpoint, or a folder. Results of a sharded checkpoint are sharded too, unless ``target`` is a file.
    ``home`` overrides the folder that lineage paths start from (for bytes that leave through a pipe).
    """

    target: Path | None = None
    overwrite: bool = False
    home: Path | None = None
    _placed: set[Path] = field(default_factory=set)

    @property
    def names_a_file(self) -> bool:
        return self.target is not None and self.target.name.endswith(_SUFFIXES) and not self.target.is_dir()

    def expect(self, count: int) -> None:
        """Check, before anything is read, that ``count`` results have a place.

        Raises:
            UsageError: there are several, and ``--output`` names one file, or it names a PyTorch file.
        """
        if self.target is not None and self.target.name.endswith(kinds.PICKLED) and not self.target.is_dir():
            raise UsageError(f"--output {self.target}: apcli writes safetensors: expected {SUFFIX}, or a folder")
        if count > 1 and self.names_a_file:
            raise UsageError(f"--output {self.target} is one file but several checkpoints come out: expected a folder")

    def place(self, stem: str, source: Checkpoint | None = None) -> Path:
        """The path for the output called ``stem``, made from ``source``.

        Raises:
            UsageError: ``--output`` names one file and this is the second, or it names an input, or an index where
                the input is one file.
        """
        sharded = source is not None and bool(source.shards) and self.home is None
        if self.names_a_file:
            assert self.target is not None
            path = self.target
            self.expect(len(self._placed) + 1)
            if shards.is_index(path) and not sharded:
                raise UsageError(f"--output {path} is the index of several files: expected one that ends in {SUFFIX}")
        else:
            folder = self.target or (source.home if source else Path())
            path = folder / f"{stem}{shards.SUFFIX if sharded else SUFFIX}"
        if source is not None and path.resolve() in _ancestry(source):
            raise UsageError(
                f"--output {path} is the input, or its dense ancestor, and would be lost: name another file"
            )
        return path

    def home_of(self, path: Path) -> Path:
        return self.home or path.parent

    def label(self, path: Path) -> str:
        """The name of an output in messages."""
        return "standard output" if self.home else str(path)

    def has(self, path: Path, wanted: Lineage | Callable[[], Lineage], *, say: bool = True) -> bool:
        """Whether ``path`` already is the result of the run that ``wanted`` describes (``Lineage.made_as``).

        Args:
            wanted: or a function that returns it, called if there is a file: another process may make one at any time.
            say: that it is kept, and remove the saved states that a killed training left beside it.

        Raises:
            UsageError: another file has that name and ``overwrite`` is off.
        """
        made_by_this_run = path.resolve() in self._placed
        self._placed.add(path.resolve())
        if not path.exists():
            self._check_shards(path)
        if not path.exists() or (self.overwrite and not made_by_this_run):
            return False
        checkpoint, why = _made_otherwise(path, wanted if isinstance(wanted, Lineage) else wanted())
        if checkpoint is not None and not why:
            verification.verify_zeros(checkpoint)
            if say:
                remove_left_over_states(path)
                log.info(KEPT, path)
            return True
        if made_by_this_run:
            raise UsageError(f"{path} would be written twice, from different inputs: give each its own --output")
        raise UsageError(f"{path} exists and {why}: --overwrite replaces it, --output names another place")

    def state(self, path: Path, wanted: Lineage) -> str:
        """The state of ``path``: ``to be written``, ``to be overwritten``, ``kept`` or ``in the way``, see ``has``."""
        again = path.resolve() in self._placed
        try:
            if self.has(path, wanted, say=False):
                return "kept"
        except UsageError:
            return "in the way"
        if again:  # this run would have written it already
            return "in the way"
        return "to be overwritten" if path.exists() else "to be written"

    def _check_shards(self, index: Path) -> None:
        """Raise UsageError if shard files that no index mentions would be overwritten.

        Those that a killed run left are its own.
        """
        stem = index.name.removesuffix(shards.SUFFIX)
        stray = sorted(index.parent.glob(f"{glob.escape(stem)}-*-of-*{SUFFIX}")) if shards.is_index(index) else []
        if stray and not self.overwrite and not was_killed(index):
            raise UsageError(f"{stray[0]} has no index: --overwrite replaces it, --output names another place")


def _made_otherwise(path: Path, wanted: Lineage) -> tuple[Checkpoint | None, str]:
    """The checkpoint at ``path``, and why it is not the result of the run that ``wanted`` describes; "" if it is."""
    try:
        checkpoint = reading.read(path)
    except ApcliError:
        return None, "is no checkpoint"
    if not checkpoint.lineage.is_known:
        return checkpoint, "was not made by apcli"
    difference = checkpoint.lineage.difference(wanted)
    return checkpoint, difference and f"was made with other settings ({difference})"


def _ancestry(source: Checkpoint) -> set[Path]:
    """The files that a result of ``source`` depends on."""
    dense = source.lineage.dense
    files = set() if source.nameless else {path.resolve() for path in source.files}
    return files if dense is None or dense.path is None else files | {(source.home.resolve() / dense.path).resolve()}
