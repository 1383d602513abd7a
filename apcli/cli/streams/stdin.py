"""The inputs of a command: checkpoints and records, from arguments or stdin."""

import os
import select
import stat
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from io import BufferedReader
from pathlib import Path
from typing import TYPE_CHECKING, cast

from apcli import published
from apcli.checkpoints.files import kinds, shards
from apcli.checkpoints.files.staging import temporary_folder
from apcli.cli.streams import terminal
from apcli.cli.streams.incoming import CHUNK, TELLING, Incoming
from apcli.cli.streams.standard import current
from apcli.errors import ApcliError, UsageError

if TYPE_CHECKING:
    from apcli.checkpoints.checkpoint import Checkpoint
    from apcli.records.json_objects import Record


def given(arguments: list[str] | None) -> list[str]:
    """The arguments of a command that reads checkpoints: what they name is there, which is told before any option.

    Raises:
        UsageError: there is no such file, or nothing to read.
    """
    from apcli.checkpoints import reading

    names = arguments or []
    if not names or "-" in names:
        _piped_checkpoints()
    for name in names:
        if name != "-" and not published.is_name(name) and not Path(name).is_fifo():
            reading.find(name)
    return names


def given_for_report(arguments: list[str] | None) -> list[str]:
    """The arguments of a command that reads records or checkpoints, which are there.

    Raises:
        UsageError: there is no such file.
    """
    names = arguments or []
    for name in names:
        if name != "-" and not is_checkpoint(name):
            _check_records(Path(name))
    return names


def checkpoints_in(arguments: list[str], key: str | None = None) -> "Iterator[Checkpoint]":
    """Yield the checkpoints named by arguments or, without any or for ``-``, those on standard input, as they arrive.

    stdin holds path lines or raw safetensors bytes, back to back, recognised by their first bytes. A checkpoint that
    arrives as bytes is kept in a temporary file until the next one is read.

    Args:
        key: the member of PyTorch files that is read, see ``reading.read``.

    Raises:
        UsageError: no such file, nothing to read, or records where a checkpoint was expected.
        ApcliError: a file is not complete, or no file of tensors.
    """
    from apcli.checkpoints import reading

    with ExitStack() as pipes:
        for argument in arguments or ["-"]:
            if argument == "-":
                stdin = Incoming(_piped_checkpoints())
                yield from _checkpoints_on(stdin, "standard input", key)
            elif Path(argument).is_fifo():  # how bash gives the output of <(command)
                pipe = Incoming(pipes.enter_context(Path(argument).open("rb")))
                yield from _checkpoints_on(pipe, argument, key, pipes)
            else:
                yield reading.named(argument, key)


def pairs_in(
    arguments: list[str], dense: str | None, key: str | None = None, *, alone: bool = False
) -> "Iterator[tuple[Checkpoint, Checkpoint]]":
    """Yield pairs, dense and pruned, of the checkpoints of ``checkpoints_in`` (see ``pairing.pairs_of``).

    Raises:
        UsageError: as there; or standard input is to be both files of a pair.
    """
    from apcli.stages.pairs.pairing import pairs_of

    if arguments.count("-") == 2 and len(arguments) == 2 and dense is None:
        raise UsageError("- is given twice: standard input can be one file of the pair")
    return pairs_of(checkpoints_in(arguments, key), dense, key, pair=len(arguments) == 2, alone=alone)


def count(arguments: list[str]) -> int | None:
    """How many checkpoints are given; None where standard input brings them."""
    is_open = not arguments or any(map(is_stream, arguments))
    return None if is_open else len(arguments)


def count_pairs(arguments: list[str], dense: str | None) -> int | None:
    """How many pairs ``pairs_in`` makes of the arguments; None where standard input brings them."""
    return 1 if len(arguments) == 2 and dense is None else count(arguments)


def is_stream(argument: str) -> bool:
    """Whether an argument is standard input or a named pipe, whose contents no file's name tells."""
    return argument == "-" or Path(argument).is_fifo()


def is_checkpoint(argument: str) -> bool:
    """Whether an argument names a checkpoint, going by its ending or first bytes, with or without the suffix."""
    if published.is_name(argument) and not Path(argument).exists():
        return True
    for name in (argument, f"{argument}.safetensors", f"{argument}{shards.SUFFIX}"):
        if argument != "-" and Path(name).is_file():
            with Path(name).open("rb") as file:
                head = file.read(8)
                return name.endswith(kinds.NAMES) or b"\0" in head or kinds.begins_pickle(head)
    return False


