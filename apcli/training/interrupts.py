"""Signals that ask a run to end, held back until its state is whole."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any


class Interrupts:
    """``received`` is the signal that asked, else None."""

    def __init__(self) -> None:
        self.received: int | None = None


@contextmanager
def held_back() -> Iterator[Interrupts]:
    """Within it, the first SIGINT or SIGTERM is only noted, and raised anew at its end; a second takes effect at once.

    Outside the main thread, which alone receives signals, nothing is held back. A signal that the process ignores, as
    ``nohup`` asks for, stays ignored.
    """
    interrupts = Interrupts()
    if threading.current_thread() is not threading.main_thread():
        yield interrupts
        return
    before: dict[int, Any] = {}

    def let_go() -> None:
        for signum, handler in before.items():
            signal.signal(signum, handler)

    def note(signum: int, frame: FrameType | None) -> None:
        interrupts.received = signum
        let_go()

    for signum in (signal.SIGINT, signal.SIGTERM):
        if signal.getsignal(signum) is not signal.SIG_IGN:
            before[signum] = signal.signal(signum, note)
    try:
        yield interrupts
    finally:
        let_go()
        if interrupts.received is not None:
            signal.raise_signal(interrupts.received)
