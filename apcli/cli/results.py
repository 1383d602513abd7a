"""The results of commands that make checkpoints: where files are written, and how paths or bytes reach stdout."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from apcli.checkpoints.files.staging import temporary_folder
from apcli.cli.streams import stdout, terminal
from apcli.errors import UsageError

if TYPE_CHECKING:
    from apcli.stages.outputs import Outputs


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
