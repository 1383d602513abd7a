"""Where a stage's checkpoints go, and what happens when something is there already."""

import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from apcli import checkpoints
from apcli.checkpoints import SUFFIX
from apcli.errors import ApcliError, UsageError

log = logging.getLogger("apcli")


@dataclass
class Outputs:
    """Names the files of one stage.

    ``target`` is what ``--output`` says: nothing (beside the input), a file that ends in ``.safetensors``, or a folder.
    ``home`` overrides the folder that lineage paths start from (for bytes that leave through a pipe).
    """

    target: Path | None = None
    overwrite: bool = False
    home: Path | None = None
    _named: bool = False

    @property
    def names_a_file(self) -> bool:
        return self.target is not None and self.target.suffix == SUFFIX and not self.target.is_dir()

    def place(self, folder: Path, stem: str) -> Path:
        """The path for the output called ``stem`` of an input in ``folder``.

        Raises:
            UsageError: ``--output`` names one file and this is the second.
        """
        if self.target is None:
            return folder / f"{stem}{SUFFIX}"
        if not self.names_a_file:
            return self.target / f"{stem}{SUFFIX}"
        if self._named:
            raise UsageError(f"--output {self.target} is one file but several checkpoints come out: expected a folder")
        self._named = True
        return self.target

    def home_of(self, path: Path) -> Path:
        return self.home or path.parent

    def label(self, path: Path) -> str:
        """What messages call an output."""
        return "standard output" if self.home else str(path)

    def has(self, path: Path, recipe: Mapping[str, Any]) -> bool:
        """Whether ``path`` already is the wanted result: its lineage agrees with all that ``recipe`` says.

        Raises:
            UsageError: something else is there and ``overwrite`` is off.
        """
        if self.overwrite or not path.exists():
            return False
        try:
            found = checkpoints.read(path).lineage or {}
        except ApcliError:
            found = {}
        if _agrees(found, json.loads(json.dumps(recipe))):
            log.info("%s is already there, made the same way: kept", path)
            return True
        raise UsageError(f"{path} exists and was made otherwise: --overwrite replaces it, --output names another place")


def _agrees(found: Any, wanted: Any) -> bool:
    """Equal, except that ``found`` may know more: an object may have further keys."""
    if isinstance(wanted, dict) and isinstance(found, dict):
        return all(_agrees(found.get(key), value) for key, value in wanted.items())
    return bool(found == wanted)
