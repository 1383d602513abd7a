"""Print a command's product on stdout: paths, records, pages and tables."""

import os
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import TextIO

from apcli.cli.layout.tables import Grid, lines_of
from apcli.cli.streams.incoming import CHUNK
from apcli.cli.streams.standard import current
from apcli.cli.streams.terminal import aside, columns_of, in_its_characters, is_first, printable
from apcli.errors import UsageError
from apcli.words import in_one_line


class ClosedPipe(BaseException):
    """Nobody reads standard output any more: what the stage would still make is not wanted."""


def _product() -> TextIO:
    stdout = current().stdout
    if stdout is None:
        raise UsageError("standard output is closed: expected a terminal, a file or a pipe for the result")
    return stdout


def emit_line(text: str) -> None:
    """Print one line of the product in UTF-8, whatever the locale; on a terminal, escape what it cannot show.

    The line is flushed.

    Raises:
        ClosedPipe: the reader is gone.
    """
    product = _product()
    _emit(text.encode(product.encoding if product.isatty() else "utf-8", "backslashreplace"))


def emit_path(path: Path) -> None:
    """Print a path on a line of its own; a pipe gets the system's bytes of the name, whatever they are."""
    if _product().isatty():
        emit_line(printable(str(path)))
    else:
        _emit(os.fsencode(path))


def _emit(line: bytes) -> None:
    if is_first():
        product = _product()
        with _downstream(), aside() if product.isatty() else nullcontext():
            product.buffer.write(line + b"\n")
            product.buffer.flush()


def emit_bytes(path: Path) -> None:
    """Write a temporary file's bytes to stdout and remove it, since the next one may have the same name."""
    with _downstream(), path.open("rb") as file:
        while chunk := file.read(CHUNK):
            _product().buffer.write(chunk)
        _product().buffer.flush()
    path.unlink()


def refuse_terminal() -> None:
    """Raise UsageError if checkpoint bytes would go to a terminal."""
    if _product().isatty():
        raise UsageError("--output - would write a checkpoint's bytes to the terminal: redirect it to a file or a pipe")


def wants_table(as_json: bool) -> bool:
    """Whether to print records as a table: on a terminal without ``--json``; otherwise they are JSON Lines."""
    return _product().isatty() and not as_json


def columns() -> int | None:
    """The width for which text is laid out: the terminal's; None: a pipe or a file, where it takes what it needs."""
    product = _product()
    return columns_of(product) if product.isatty() else None


def emit_text(text: str) -> None:
    """Print lines that are laid out for ``columns``."""
    product = _product()
    emit_line(in_its_characters(text, product) if product.isatty() else text)


def emit_table(grid: Grid) -> None:
    """Print a table and an empty line; control characters are escaped."""
    rows = [[in_one_line(cell) for cell in row] for row in grid.rows]
    shown = replace(grid, title=in_one_line(grid.title), rows=rows)
    emit_text("\n".join([*lines_of(shown, columns()), ""]))


@contextmanager
def _downstream() -> Iterator[None]:
    try:
        yield
    except BrokenPipeError:
        # The reader is gone: send the interpreter's last flush nowhere, so that it does not raise again.
        os.dup2(os.open(os.devnull, os.O_WRONLY), _product().fileno())
        raise ClosedPipe from None
