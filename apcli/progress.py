"""The progress and the speed of a run, in one line."""

import time
from typing import Protocol

_PAUSE = 0.2  # seconds between two lines


class Tell(Protocol):
    """Shows one line of progress, with a bar if ``share`` gives the part done."""

    def __call__(self, text: str, share: float | None = None) -> None: ...


class Pace:
    """Reports the share done, images per second and the remaining time.

    Args:
        tell: takes a sentence and the share done, in [0, 1].
        label: the name of the trained network.
    """

    def __init__(self, tell: Tell | None = None, label: str = "", epochs: int = 1) -> None:
        self._tell = tell
        self._label = label
        self._epochs = max(1, epochs)
        self._began: tuple[float, float] | None = None  # the clock and the share after the first step
        self._images = 0
        self._last = -_PAUSE

    def step(self, epoch: int, share: float, images: int) -> None:
        """Report a step of ``images`` images, after which ``share`` of epoch ``epoch`` (from 0) is done."""
        if self._tell is None:
            return
        now, done = time.monotonic(), (epoch + share) / self._epochs
        if self._began is None:
            self._began = (now, done)
            self._tell(f"{self._label}: epoch {epoch + 1}/{self._epochs}", done)
            return
        self._images += images
        if now - self._last < _PAUSE:
            return
        self._last = now
        spent, gained = now - self._began[0], done - self._began[1]
        left = spent / gained * (1 - done) if gained > 0 else 0.0
        rate = self._images / spent if spent > 0 else 0.0
        self._tell(f"{self._label}: epoch {epoch + 1}/{self._epochs}, {rate:,.0f} images/s, {in_time(left)} left", done)

    def say(self, text: str) -> None:
        if self._tell is not None:
            self._tell(f"{self._label}: {text}")


def in_time(seconds: float) -> str:
    """``2 h 05 min``, ``3 min 20 s`` or ``12 s``."""
    whole = round(seconds)
    if whole >= 3600:
        return f"{whole // 3600} h {whole % 3600 // 60:02d} min"
    return f"{whole // 60} min {whole % 60:02d} s" if whole >= 60 else f"{whole} s"
