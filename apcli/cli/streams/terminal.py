"""Standard input, output and error: the whole contract of the pipe, here only.

stdout carries the product (paths, bytes or records) and nothing else; everything said to people goes to stderr.
So the product goes to ``sys.__stdout__``; ``sys.stdout``, where other libraries print, is stderr once a command starts.
"""

import logging
import os
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

from apcli.progress import Tell


def is_alone() -> bool:
    """Whether ``torchrun`` started no other process beside this one."""
    return os.environ.get("WORLD_SIZE", "1") == "1"


def is_first() -> bool:
    """Whether this process speaks for all that ``torchrun`` started."""
    return is_alone() or os.environ.get("RANK") == "0"


def start(quiet: bool) -> None:
    """Send what the program says to stderr; ``quiet`` leaves errors only, as does being one of many."""
    quiet = quiet or not is_first()
    handler = logging.NullHandler() if sys.stderr is None else logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Plain())
    log = logging.getLogger("apcli")
    log.handlers[:] = [handler]
    log.setLevel(logging.ERROR if quiet else logging.INFO)
    log.propagate = False
    # What other libraries print (torch.hub announces its downloads) must not mix with the product.
    sys.stdout = open(os.devnull, "w") if quiet or sys.stderr is None else sys.stderr  # noqa: SIM115  # to the end
    warnings.showwarning = lambda message, *where, **more: log.warning("%s", message)  # other libraries' words


class _Plain(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        prefix = "" if record.levelno == logging.INFO else f"{record.levelname.lower()}: "
        return printable(f"apcli: {prefix}{' '.join(record.getMessage().split())}")


def printable(text: str) -> str:
    """``text`` without control characters, which a file's metadata could use to command the terminal."""
    return "".join(c if c.isprintable() or c == "\n" else ascii(c)[1:-1] for c in text)


def say_error(sentence: str) -> None:
    """Say why the program ends; which of ``torchrun``'s processes says so, where it is not the first."""
    if sys.stderr is not None:
        who = "" if is_first() else f"process {os.environ.get('RANK')}: "
        print(printable(f"apcli: error: {who}{' '.join(sentence.split())}"), file=sys.stderr)


@contextmanager
def progress() -> Iterator[Tell]:
    """A function ``tell(text, share)`` that shows one line of progress on stderr while it is a terminal, else nothing.

    With a ``share`` in [0, 1] a bar stands before it.
    An empty text takes the line away until there is another one: before something is printed on the same terminal.
    """
    if sys.stderr is None or not sys.stderr.isatty() or logging.getLogger("apcli").level >= logging.ERROR:
        yield lambda text, share=None: None
        return
    from rich.console import Console
    from rich.markup import escape
    from rich.progress import BarColumn, Progress, SpinnerColumn, TaskProgressColumn, TextColumn

    text_alone = (SpinnerColumn(), TextColumn("{task.description}"))
    with_bar = (SpinnerColumn(), BarColumn(20), TaskProgressColumn(), TextColumn("{task.description}"))
    bar = Progress(console=Console(stderr=True), transient=True)
    task = bar.add_task("", total=1.0)

    def tell(text: str, share: float | None = None) -> None:
        bar.columns = text_alone if share is None else with_bar
        bar.update(task, description=escape(printable(text)), completed=share or 0.0)
        (bar.start if text else bar.stop)()

    try:
        yield tell
    finally:
        bar.stop()
