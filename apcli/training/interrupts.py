"""Hold back signals that ask a run to end until its state is complete."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any


class Interrupts:
    """The signal that asked the run to end, in ``received``; None if there was none."""

    def __init__(self) -> None:
        self.received: int | None = None


@contextmanager
def held_back() -> Iterator[Interrupts]:
    """Note the first SIGINT or SIGTERM and raise it again when the context ends; a second one takes effect at once.

    Nothing is held back outside the main thread, the only one that receives signals. A signal that the process
    ignores, as under ``nohup``, stays ignored.
    """
    interrupts = Interrupts()
    if threading.current_thread() is not threading.main_thread():
        yield interrupts
        return
    before: dict[int, Any] = {}

    def restore() -> None:
        for signum, handler in before.items():
            signal.signal(signum, handler)

    def note(signum: int, frame: FrameType | None) -> None:
        interrupts.received = signum
        restore()

    for signum in (signal.SIGINT, signal.SIGTERM):
        if signal.getsignal(signum) is not signal.SIG_IGN:
            before[signum] = signal.signal(signum, note)
    try:
        yield interrupts
    finally:
        restore()
        if interrupts.received is not None:
            signal.raise_signal(interrupts.received)
