"""Standard input, output and error: the whole contract of the pipe, here only.

stdout carries the product (paths, bytes or records) and nothing else; everything said to people goes to stderr.
So the product goes to ``sys.__stdout__``; ``sys.stdout``, where other libraries print, is stderr once a command starts.
"""

import json
import logging
import os
import struct
import sys
import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from io import BufferedReader, TextIOWrapper
from pathlib import Path
from typing import Any, TextIO, cast

from apcli import shards
from apcli.cli.incoming import CHUNK, TELLING, Incoming
from apcli.errors import ApcliError, UsageError
from apcli.staging import temporary_folder

_MAX_HEADER = 100_000_000  # the safetensors library's own limit


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


# ---- stdout


def _product() -> TextIO:
    if sys.__stdout__ is None:
        raise UsageError("standard output is closed: expected somewhere to send the result")
    return sys.__stdout__


def emit_line(text: str) -> None:
    """Print one line of the product: in UTF-8, whatever the locale; a terminal gets what it can show, the rest escaped.

    It is flushed. A closed downstream pipe ends the program quietly.
    """
    product = _product()
    _emit(text.encode(product.encoding if product.isatty() else "utf-8", "backslashreplace"))


def emit_path(path: Path) -> None:
    """Print a path on a line of its own: to a pipe the bytes that the system knows it by, whatever they are."""
    if _product().isatty():
        emit_line(printable(str(path)))
    else:
        _emit(os.fsencode(path))


def _emit(line: bytes) -> None:
    if is_first():
        with _downstream():
            _product().buffer.write(line + b"\n")
            _product().buffer.flush()


def emit_bytes(path: Path) -> None:
    """Write a temporary file's bytes to stdout, and remove it: the next one may have its name."""
    with _downstream(), path.open("rb") as file:
        while chunk := file.read(CHUNK):
            _product().buffer.write(chunk)
        _product().buffer.flush()
    path.unlink()


def refuse_terminal() -> None:
    """Raise UsageError where checkpoint bytes would go to a terminal."""
    if _product().isatty():
        raise UsageError("--output - would write a checkpoint's bytes to the terminal: redirect it to a file or a pipe")


def wants_table(as_json: bool) -> bool:
    """Records are a table on a terminal and JSON Lines otherwise; ``--json`` forces JSON Lines."""
    return _product().isatty() and not as_json


def emit_table(title: str, columns: list[str], rows: Iterable[list[str]], caption: str | None = None) -> None:
    """Print a table for a person on stdout; ``caption`` stands below it."""
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(
        title=Text(printable(title)),
        caption=caption and Text(caption),
        box=box.SIMPLE_HEAD,
        title_justify="left",
        caption_justify="left",
    )
    for column in columns:
        table.add_column(
            column, justify="left" if column in ("layer", "dist", "measure", "file") else "right", overflow="fold"
        )
    for row in rows:
        table.add_row(*(Text(printable(cell)) for cell in row))
    product = _product()
    cast(TextIOWrapper, product).reconfigure(errors="backslashreplace")  # what the terminal cannot show is escaped
    with _downstream():
        Console(file=product).print(table)


@contextmanager
def _downstream() -> Iterator[None]:
    try:
        yield
    except BrokenPipeError:
        # Nobody reads any more: let the interpreter's last flush go nowhere instead of raising again.
        os.dup2(os.open(os.devnull, os.O_WRONLY), _product().fileno())
        raise SystemExit(0) from None


# ---- stdin and arguments


def checkpoints_in(arguments: list[str]) -> Iterator[Any]:
    """The checkpoints named by arguments, or (with none, or for ``-``) by standard input, as they arrive.

    stdin holds path lines or raw safetensors bytes, back to back: the first bytes tell which. A checkpoint that came as
    bytes lives in a temporary file until the next one is asked for.

    Raises:
        UsageError: no such file, nothing to read, or records where a checkpoint was expected.
        ApcliError: a file is not a whole safetensors file.
    """
    from apcli import checkpoints

    for argument in arguments or ["-"]:
        if argument == "-":
            yield from _checkpoints_on_stdin()
        else:
            yield checkpoints.read(checkpoints.find(argument))


