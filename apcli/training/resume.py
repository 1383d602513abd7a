"""The state to resume a stopped run from: one file beside the result, removed when that is complete."""

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import torch

from apcli.checkpoints.files.staging import remove_stale, staged
from apcli.checkpoints.promises import Json
from apcli.data.streaming import ReaderLost
from apcli.errors import UsageError

RESUME_SUFFIX = ".resume.pt"


class Resume:
    """The saved state of one run, identified by ``identity``: the same for the same command on the same inputs.

    Args:
        path: the result's; the state lies beside it as X.resume.pt. None: nothing can be saved (a pipe).
        identity: the part of the result's lineage that identifies the run.
        every: epochs between saved states; 0: save only if a signal stops the run.
        fresh: start again, ignoring a saved state.

    Attributes:
        state: the saved state, on the CPU; None if there is none.

    Raises:
        UsageError: the saved state belongs to another run, or cannot be read.
    """

    def __init__(self, path: Path | None, identity: Json, every: float = 0.0, *, fresh: bool = False) -> None:
        self.path = path and path.with_name(path.name.split(".safetensors")[0] + RESUME_SUFFIX)
        self.every = every
        if self.path is not None:
            remove_stale(self.path)
        self._identity = json.dumps(identity, sort_keys=True)
        self.state = None if fresh else self._saved()

    def _saved(self) -> dict[str, Any] | None:
        if self.path is None or not self.path.exists():
            return None
        try:
            identity, state = _load(self.path)
        except Exception as error:  # zipfile and torch raise almost anything on a broken file
            raise UsageError(f"{self.path} cannot be read as a saved state: give --no-resume to start again") from error
        if identity != self._identity:
            raise UsageError(
                f"{self.path} belongs to a run with other settings: repeat its command to resume it, or give "
                "--no-resume to start again"
            )
        return state

    def save(self, state: Mapping[str, Any]) -> None:
        """Write the state, completely or not at all.

        Raises:
            ApcliError: the system refuses to write.
        """
        if self.path is not None:
            with staged(self.path) as new, new.open("wb") as file:
                try:
                    torch.save({"recipe": self._identity, "state": dict(state)}, file)
                except RuntimeError as error:  # torch wraps the system's error
                    raise error.__context__ or error from None

    @contextmanager
    def kept(self, save: Callable[[], None], *, alone: bool) -> Iterator[None]:
        """Save the run if its images can no longer be read; not with several processes, which must save together."""
        try:
            yield
        except ReaderLost as error:
            if self.path is None or not alone:
                raise
            save()
            raise ReaderLost(f"{error}; the state is saved in {self.path}: the same command resumes") from error

    def remove(self) -> None:
        """Remove the saved state: the result is complete."""
        if self.path is not None:
            self.path.unlink(missing_ok=True)


def _load(path: Path) -> tuple[str, dict[str, Any]]:
    """The identity and the state in a file, whose checksums are verified first, as torch does not do."""
    with ZipFile(path) as file:
        if file.testzip() is not None:
            raise ValueError("a checksum does not fit")
    saved = torch.load(path, map_location="cpu", weights_only=True)
    return str(saved["recipe"]), dict(saved["state"])
