"""The state to resume a stopped run from: one file beside the result, removed when that is complete."""

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import torch
from torch import Tensor

from apcli.checkpoints.files.staging import remove_stale, staged
from apcli.checkpoints.lineage import first_difference
from apcli.checkpoints.promises import Json, others
from apcli.data.streaming import ReaderLost
from apcli.errors import UsageError

RESUME_SUFFIX = ".resume.pt"


@dataclass(frozen=True, eq=False)
class State:
    """Everything that the next step of a training depends on.

    Attributes:
        parts: the states of the network, the optimiser and whatever else has a state of its own, by name.
        done: the steps of the current epoch that are done.
        tally: the sums over these steps, of all processes.
        history: an entry for every completed epoch.
        snapshots: the traced tensors' values, by epoch and name.
        best: the smallest loss, its epoch, and the weights after that if they may become the result.
        good: the weights after the last completed epoch; None in the first.
    """

    parts: Mapping[str, Any]
    done: int
    tally: Tensor
    history: list[Json]
    snapshots: dict[int, dict[str, Tensor]]
    best: tuple[float, int, dict[str, Tensor] | None]
    good: dict[str, Tensor] | None

    def to_saved(self) -> dict[str, Any]:
        """Numbers, text and tensors by name, which torch reads without running code."""
        own = {name: getattr(self, name) for name in _OWN}
        return {**self.parts, **own, "history": json.dumps(self.history), "best": list(self.best)}

    @classmethod
    def from_saved(cls, given: Mapping[str, Any]) -> "State":
        """Read the output of ``to_saved``.

        Raises:
            KeyError: a member is missing.
            ValueError: a member is not what was expected.
        """
        loss, epoch, weights = given["best"]
        own = {name: given[name] for name in _OWN} | {"best": (loss, epoch, weights)}
        return cls(others(given, _OWN), **{**own, "history": json.loads(given["history"])})


_OWN = tuple(field.name for field in fields(State) if field.name != "parts")


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
        self._members = json.loads(json.dumps(identity))  # tuples are lists, as in what was saved
        self._identity = json.dumps(identity, sort_keys=True)
        self.state = None if fresh else self._saved()

    def _saved(self) -> State | None:
        if self.path is None or not self.path.exists():
            return None
        try:
            identity, state = _load(self.path)
        except Exception as error:  # zipfile and torch raise almost anything on a broken file
            raise UsageError(f"{self.path} cannot be read as a saved state: give --no-resume to start again") from error
        if identity != self._identity:
            first = first_difference(json.loads(identity), self._members)
            raise UsageError(
                f"{self.path} belongs to a run with other settings{f' ({first})' if first else ''}: repeat its command "
                "to resume it, or give --no-resume to start again"
            )
        return state

    def save(self, state: State) -> None:
        """Write the state, completely or not at all.

        Raises:
            ApcliError: the system refuses to write.
        """
        if self.path is not None:
            with staged(self.path) as new, new.open("wb") as file:
                try:
                    torch.save({"recipe": self._identity, "state": state.to_saved()}, file)
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


def _load(path: Path) -> tuple[str, State]:
    """The identity and the state in a file, whose checksums are verified first, as torch does not do."""
    with ZipFile(path) as file:
        if file.testzip() is not None:
            raise ValueError("a checksum does not fit")
    saved = torch.load(path, map_location="cpu", weights_only=True)
    return str(saved["recipe"]), State.from_saved(saved["state"])
