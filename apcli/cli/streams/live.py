"""The live line: what a stage is doing, in the last line of the terminal, until there is more to say.

Several stages of one pipe share a terminal. One of them draws at a time: the holder of an advisory lock on the
terminal's device. The line is never longer than the terminal is wide, and each piece of text is one write that begins
by erasing the line, so whatever another stage has drawn there, nothing is glued to it.
"""

import fcntl
import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO

from apcli.cli.layout.text import cells, shortened
from apcli.progress import Status, in_time

ERASE = "\r\x1b[2K"
_PAUSE = 0.1  # seconds between two drawings
_TICK = 0.5  # seconds after which a line is drawn again, for its clock
_PATIENCE = 2.0  # seconds without a word from the stage, after which the line shows how long it has been
_BAR, _LEAST_BAR, _LEAST_TEXT, _LEAST_END = 20, 4, 32, 8  # columns; with less than the last, the share says enough
_DEFAULT_WIDTH = 80
_ECHO = 3  # columns left free: the terminal prints ^C behind the line, which must not begin another one


def takes_a_line(stream: TextIO | None) -> bool:
    """Whether ``stream`` is a terminal on which a line can be drawn in place."""
    return stream is not None and stream.isatty() and os.environ.get("TERM") != "dumb"


class Turn:
    """The right to draw on a terminal, which one process has at a time."""

    def __init__(self, stream: TextIO) -> None:
        self.taken = False
        self._device: int | None = None
        try:  # a description of its own: processes of one pipe inherit the stream's, and a lock belongs to that
            self._device = os.open(os.ttyname(stream.fileno()), os.O_WRONLY | os.O_NOCTTY)
        except OSError:  # a terminal of another user, or one that has no name: nobody to share it with
            self._device = None

    def take(self) -> bool:
        """Take the turn if nobody has it; whether it is ours."""
        if self._device is not None and not self.taken:
            try:
                fcntl.flock(self._device, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                return False
        self.taken = True
        return True

    def give(self) -> None:
        """Let another process draw."""
        if self._device is not None and self.taken:
            fcntl.flock(self._device, fcntl.LOCK_UN)
        self.taken = False

    def close(self) -> None:
        """Give the turn back for good."""
        self.give()
        if self._device is not None:
            os.close(self._device)
            self._device = None


def erasing(stream: TextIO) -> str:
    """What a text on the terminal begins with, of a process that draws no line: nothing, unless another has drawn."""
    turn = Turn(stream)
    is_free = turn.take()
    turn.close()
    return "" if is_free else ERASE


class Line:
    """The live line of one stage on a terminal.

    Args:
        stage: its name, which stands first.
    """

    def __init__(self, stream: TextIO, stage: str) -> None:
        self._stream = stream
        self._stage = stage
        self._turn = Turn(stream)
        self._lock = threading.RLock()
        self._status = Status("")
        self._since = self._drawn = 0.0
        self._stopped = threading.Event()
        self._ticker = threading.Thread(target=self._tick, name="live line", daemon=True)
        self._ticker.start()

    def show(self, status: Status) -> None:
        """Draw ``status``, now or within a moment; an empty text clears the line and lets others draw."""
        with self._lock:
            now = time.monotonic()
            fresh = status.text != self._status.text
            self._status, self._since = status, now
            if not status.text:
                self._clear()
            elif fresh or now - self._drawn >= _PAUSE:
                self._draw()

    def write(self, text: str) -> None:
        """Print whole lines above the live line, on the same terminal."""
        with self._lock:
            self._put(self._erasing() + text)
            if self._turn.taken:
                self._draw()

    def _erasing(self) -> str:
        """What a text must begin with: nothing, where neither this stage nor another has drawn a line."""
        if self._turn.taken or not self._turn.take():
            return ERASE
        self._turn.give()
        return ""

    @contextmanager
    def aside(self) -> Iterator[None]:
        """Clear the line while something else is printed on the terminal."""
        with self._lock:
            self._put(self._erasing())
            try:
                yield
            finally:
                if self._turn.taken:
                    self._draw()

    def close(self) -> None:
        """Clear the line for good."""
        self._stopped.set()
        with self._lock:
            self._clear()
            self._turn.close()

    def _clear(self) -> None:
        if self._turn.taken:
            self._put(ERASE)
            self._turn.give()

    def _draw(self) -> None:
        if self._stopped.is_set() or not self._turn.take():
            return
        now = time.monotonic()
        self._drawn, silent = now, now - self._since
        clock = in_time(silent) if silent >= _PATIENCE else ""
        bar = "━─" if _can_show(self._stream, "━─…") else "#-"
        self._put(ERASE + line_of(self._stage, self._status, width_of(self._stream) - _ECHO, clock, bar))

    def _put(self, text: str) -> None:
        """Write a text at once: the writes of other stages come before or after it."""
        try:
            self._stream.flush()
            os.write(self._stream.fileno(), text.encode(self._stream.encoding, "backslashreplace"))
        except (OSError, ValueError):  # the terminal is gone: what the stage makes does not depend on it
            self._stopped.set()

    def _tick(self) -> None:
        while not self._stopped.wait(_TICK):
            with self._lock:
                if self._status.text and time.monotonic() - self._drawn >= _TICK:
                    self._draw()


def width_of(stream: TextIO) -> int:
    """The terminal's width in columns, now."""
    try:
        return os.get_terminal_size(stream.fileno()).columns or _DEFAULT_WIDTH
    except (OSError, ValueError):
        return _DEFAULT_WIDTH


def _can_show(stream: TextIO, text: str) -> bool:
    try:
        text.encode(stream.encoding or "ascii")
    except UnicodeEncodeError:
        return False
    return True


def line_of(stage: str, status: Status, width: int, clock: str = "", bar: str = "━─") -> str:
    """A status in at most ``width`` columns.

    The bar shrinks first, then the text loses its middle, then numbers go, the least important first.

    Args:
        clock: how long nothing has changed.
        bar: the characters of the done and of the open part.
    """
    gap = "…" if bar[0] == "━" else "..."
    number, total = status.place
    count = f" {number} of {total}" if total > 1 else f" {number}" if number > 1 else ""
    percent = "" if status.share is None else f"{min(100, int(100 * status.share)):d} % "
    head, facts = f"{stage}{count}: ", [*status.facts, *([clock] if clock else [])]
    while True:
        numbers = "".join(f", {fact}" for fact in facts)
        room = width - cells(head) - len(percent) - cells(numbers)
        if room >= min(_LEAST_TEXT, cells(status.text)) or not facts:
            break
        facts.pop()
    text = shortened(status.text, max(0, room), gap) if room >= _LEAST_END or not percent else ""
    size = min(_BAR, room - cells(text) - 1)
    drawn = ""
    if status.share is not None and size >= _LEAST_BAR:
        done = int(size * min(1.0, status.share))
        drawn = f"{bar[0] * done}{bar[1] * (size - done)} "
    return shortened(f"{head}{drawn}{percent}{text}{numbers}".rstrip(), width, gap)
