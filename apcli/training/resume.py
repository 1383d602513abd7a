"""What a run that was stopped needs to go on: one file beside its result, there only until that is whole."""

import json
import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from apcli.errors import UsageError
from apcli.safetensors_files import staged

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
        self._recipe = json.dumps(recipe, sort_keys=True)
        self.state = None if fresh else self._saved()

    def _saved(self) -> dict[str, Any] | None:
        if self.path is None or not self.path.exists():
            return None
        try:
            saved = torch.load(self.path, map_location="cpu", weights_only=True)
            state: dict[str, Any] | None = saved["state"] if saved["recipe"] == self._recipe else None
        except (OSError, RuntimeError, pickle.UnpicklingError, EOFError, KeyError, TypeError, ValueError):
            raise UsageError(f"{self.path} is no state that can be read: --no-resume starts anew") from None
        if state is None:
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
            with staged(self.path) as new:
                torch.save({"recipe": self._recipe, "state": dict(state)}, new)

    def remove(self) -> None:
        """The result is whole: nothing is left to go on with."""
        if self.path is not None:
            self.path.unlink(missing_ok=True)
