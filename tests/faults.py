"""Faults at a chosen step of writing: the n-th open, write, fsync, rename or removal below a folder.

Only what changes files there counts, so that n runs over the steps of a command from the first to the last. A write is
torn: half of its bytes arrive.
"""

import builtins
import errno
import io
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

Fault = Callable[[], None]

WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC
# Functions that change what a folder holds, and which of their arguments are paths.
CHANGES = {"replace": 2, "rename": 2, "unlink": 1, "remove": 1, "mkdir": 1, "rmdir": 1, "link": 2, "symlink": 2}


def killed() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def refused(number: int) -> Fault:
    """The system's refusal, as of a full disk."""

    def refuse() -> None:
        raise OSError(number, os.strerror(number))

    return refuse


FULL, BROKEN, READ_ONLY = refused(errno.ENOSPC), refused(errno.EIO), refused(errno.EROFS)


@dataclass
class Steps:
    """Counts the steps that change files below ``folder``; in step ``at`` the fault happens, before it is done."""

    folder: Path
    at: int
    fault: Fault
    seen: int = 0
    named: list[str] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def step(self, what: str, torn: Fault | None = None) -> None:
        with self._lock:  # tensors are written by several threads
            self.seen += 1
            self.named.append(what)
            hit = self.seen == self.at
        if hit:
            if torn is not None:
                torn()
            self.fault()

    def has(self, path: object) -> bool:
        """Whether a path, or the file of a descriptor, lies below the folder."""
        if isinstance(path, int):
            path = os.path.realpath(f"/proc/self/fd/{path}")
        return os.path.abspath(os.fsdecode(path)).startswith(f"{self.folder}{os.sep}")


@contextmanager
def injected(steps: Steps) -> Iterator[Steps]:
    """Let the fault happen in this process meanwhile."""
    with pytest.MonkeyPatch.context() as patch:
        for name, paths in CHANGES.items():
            patch.setattr(os, name, _changing(steps, name, getattr(os, name), paths))
        for name in ("fsync", "pwrite", "write"):
            patch.setattr(os, name, _on_descriptor(steps, name, getattr(os, name)))
        patch.setattr(os, "open", _opening(steps, os.open))
        opened = _file_of(steps, io.open)
        for module in (io, builtins):
            patch.setattr(module, "open", opened)
        yield steps


def _changing(steps: Steps, name: str, work: Callable[..., Any], paths: int) -> Callable[..., Any]:
    def changing(*given: Any, **more: Any) -> Any:
        if any(steps.has(path) for path in given[:paths]):
            steps.step(name)
        return work(*given, **more)

    return changing


def _opening(steps: Steps, work: Callable[..., int]) -> Callable[..., int]:
    def opening(path: Any, flags: int, *more: Any, **named: Any) -> int:
        if flags & WRITES and steps.has(path):
            steps.step("open")
        return work(path, flags, *more, **named)

    return opening


def _on_descriptor(steps: Steps, name: str, work: Callable[..., Any]) -> Callable[..., Any]:
    def on_descriptor(descriptor: int, *given: Any) -> Any:
        if steps.has(descriptor):
            torn = (lambda: work(descriptor, given[0][: len(given[0]) // 2], *given[1:])) if given else None
            steps.step(name, torn)
        return work(descriptor, *given)

    return on_descriptor


class _Counted(io.FileIO):
    steps: Steps

    def write(self, content: Any) -> Any:
        self.steps.step("write", lambda: super(_Counted, self).write(memoryview(content)[: len(content) // 2]))
        return super().write(content)


def _file_of(steps: Steps, work: Callable[..., Any]) -> Callable[..., Any]:
    def opened(
        path: Any, mode: str = "r", buffering: int = -1, encoding: str | None = None, *given: Any, **more: Any
    ) -> Any:
        if isinstance(path, int) or not set("wxa+") & set(mode) or not steps.has(path):
            return work(path, mode, buffering, encoding, *given, **more)
        steps.step("open")
        raw = _Counted(path, mode.replace("b", "").replace("t", ""))
        raw.steps = steps
        buffered = raw if buffering == 0 else io.BufferedWriter(raw)
        return buffered if "b" in mode else io.TextIOWrapper(buffered, encoding or "utf-8", *given, **more)

    return opened


def in_a_process(work: Callable[[], int]) -> int:
    """The exit status of ``work`` in a fork of this process; negative: the signal that ended it."""
    sys.stdout.flush()
    child = os.fork()
    if not child:
        status = 70
        try:
            status = work()
        finally:
            os._exit(status)
    _, status = os.waitpid(child, 0)
    return os.waitstatus_to_exitcode(status)
