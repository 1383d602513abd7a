"""The results of commands: where files are written, and how paths, bytes or records reach stdout."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from apcli.checkpoints.files.staging import temporary_folder
from apcli.cli.streams import stdout, terminal
from apcli.errors import UsageError
from apcli.progress import Progress

if TYPE_CHECKING:
    from apcli.checkpoints.checkpoint import Checkpoint
    from apcli.records.json_objects import Record
    from apcli.stages.outputs import Outputs

AnyRecord = TypeVar("AnyRecord", bound="Record")


@contextmanager
def outputs(
    output: str | None, overwrite: bool, inputs: list[str]
) -> "Iterator[tuple[Outputs, Callable[[Path], None]]]":
    """The stage's ``Outputs``, and a function that prints a finished file's path or, with ``-o -``, its bytes."""
    from apcli.stages.outputs import Outputs

    if output == "-" and not terminal.is_alone():
        raise UsageError("--output - needs a single process, and torchrun started several: expected a file or a folder")
    if output != "-":
        places = Outputs(Path(output) if output else None, overwrite)
        places.expect(len(inputs))
        yield places, stdout.emit_path
        return
    stdout.refuse_terminal()
    with temporary_folder() as folder:
        yield Outputs(folder, overwrite=True, home=Path()), stdout.emit_bytes


def emit_records(
    measured: "Iterable[tuple[Checkpoint, Checkpoint, Iterator[AnyRecord]]]",
    as_json: bool,
    emit_table: "Callable[[Checkpoint, Checkpoint, list[AnyRecord]], None]",
    tell: Progress,
) -> None:
    """Print the records of each pair as they come; see ``emit``."""
    for dense, pruned, records in measured:
        emit(records, as_json, partial(emit_table, dense, pruned))
        tell.finished()


def emit(records: "Iterable[AnyRecord]", as_json: bool, emit_table: "Callable[[list[AnyRecord]], None]") -> None:
    """Print records as they come: as JSON Lines or, on a terminal unless ``as_json``, as a table of all of them."""
    from apcli.records import lines

    if stdout.wants_table(as_json):
        emit_table(list(records))
        return
    for record in records:
        stdout.emit_line(lines.dump(record.to_json()))
