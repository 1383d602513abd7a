"""``apcli report``."""

from pathlib import Path
from typing import Annotated, Any

import typer

from apcli import records
from apcli.cli import options, streams
from apcli.errors import UsageError
from apcli.registry import split_list


def report(
    inputs: Annotated[
        list[str] | None,
        typer.Argument(metavar="[RECORDS|CHECKPOINT]...", help="records or checkpoints; none or -: records on stdin"),
    ] = None,
    output: Annotated[
        str | None, typer.Option("--output", "-o", metavar="PATH", help="the page, default report.html; - for stdout")
    ] = None,
    formats: Annotated[
        str | None, typer.Option("--format", metavar="LIST", help="html, md, csv, png, svg; default: by --output")
    ] = None,
    overwrite: options.Overwrite = False,
    as_json: Annotated[bool, typer.Option("--json", help="describe checkpoints as JSON Lines")] = False,
    quiet: options.Quiet = False,
) -> None:
    """Draw divergence records as one self-contained HTML page; or print what a checkpoint is.

    \b
      apcli divergence *.finetuned.safetensors | apcli report -o report.html --format html,md,csv,png
      apcli report model.safetensors
    """
    streams.start(quiet)
    arguments = inputs or []
    if any(streams.is_checkpoint(argument) for argument in arguments):
        if output is not None or formats is not None or overwrite:
            raise UsageError("--output, --format and --overwrite go with records: what a checkpoint is goes to stdout")
        _describe(arguments, as_json)
        return
    if as_json:
        raise UsageError("--json goes with checkpoints: records make a page, or --format csv")
    _draw(list(streams.records_in(arguments)), output, formats, overwrite)


def _describe(arguments: list[str], as_json: bool) -> None:
    from apcli.checkpoints import verify_zeros
    from apcli.operations.describe import describe, to_text

    for checkpoint in streams.checkpoints_in(arguments):
        found = describe(checkpoint)
        streams.emit_line(records.dump(found) if as_json else streams.printable(to_text(found)))
        verify_zeros(checkpoint)


def _draw(found: list[dict[str, Any]], output: str | None, formats: str | None, overwrite: bool) -> None:
    from apcli.operations import report_page

    path = Path("report.html" if output is None or output == "-" else output)
    if path.is_dir() or (output or "").endswith("/"):
        path = path / "report.html"
    ending = path.suffix.removeprefix(".")
    chosen = [ending or "html"] if formats is None else split_list(formats, "format")
    if output == "-":
        if chosen != ["html"]:
            raise UsageError(f"--output - prints one HTML page: --format {formats} needs a file name")
        streams.emit_line(report_page.html(found))
        return
    stem = path.with_suffix("") if ending in report_page.FORMATS else path
    for written in report_page.make(found, chosen, stem, overwrite):
        streams.emit_line(str(written))
