"""The standard streams of one run of a command: the process's own, or those of a caller.

stdout carries the product (paths, bytes or records) and nothing else; everything for people goes to stderr.
So the product goes to ``current().stdout``, and ``sys.stdout``, to which other libraries print, is stderr from a
command's start on.
"""

import sys
from contextlib import ExitStack
from dataclasses import dataclass, field
from types import TracebackType
from typing import TextIO

from apcli.cli.streams.live import Line
from apcli.progress import Progress


@dataclass(eq=False)
class Streams:
    """Standard input, output and error of one run; None: closed.

    The run redirects the prints of other libraries, warnings and messages of the whole process. ``undo`` restores them
    at the end of a ``with`` block. A process that ends with its run does not restore them, because prints of libraries
    while the interpreter ends are no product either.

    Attributes:
        stage: the command's name.
        writes: whether the stage leaves files that the next run keeps.
        kept: what is still to be said on a terminal about files that were there already.
        line: the stage's live line, if stderr is a terminal.
        progress: how far the stage is.
    """

    stdin: TextIO | None
    stdout: TextIO | None
    stderr: TextIO | None
    undo: ExitStack = field(default_factory=ExitStack)
    stage: str = ""
    writes: bool = True
    kept: list[str] = field(default_factory=list)
    line: Line | None = None
    progress: Progress | None = None

    def __enter__(self) -> "Streams":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.undo.close()


_runs: list[Streams] = []  # streams of the current runs, the innermost last


def of_process() -> Streams:
    """The streams with which this process was started."""
    return Streams(sys.stdin, sys.stdout, sys.stderr)


def begin(streams: Streams) -> None:
    """Let a run read and write ``streams`` until their ``with`` block ends."""
    _runs.append(streams)
    streams.undo.callback(_runs.remove, streams)
    streams.undo.callback(_set, sys.stdin, sys.stdout, sys.stderr)
    _set(streams.stdin, streams.stdout, streams.stderr)


def current() -> Streams:
    """The streams of the innermost run; the process's own if there is none."""
    return _runs[-1] if _runs else of_process()


def _set(stdin: TextIO | None, stdout: TextIO | None, stderr: TextIO | None) -> None:
    sys.stdin, sys.stdout, sys.stderr = stdin, stdout, stderr
