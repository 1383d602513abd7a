"""What is said to people, on stderr: messages, errors, and progress while something runs."""

import logging
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout

from apcli.cli.streams.standard import current
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
    stderr, undo = current().stderr, current().undo
    handler = logging.NullHandler() if stderr is None else logging.StreamHandler(stderr)
    handler.setFormatter(_Plain())
    log = logging.getLogger("apcli")
    undo.callback(_set_log, log.handlers[:], log.level, log.propagate)
    _set_log([handler], logging.ERROR if quiet else logging.INFO, False)
    # What other libraries print (torch.hub announces its downloads) must not mix with the product.
    aside = stderr
    if aside is None or quiet:
        aside = undo.enter_context(open(os.devnull, "w"))  # noqa: SIM115
    undo.enter_context(redirect_stdout(aside))
    undo.callback(setattr, warnings, "showwarning", warnings.showwarning)
    warnings.showwarning = lambda message, *where, **more: log.warning("%s", message)  # other libraries' words


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
    """Say why the program ends; which of ``torchrun``'s processes says so, where it is not the first."""
    stderr = current().stderr
    if stderr is not None:
        who = "" if is_first() else f"process {os.environ.get('RANK')}: "
        print(printable(f"apcli: error: {who}{' '.join(sentence.split())}"), file=stderr)


@contextmanager
def progress() -> Iterator[Tell]:
    """A function ``tell(text, share)`` that shows one line of progress on stderr while it is a terminal, else nothing.

    With a ``share`` in [0, 1] a bar stands before it.
    An empty text takes the line away until there is another one: before something is printed on the same terminal.
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
