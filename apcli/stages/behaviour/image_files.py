"""What both networks make of each image, in a safetensors file: ``X.behaviour.safetensors`` for ``X.safetensors``."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import torch

from apcli.checkpoints.checkpoint import SUFFIX, Checkpoint
from apcli.checkpoints.files.safetensors_files import opened, write_file
from apcli.checkpoints.files.staging import staged
from apcli.checkpoints.state_dicts import entry_of
from apcli.errors import ApcliError, UsageError
from apcli.probes.outcomes import Outcomes
from apcli.stages.behaviour.networks import Images

ENDING = f".behaviour{SUFFIX}"
KEY = "apcli.behaviour"
_MEMBERS = ("predictions", "losses", "margins", "briers", "confidences", "entropies")


class ImageFiles:
    """Writes a file for each pair into a folder, whole or not at all.

    Args:
        overwrite: whether files of other pairs, or of other programs, are replaced.
    """

    def __init__(self, folder: Path, overwrite: bool) -> None:
        self.folder, self.overwrite = folder, overwrite
        self._placed: set[Path] = set()

    def place(self, dense: Checkpoint, pruned: Checkpoint) -> Path:
        """The place of a pair's file, before anything is measured.

        Raises:
            UsageError: another file is there, or two pruned files have one name.
        """
        path = self.folder / f"{pruned.stem}{ENDING}"
        if path in self._placed:
            raise UsageError(f"{path} would be written twice: run files of one name apart, with other --predictions")
        self._placed.add(path)
        if path.exists() and not self.overwrite and not _is_of(path, dense, pruned):
            raise UsageError(f"{path} is of other files: --overwrite replaces it, --predictions names another folder")
        return path

    def write(self, path: Path, pair: tuple[Checkpoint, Checkpoint], images: Images, seen: dict[str, Outcomes]) -> None:
        """Write what networks (``dense``, ``pruned``) make of the images, in the order of the split."""
        order = np.argsort(images.places.numpy())
        fitted = np.arange(len(order)) < images.fitted
        columns = {"label": seen["dense"].labels, "in_validation": fitted}
        columns |= {f"{name}.{member}": getattr(one, member) for name, one in seen.items() for member in _MEMBERS}
        entries = {name: entry_of(torch.from_numpy(values[order])) for name, values in columns.items()}
        with staged(path) as temporary:
            write_file(temporary, entries, {KEY: json.dumps({**_of(*pair), "evaluated": images.evaluated})})


def _of(dense: Checkpoint, pruned: Checkpoint) -> dict[str, Any]:
    return {"dense": dense.sha256, "pruned": pruned.sha256}


def _is_of(path: Path, dense: Checkpoint, pruned: Checkpoint) -> bool:
    """Whether a file is that of this pair, perhaps on other images."""
    try:
        metadata, _ = opened(path, str(path))
        members = json.loads(metadata[KEY])
        return bool({key: members[key] for key in ("dense", "pruned")} == _of(dense, pruned))
    except (ApcliError, KeyError, TypeError, ValueError):
        return False
