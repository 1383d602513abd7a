"""The state to resume a stopped run from, in a file beside the result, and the state before it, in case one is damaged.

Both are removed when the result is complete.
"""

import json
import logging
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import torch
from torch import Tensor

from apcli.checkpoints.files.saved_states import remove_states, states_beside
from apcli.checkpoints.files.staging import remove_stale, staged
from apcli.checkpoints.lineage import first_difference
from apcli.checkpoints.promises import Json, others
from apcli.data.streaming import ReaderLost
from apcli.errors import UsageError

log = logging.getLogger("apcli")


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
        state: the saved state, on the CPU, or the one before it if that is damaged; None if there is none.

    Raises:
        UsageError: the saved state belongs to another run, or neither can be read.
    """

    def __init__(self, path: Path | None, identity: Json, every: float = 0.0, *, fresh: bool = False) -> None:
        self._result = path
        self.path: Path | None = None
        self._before: Path | None = None
        if path is not None:
            self.path, self._before = states_beside(path)
            remove_stale(self.path)
        self.every = every
        self._members = json.loads(json.dumps(identity))  # tuples are lists, as in what was saved
        self._identity = json.dumps(identity, sort_keys=True)
        self._is_own = not fresh  # whether a file in the path's place is of this run
        self.state = None if fresh else self._saved()

    def _saved(self) -> State | None:
        there = [path for path in (self.path, self._before) if path is not None and path.exists()]
        for path in there:
            try:
                identity, state = _load(path)
            except Exception as error:  # zipfile and torch raise almost anything on a broken file
                if path != there[-1]:
                    continue
                remedy = "give --no-resume to start again"
                raise UsageError(f"{there[0]} cannot be read as a saved state: {remedy}") from error
            if path != there[0]:
                log.warning("%s is damaged: resuming from the state before it", there[0])
                there[0].unlink()  # it would take the place of the state before it
            return self._own(identity, state, path)
        return None

    def _own(self, identity: str, state: State, path: Path) -> State:
        """The state, if it is of this run."""
        if identity != self._identity:
            first = first_difference(json.loads(identity), self._members)
            raise UsageError(
                f"{path} belongs to a run with other settings{f' ({first})' if first else ''}: repeat its command "
                "to resume it, or give --no-resume to start again"
            )
        return state

    def save(self, state: State) -> None:
        """Write the state, completely or not at all, and keep the one before it.

        Raises:
            ApcliError: the system refuses to write.
        """
        if self.path is None or self._before is None:
            return
        with staged(self.path) as new:
            with new.open("wb") as file:
                try:
                    torch.save({"recipe": self._identity, "state": state.to_saved()}, file)
                except RuntimeError as error:  # torch wraps the system's error
                    raise error.__context__ or error from None
            if self._is_own and self.path.is_file():
                os.replace(self.path, self._before)
        self._is_own = True

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
        """Remove the saved states: the result is complete."""
        if self._result is not None:
            remove_states(self._result)


def _load(path: Path) -> tuple[str, State]:
    """The identity and the state in a file, whose checksums are verified first, as torch does not do."""
    with ZipFile(path) as file:
        if file.testzip() is not None:
            raise ValueError("a checksum does not fit")
    saved = torch.load(path, map_location="cpu", weights_only=True)
    return str(saved["recipe"]), State.from_saved(saved["state"])