def is_checkpoint(argument: str) -> bool:
    """Whether an argument names a safetensors file, going by its first bytes, with or without the suffix."""
    for name in (argument, f"{argument}.safetensors", f"{argument}{shards.SUFFIX}"):
        if argument != "-" and Path(name).is_file():
            with Path(name).open("rb") as file:
                return name.endswith((".safetensors", shards.SUFFIX)) or b"\0" in file.read(8)
    return False


def _checkpoints_on_stdin() -> Iterator[Any]:
    from apcli import checkpoints

    stdin = Incoming(_piped("a checkpoint", "give its path as an argument, or pipe paths in"))
    found = False
    while stdin.begun():
        if b"\0" in stdin.buffer[:TELLING]:
            with _spooled(stdin) as path:
                yield checkpoints.read(path, nameless=True)
            found = True
            continue
        line = os.fsdecode(stdin.line()).rstrip("\r\n")
        if line.lstrip().startswith("{"):
            raise UsageError(
                "standard input holds records where a checkpoint was expected: records go to `apcli report`"
            )
        if line.strip():
            yield checkpoints.read(checkpoints.find(line))
            found = True
    if not found:
        raise UsageError("standard input is empty: expected checkpoint paths; did the stage before this one fail?")


def _piped(what: str, remedy: str) -> BufferedReader:
    """stdin, unless it is a person's keyboard, or many processes would share it."""
    if not is_alone():
        raise UsageError(f"torchrun's processes cannot share standard input: expected {what} as an argument")
    if sys.stdin is None or sys.stdin.isatty():
        raise UsageError(f"nothing to read: expected {what}; {remedy}")
    return cast(BufferedReader, sys.stdin.buffer)


@contextmanager
def _spooled(stdin: Incoming) -> Iterator[Path]:
    """Copy one safetensors file from the stream to a temporary file: its header says where it ends."""
    head = stdin.read(8)
    (length,) = struct.unpack("<Q", head.ljust(8, b"\xff"))
    if length > _MAX_HEADER:
        raise ApcliError("standard input is neither checkpoint paths nor safetensors bytes: expected one of the two")
    header = stdin.read(length)
    try:
        tensors = [info for name, info in json.loads(header).items() if name != "__metadata__"]
        left = max((int(info["data_offsets"][1]) for info in tensors), default=0)
    except (ValueError, KeyError, TypeError, AttributeError, IndexError):
        raise ApcliError("standard input is not a whole safetensors file: its header cannot be read") from None
    with temporary_folder() as folder:
        path = folder / "stdin.safetensors"
        try:
            with path.open("wb") as file:
                file.write(head + header)
                while left > 0 and (chunk := stdin.read(min(left, CHUNK))):
                    file.write(chunk)
                    left -= len(chunk)
        except OSError as error:
            raise ApcliError(f"cannot write standard input to {folder}: {error.strerror}: free space") from None
        yield path


def records_in(arguments: list[str]) -> Iterator[dict[str, Any]]:
    """The records in the files that arguments name, or on standard input.

    Raises:
        UsageError: no such file, no record at all, or something that is no record.
    """
    from apcli import records

    count = 0
    for argument in arguments or ["-"]:
        if argument == "-":
            lines: Iterable[bytes] = _piped("records", "pipe `apcli divergence` in, or give a file of JSON Lines")
            where = "standard input"
        else:
            path, where = Path(argument), argument
            if not path.is_file():
                raise UsageError(
                    f"no file {argument}: expected JSON Lines from `apcli divergence --json`, or a checkpoint"
                )
            lines = path.open("rb")
        for record in records.load(_text(lines, where), where):
            count += 1
            yield record
    if not count:
        raise UsageError("no record to report on: expected JSON Lines; did the stage before this one fail?")


def _text(lines: Iterable[bytes], where: str) -> Iterator[str]:
    for line in lines:
        if b"\0" in line[:9]:
            raise UsageError(
                f"{where} holds a checkpoint's bytes where records were expected: give the file as an argument"
            )
        yield line.decode(errors="replace")


# ---- stderr while something runs


@contextmanager
def progress() -> Iterator[Any]:
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
