"""What a stage is doing, for whoever watches: in one line, with the numbers that change."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

KEPT = "%s is already there, made the same way: kept"  # of a result that needs no work; a terminal gets one for all
_PAUSE = 0.2  # seconds between two lines


@dataclass(frozen=True)
class Status:
    """What a stage is doing at one moment.

    Attributes:
        text: what it does, and to which file or network; empty: nothing, or it waits.
        share: the part done, in [0, 1]; None: not known.
        facts: numbers to show beside the text, the most important first.
        place: the result that is being made, from 1, and how many there are (0: not known).
    """

    text: str
    share: float | None = None
    facts: tuple[str, ...] = ()
    place: tuple[int, int] = (1, 1)


class Tell(Protocol):
    """Says what is being done; ``share`` gives the part done, ``facts`` numbers, the most important first."""

    def __call__(self, text: str, share: float | None = None, facts: Sequence[str] = ()) -> None: ...


class Progress:
    """How far a stage is; without ``show`` and ``note`` nobody watches.

    Args:
        show: shows a status, in place of the one before.
        note: keeps a line, for where nothing is shown in place: a file, a batch system.
        inputs: how many checkpoints are given; None: not known yet.
    """

    def __init__(
        self,
        show: Callable[[Status], None] | None = None,
        note: Callable[[str], None] | None = None,
        inputs: int | None = None,
    ) -> None:
        self._show = show
        self._note = note
        self._inputs = inputs
        self._each = 1
        self._done = 0
        self._made = 0.0  # results made in this run: those that were there already took no time
        self._began = time.monotonic()

    @property
    def done(self) -> int:
        """The number of results that are there."""
        return self._done

    @property
    def total(self) -> int | None:
        """How many results there will be; None: not known."""
        return None if self._inputs is None else self._inputs * self._each

    def expect(self, each: int) -> None:
        """Say how many results come of each input."""
        self._each = each

    def __call__(self, text: str, share: float | None = None, facts: Sequence[str] = ()) -> None:
        if self._show is not None:
            left = self._left(share or 0.0)
            more = () if left is None else (f"all {self.total}: {in_time(left)} left",)
            self._show(Status(text, share, (*facts, *more), (self._done + 1, self.total or 0)))

    def finished(self, *, made: bool = True) -> None:
        """A result is there; ``made`` in this run, or before. Nothing is shown until there is more to say."""
        self._done += 1
        if made:
            self._made += 1
        elif self._made == 0:
            self._began = time.monotonic()
        if self._show is not None:
            self._show(Status(""))

    def note(self, line: str) -> None:
        """Keep a line, where nothing is shown in place."""
        if self._note is not None:
            self._note(line)

    def _left(self, share: float) -> float | None:
        """Seconds to the last result, going by those of this run; None where that is not known."""
        total, made = self.total, self._made + share
        if total is None or total == 1 or made == 0:
            return None
        return (time.monotonic() - self._began) / made * max(0.0, total - self._done - share)


class Pace:
    """Reports a training's share done, its numbers, images per second and the remaining time.

    Args:
        tell: takes a sentence, the share done in [0, 1], and numbers.
        label: the name of the trained network.
    """

    def __init__(self, tell: Tell | None = None, label: str = "", epochs: int = 1) -> None:
        self._tell = tell
        self._label = label
        self._epochs = max(1, epochs)
        self._began: tuple[float, float] | None = None  # the clock and the share after the first step
        self._images = 0
        self._last = -_PAUSE
        self._share: float | None = None

    def step(self, epoch: int, share: float, images: int, numbers: Callable[[], Sequence[str]] = tuple) -> None:
        """Report a step of ``images`` images, after which ``share`` of epoch ``epoch`` (from 0) is done.

        Args:
            numbers: gives the loss and the like; only called when they are shown, as a device is waited for.
        """
        if self._tell is None:
            return
        now, done = time.monotonic(), (epoch + share) / self._epochs
        self._share = done
        text = f"{self._label}: epoch {epoch + 1}/{self._epochs}"
        if self._began is None:
            self._began = (now, done)
            self._tell(text, done)
            return
        self._images += images
        if now - self._last < _PAUSE:
            return
        self._last = now
        spent, gained = now - self._began[0], done - self._began[1]
        left = spent / gained * (1 - done) if gained > 0 else 0.0
        rate = self._images / spent if spent > 0 else 0.0
        self._tell(text, done, (*numbers(), f"{in_time(left)} left", f"{rate:,.0f} images/s"))

    def say(self, text: str) -> None:
        if self._tell is not None:
            self._tell(f"{self._label}: {text}", self._share)


def in_time(seconds: float) -> str:
    """``2 h 05 min``, ``3 min 20 s`` or ``12 s``."""
    whole = round(seconds)
    if whole >= 3600:
        return f"{whole // 3600} h {whole % 3600 // 60:02d} min"
    return f"{whole // 60} min {whole % 60:02d} s" if whole >= 60 else f"{whole} s"