def _checkpoints_on(
    stream: Incoming, where: str, key: str | None, pipes: ExitStack | None = None
) -> "Iterator[Checkpoint]":
    """Yield the checkpoints of a stream, called ``where`` in messages.

    Args:
        pipes: keeps the temporary files of bytes, so that two streams can be a pair; None: each goes with the next.
    """
    from apcli.checkpoints import reading

    is_empty = True
    while _has_more(stream):
        if kinds.begins_pickle(stream.buffer[:TELLING]):
            raise UsageError(f"{where} holds a PyTorch file, which has no end of its own: give it as an argument")
        if b"\0" in stream.buffer[:TELLING]:
            with ExitStack() as until_next:
                path = (pipes or until_next).enter_context(_spooled(stream, where))
                yield reading.read(path, nameless=True)
            is_empty = False
            continue
        line = os.fsdecode(stream.line()).rstrip("\r\n")
        if line.lstrip().startswith("{"):
            raise UsageError(f"{where} holds records where a checkpoint was expected: `apcli report` draws them")
        if line.strip():
            yield reading.named(line, key)
            is_empty = False
    if is_empty:
        raise UsageError(f"{where} is empty: expected checkpoint paths; did the stage before this one fail?")


def is_fed() -> bool:
    """Whether another process may still write to standard input."""
    state = _state_of_pipe()
    return state is not None and not state & select.POLLHUP


def holds_more() -> bool:
    """Whether a pipe on standard input holds something that was not read; it is left there."""
    return bool((_state_of_pipe() or 0) & select.POLLIN)


def _state_of_pipe() -> int | None:
    """What ``poll`` says of standard input at this moment; None if it is no pipe."""
    stdin = current().stdin
    try:
        if stdin is None or not stat.S_ISFIFO(os.fstat(stdin.fileno()).st_mode):
            return None
    except (OSError, ValueError):  # a stream without a descriptor, or one that is closed
        return None
    poll = select.poll()
    poll.register(stdin.fileno(), select.POLLIN)  # a hang-up is told whatever is asked for
    return next((event for _, event in poll.poll(0)), 0)


def _has_more(stream: Incoming) -> bool:
    """Wait for the stage before this one."""
    terminal.waiting()
    return stream.begun()


def _piped_checkpoints() -> BufferedReader:
    return _piped("a checkpoint", "give its path as an argument, or pipe paths in")


def _piped(what: str, remedy: str) -> BufferedReader:
    """stdin, unless it is a keyboard, or several processes would share it."""
    if not terminal.is_alone():
        raise UsageError(f"torchrun's processes cannot share standard input: expected {what} as an argument")
    stdin = current().stdin
    if stdin is None or stdin.isatty():
        raise UsageError(f"nothing to read: expected {what}; {remedy}")
    return cast(BufferedReader, stdin.buffer)


@contextmanager
def _spooled(stdin: Incoming, where: str) -> Iterator[Path]:
    """Copy one safetensors file, whose header gives its length, from the stream to a temporary file."""
    from apcli.checkpoints.files import safetensors_files

    head = stdin.read(8)
    try:
        length = safetensors_files.length_of(head)
    except ValueError:
        raise ApcliError(
            f"{where} is neither checkpoint paths nor safetensors bytes: expected one of the two"
        ) from None
    header = stdin.read(length)
    try:
        left = safetensors_files.parsed(header).nbytes
    except ValueError as error:
        raise ApcliError(
            f"{where} is not a complete safetensors file ({error}): did the stage before this one fail?"
        ) from None
    with temporary_folder() as folder:
        path = folder / "stdin.safetensors"
        try:
            with path.open("wb") as file:
                file.write(head + header)
                while left > 0 and (chunk := stdin.read(min(left, CHUNK))):
                    file.write(chunk)
                    left -= len(chunk)
        except OSError as error:
            raise ApcliError(f"cannot write {where} to {folder}: {error.strerror}: free space") from None
        yield path


def records_in(arguments: list[str]) -> "Iterator[Record]":
    """Yield the records in the files that arguments name, or on standard input.

    Raises:
        UsageError: no such file, no record at all, or something that is no record.
    """
    from apcli.records.lines import load

    count = 0
    for argument in arguments or ["-"]:
        with _lines_of(argument) as (lines, where):
            for record in load(_text(lines, where), where):
                count += 1
                yield record
    if not count:
        raise UsageError("no record to report on: expected JSON Lines; did the stage before this one fail?")


@contextmanager
def _lines_of(argument: str) -> Iterator[tuple[Iterable[bytes], str]]:
    """The lines of a file of records or of standard input, and its name in messages."""
    if argument == "-":
        piped = _piped("records", "pipe `apcli divergence` in, or give a file of JSON Lines")
        terminal.waiting()
        yield piped, "standard input"
        return
    path = Path(argument)
    _check_records(path)
    with path.open("rb") as file:
        yield file, argument


def _check_records(path: Path) -> None:
    if path.is_dir():
        raise UsageError(f"{path} is a folder: expected JSON Lines from `apcli divergence --json`, or a checkpoint")
    if not path.is_file() and not path.is_fifo():
        raise UsageError(f"no file {path}: expected JSON Lines from `apcli divergence --json`, or a checkpoint")


def _text(lines: Iterable[bytes], where: str) -> Iterator[str]:
    for line in lines:
        if b"\0" in line[:9]:
            raise UsageError(
                f"{where} holds a checkpoint's bytes where records were expected: give the file as an argument"
            )
        yield line.decode(errors="replace")
