"""Messages, errors and progress for people, on stderr."""

import logging
import os
import warnings
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, nullcontext, redirect_stdout
from dataclasses import replace
from typing import TextIO

from apcli.cli.layout.sparklines import BARS
from apcli.cli.layout.text import wrapped
from apcli.cli.streams import live
from apcli.cli.streams.live import Line, takes_a_line
from apcli.cli.streams.standard import current
from apcli.progress import KEPT, Progress, Status
from apcli.words import count, in_one_line

# What tables draw, and what stands for it where the terminal cannot show that.
_IN_ASCII = {"─": "-", "…": "~", "·": " ", "→": ">", **dict(zip(BARS, "_.-:=+*#", strict=True))}
_LONGEST = 10_000  # characters of a message: two paths, as long as a system allows, and what is said of them
_HANG = 2  # columns by which the lines of a message that follow its first are indented


def is_alone() -> bool:
    """Whether this is the only process, not one of several that ``torchrun`` started."""
    return os.environ.get("WORLD_SIZE", "1") == "1"


def is_first() -> bool:
    """Whether this process prints for all that ``torchrun`` started."""
    return is_alone() or os.environ.get("RANK") == "0"


def start(stage: str, quiet: bool, *, writes: bool = True) -> None:
    """Send messages to stderr: only errors if ``quiet``, or in any but the first of several processes.

    On a terminal the live line shows at once that the stage is starting: its libraries take a second or more to load.

    Args:
        stage: the command's name.
        writes: whether it leaves files that the next run keeps.
    """
    quiet = quiet or not is_first()
    streams = current()
    stderr, undo = streams.stderr, streams.undo
    handler = logging.NullHandler() if stderr is None else _Handler(stderr)
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
    streams.stage, streams.writes = stage, writes
    if stderr is not None and not quiet and takes_a_line(stderr):
        streams.line = Line(stderr, stage)
        undo.callback(streams.line.close)
        streams.line.show(Status("starting"))


def _set_log(handlers: list[logging.Handler], level: int, propagate: bool) -> None:
    log = logging.getLogger("apcli")
    log.handlers[:] = handlers
    log.setLevel(level)
    log.propagate = propagate


class _Handler(logging.StreamHandler[TextIO]):
    """Writes messages above the live line; those about files that are there already become one, see ``close``."""

    def emit(self, record: logging.LogRecord) -> None:
        streams = current()
        line = streams.line
        if line is None:
            super().emit(record)
        elif record.msg == KEPT:
            streams.kept.append(self.format(record))
        else:
            line.write(self.format(record) + self.terminator)

    def format(self, record: logging.LogRecord) -> str:
        return in_its_width(super().format(record), self.stream)


class _Plain(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        prefix = "" if record.levelno == logging.INFO else f"{record.levelname.lower()}: "
        return printable(f"apcli: {prefix}{_in_one_breath(record.getMessage())}")


def _in_one_breath(sentence: str) -> str:
    """A message in one line, of a length that somebody reads: a name in a file may have a megabyte."""
    line = " ".join(sentence.split())
    return line if len(line) <= _LONGEST else f"{line[: _LONGEST // 2]} … {line[-_LONGEST // 2 :]}"


def printable(text: str) -> str:
    """``text`` without control characters, which a file's metadata could use to command the terminal."""
    return "\n".join(map(in_one_line, text.split("\n")))


def columns_of(stream: TextIO) -> int:
    """The columns for which text is laid out on a terminal: as many as ``COLUMNS`` says, else those it has."""
    asked = os.environ.get("COLUMNS", "")
    return int(asked) if asked.isdecimal() and int(asked) > 0 else live.width_of(stream)


def in_its_width(sentence: str, stream: TextIO) -> str:
    """A message as ``stream`` gets it: a terminal in lines that end between words, anything else in one."""
    return "\n".join(wrapped(sentence, columns_of(stream), _HANG)) if stream.isatty() else sentence


def in_its_characters(text: str, terminal: TextIO) -> str:
    """The text with ASCII for rules, gaps and bars that ``terminal`` cannot draw."""
    for mark, plain in _IN_ASCII.items():
        if not mark.encode(terminal.encoding, "ignore"):
            text = text.replace(mark, plain)
    return text


def shows() -> bool:
    """Whether somebody reads stderr on a terminal, and has not asked for errors alone."""
    stderr = current().stderr
    return is_first() and stderr is not None and stderr.isatty() and logging.getLogger("apcli").level < logging.ERROR


def show(lines_in: Callable[[int], Iterable[str]]) -> None:
    """Print lines for a person on stderr, if ``shows``.

    Args:
        lines_in: gives them, for the number of columns that the terminal has.
    """
    stderr = current().stderr
    if stderr is not None and shows():
        text = printable("\n".join(lines_in(columns_of(stderr))))
        with aside():
            print(in_its_characters(text, stderr), file=stderr, flush=True)


def say_error(sentence: str) -> None:
    """Print why the program ends and, if it is not the first, which of ``torchrun``'s processes this is."""
    who = "" if is_first() else f"process {os.environ.get('RANK')}: "
    _say(f"error: {who}{sentence}")


def say_end(word: str) -> None:
    """Say that a signal, or a closed pipe, ends the stage, and how far it is; nothing if all is done."""
    streams = current()
    progress = streams.progress
    if not is_first() or not streams.stage or logging.getLogger("apcli").level >= logging.ERROR:
        return
    if progress is not None and progress.done and progress.done == progress.total:
        return
    total = (progress and progress.total) or 0
    where = f" after {progress.done} of {total}" if progress is not None and total > 1 else ""
    more = ": finished files are kept, run the same command again to resume" if streams.writes else ""
    _say(f"{streams.stage} {word if where else word.rstrip(',')}{where}{more}")


def _say(sentence: str) -> None:
    close()
    stderr = current().stderr
    if stderr is not None:
        text = in_its_width(printable(f"apcli: {_in_one_breath(sentence)}"), stderr)
        print(f"{live.erasing(stderr) if takes_a_line(stderr) else ''}{text}", file=stderr)


@contextmanager
def aside() -> Iterator[None]:
    """Clear the live line while something is printed on the terminal."""
    line = current().line
    with nullcontext() if line is None else line.aside():
        yield


def close() -> None:
    """Clear the live line for good: the stage has ended. How many files were there already is said now."""
    streams = current()
    line, kept = streams.line, streams.kept
    if line is not None:
        if len(kept) > 1:
            logging.getLogger("apcli").info("%s are already there, made the same way: kept", count(len(kept), "file"))
        elif kept:
            line.write(f"{kept[0]}\n")
        kept.clear()
        line.close()


def waiting() -> None:
    """Say that the stage waits for another one: nothing is shown, and the other may draw."""
    line = current().line
    if line is not None:
        line.show(Status(""))


def progress(inputs: int | None = None) -> Progress:
    """Follows the stage: by the live line on a terminal, elsewhere by lines of the log.

    Args:
        inputs: how many checkpoints are given; None: not known yet.
    """
    streams = current()
    if streams.line is None:
        streams.progress = Progress(note=logging.getLogger("apcli").info, inputs=inputs)
    else:
        show = streams.line.show
        streams.progress = Progress(lambda status: show(replace(status, text=printable(status.text))), inputs=inputs)
    return streams.progress
