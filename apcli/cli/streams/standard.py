"""The standard streams of one run of a command: the process's own, or those that a caller lends it.

stdout carries the product (paths, bytes or records) and nothing else; everything said to people goes to stderr.
So the product goes to ``current().stdout``; ``sys.stdout``, where other libraries print, is stderr from a command's
start on.
"""

import sys
from contextlib import ExitStack
from dataclasses import dataclass, field
from types import TracebackType
from typing import TextIO


@dataclass(frozen=True, eq=False)
class Streams:
    """Standard input, output and error of one run; None: there is none.

    The run changes the process for their sake: where other libraries print, what becomes of warnings and messages.
    ``undo`` holds the way back, taken at the end of a ``with`` block. A process that ends with its run leaves it: what
    libraries print while the interpreter ends is no product either.
    """

    stdin: TextIO | None
    stdout: TextIO | None
    stderr: TextIO | None
    undo: ExitStack = field(default_factory=ExitStack)

    def __enter__(self) -> "Streams":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.undo.close()


_runs: list[Streams] = []  # that go on, the last one begun last


def of_process() -> Streams:
    """The streams that this process was started with."""
    return Streams(sys.stdin, sys.stdout, sys.stderr)


def begin(streams: Streams) -> None:
    """Let a run read and write ``streams``, until their ``with`` block ends."""
    _runs.append(streams)
    streams.undo.callback(_runs.remove, streams)
    streams.undo.callback(_set, sys.stdin, sys.stdout, sys.stderr)
    _set(streams.stdin, streams.stdout, streams.stderr)


def current() -> Streams:
    """The streams of the run that was begun last; the process's own before the first."""
    return _runs[-1] if _runs else of_process()


def _set(stdin: TextIO | None, stdout: TextIO | None, stderr: TextIO | None) -> None:
    sys.stdin, sys.stdout, sys.stderr = stdin, stdout, stderr
