"""Messages, errors and progress for people, on stderr."""

import logging
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout

from apcli.cli.streams.standard import current
from apcli.progress import Tell


def is_alone() -> bool:
    """Whether this is the only process, not one of several that ``torchrun`` started."""
    return os.environ.get("WORLD_SIZE", "1") == "1"


def is_first() -> bool:
    """Whether this process prints for all that ``torchrun`` started."""
    return is_alone() or os.environ.get("RANK") == "0"


def start(quiet: bool) -> None:
    """Send messages to stderr: only errors if ``quiet``, or in any but the first of several processes."""
    quiet = quiet or not is_first()
    stderr, undo = current().stderr, current().undo
    handler = logging.NullHandler() if stderr is None else logging.StreamHandler(stderr)
    handler.setFormatter(_Plain())
    log = logging.getLogger("apcli")
    undo.callback(_set_log, log.handlers[:], log.level, log.propagate)
    _set_log([handler], logging.ERROR if quiet else logging.INFO, False)
    # Prints of other libraries (torch.hub announces its downloads) must not mix with the product.
    aside = stderr
    if aside is None or quiet:
        aside = undo.enter_context(open(os.devnull, "w"))  # noqa: SIM115
    undo.enter_context(redirect_stdout(aside))
    undo.callback(setattr, warnings, "showwarning", warnings.showwarning)
    warnings.showwarning = lambda message, *where, **more: log.warning("%s", message)  # messages of other libraries


def _set_log(handlers: list[logging.Handler], level: int, propagate: bool) -> None:
    log = logging.getLogger("apcli")
    log.handlers[:] = handlers
    log.setLevel(level)
    log.propagate = propagate


class _Plain(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        prefix = "" if record.levelno == logging.INFO else f"{record.levelname.lower()}: "
        return printable(f"apcli: {prefix}{' '.join(record.getMessage().split())}")


def printable(text: str) -> str:
    """``text`` without control characters, which a file's metadata could use to command the terminal."""
    return "".join(c if c.isprintable() or c == "\n" else ascii(c)[1:-1] for c in text)


def say_error(sentence: str) -> None:
    """Print why the program ends and, if it is not the first, which of ``torchrun``'s processes this is."""
    stderr = current().stderr
    if stderr is not None:
        who = "" if is_first() else f"process {os.environ.get('RANK')}: "
        print(printable(f"apcli: error: {who}{' '.join(sentence.split())}"), file=stderr)


@contextmanager
def progress() -> Iterator[Tell]:
    """Yield a function ``tell(text, share)`` that shows a line of progress on stderr if that is a terminal.

    A ``share`` in [0, 1] adds a bar. An empty text hides the line until the next one, so that something can be printed
    on the same terminal.
    """
    stderr = current().stderr
    if stderr is None or not stderr.isatty() or logging.getLogger("apcli").level >= logging.ERROR:
        yield lambda text, share=None: None
        return
    from rich.console import Console
    from rich.markup import escape
    from rich.progress import BarColumn, Progress, SpinnerColumn, TaskProgressColumn, TextColumn

    text_alone = (SpinnerColumn(), TextColumn("{task.description}"))
    with_bar = (SpinnerColumn(), BarColumn(20), TaskProgressColumn(), TextColumn("{task.description}"))
    bar = Progress(console=Console(file=stderr), transient=True)
    task = bar.add_task("", total=1.0)

    def tell(text: str, share: float | None = None) -> None:
        bar.columns = text_alone if share is None else with_bar
        bar.update(task, description=escape(printable(text)), completed=share or 0.0)
        (bar.start if text else bar.stop)()

    try:
        yield tell
    finally:
        bar.stop()
