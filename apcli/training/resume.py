"""What a run that was stopped needs to go on: one file beside its result, there only until that is whole."""

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import torch

from apcli.checkpoints.files.staging import remove_stale, staged
from apcli.data.streaming import ReaderLost
from apcli.errors import UsageError

RESUME_SUFFIX = ".resume.pt"


class Resume:
    """The saved state of one run, told by ``recipe``: the same command and inputs make the same.

    Args:
        path: the result's; the state lies beside it as X.resume.pt. None: nothing can be kept (a pipe).
        recipe: what the result's lineage will say of how it was made.
        every: epochs from one saved state to the next; 0: only where a signal stops the run.
        fresh: begin anew, whatever is there.

    Attributes:
        state: what was saved, on the CPU; None where nothing was.

    Raises:
        UsageError: what is there is of another run, or cannot be read.
    """

    def __init__(
        self, path: Path | None, recipe: Mapping[str, Any], every: float = 0.0, *, fresh: bool = False
    ) -> None:
        self.path = path and path.with_name(path.name.split(".safetensors")[0] + RESUME_SUFFIX)
        self.every = every
        if self.path is not None:
            remove_stale(self.path)
        self._recipe = json.dumps(recipe, sort_keys=True)
        self.state = None if fresh else self._saved()

    def _saved(self) -> dict[str, Any] | None:
        if self.path is None or not self.path.exists():
            return None
        try:
            recipe, state = _load(self.path)
        except Exception as error:  # zipfile and torch raise of a broken file almost anything
            raise UsageError(f"{self.path} is no state that can be read: --no-resume starts anew") from error
        if recipe != self._recipe:
            raise UsageError(
                f"{self.path} is of a run with other settings: repeat its command to go on, or --no-resume starts anew"
            )
        return state

    def save(self, state: Mapping[str, Any]) -> None:
        """Write the state, whole or not at all.

        Raises:
            ApcliError: the system refuses to write.
        """
        if self.path is not None:
            with staged(self.path) as new, new.open("wb") as file:
                try:
                    torch.save({"recipe": self._recipe, "state": dict(state)}, file)
                except RuntimeError as error:  # torch's own, for what the system said
                    raise error.__context__ or error from None

    @contextmanager
    def kept(self, save: Callable[[], None], *, alone: bool) -> Iterator[None]:
        """Within it, a run whose images cannot be read any more is saved; not one of several processes, which agree."""
        try:
            yield
        except ReaderLost as error:
            if self.path is None or not alone:
                raise
            save()
            raise ReaderLost(f"{error}; what was learnt is in {self.path}: the same command goes on") from error

    def remove(self) -> None:
        """The result is whole: nothing is left to go on with."""
        if self.path is not None:
            self.path.unlink(missing_ok=True)


def _load(path: Path) -> tuple[str, dict[str, Any]]:
    """The recipe and the state of a file; it is checked as a whole first, which torch does not do."""
    with ZipFile(path) as file:
        if file.testzip() is not None:
            raise ValueError("a checksum does not fit")
    saved = torch.load(path, map_location="cpu", weights_only=True)
    return str(saved["recipe"]), dict(saved["state"])
