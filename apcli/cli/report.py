"""``apcli report``."""

from dataclasses import fields
from pathlib import Path
from typing import Annotated, Any

import typer

from apcli import records
from apcli.cli.options import shared
from apcli.cli.streams import stdin, stdout, terminal
from apcli.configs.describe import CostsConfig
from apcli.errors import UsageError
from apcli.registry.tables import split_list


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
    overwrite: shared.Overwrite = False,
    as_json: Annotated[bool, typer.Option("--json", help="describe checkpoints as JSON Lines")] = False,
    macs: Annotated[
        bool | None, typer.Option("--macs/--no-macs", help="multiply-adds; default: where the network is known")
    ] = CostsConfig.macs,
    model: shared.Model = CostsConfig.model,
    input_size: Annotated[
        str | None, typer.Option("--input-size", metavar="SIDE|C,H,W", help="default: the file's, else the model's own")
    ] = None,
    latency: Annotated[
        bool, typer.Option("--latency", help="time the network here, beside its dense file")
    ] = CostsConfig.latency,
    dense: shared.Dense = CostsConfig.dense,
    batch_size: shared.BatchSize = CostsConfig.batch_size,
    warmup: Annotated[int, typer.Option("--warmup", metavar="N", help="runs before those timed")] = CostsConfig.warmup,
    runs: Annotated[int, typer.Option("--runs", metavar="N", help="timed runs")] = CostsConfig.runs,
    device: shared.Device = CostsConfig.device,
    quiet: shared.Quiet = False,
) -> None:
    """Draw divergence records as one self-contained HTML page; or print what a checkpoint is.

    \b
      apcli divergence *.finetuned.safetensors | apcli report -o report.html --format html,md,csv,png
      apcli report model.safetensors
      apcli report resnet50.safetensors --model torchvision:resnet50 --latency --batch-size 32
    """
    terminal.start(quiet)
    size = None if input_size is None else _size(input_size)
    config = CostsConfig(macs, model, size, latency, dense, batch_size, warmup, runs, device)
    arguments = inputs or []
    if any(stdin.is_checkpoint(argument) for argument in arguments):
        if output is not None or formats is not None or overwrite:
            raise UsageError("--output, --format and --overwrite go with records: what a checkpoint is goes to stdout")
        _describe(arguments, config, as_json)
        return
    if as_json:
        raise UsageError("--json goes with checkpoints: records make a page, or --format csv")
    for field in fields(config):
        if getattr(config, field.name) != field.default:
            raise UsageError(f"--{field.name.replace('_', '-')} goes with checkpoints: records make a page")
    _draw(list(stdin.records_in(arguments)), output, formats, overwrite)


def _size(text: str) -> tuple[int, ...]:
    try:
        return tuple(int(member) for member in split_list(text, "--input-size"))
    except ValueError:
        raise UsageError(f"--input-size is {text!r}: expected whole numbers, as in 224 or 3,32,32") from None


def _describe(arguments: list[str], config: CostsConfig, as_json: bool) -> None:
    from apcli.checkpoints.checkpoint import verify_zeros
    from apcli.stages.describe.description import describe, to_text

    costs: Any = None
    with terminal.progress() as tell:
        for checkpoint in stdin.checkpoints_in(arguments):
            found = describe(checkpoint, config)
            if config.wants_network and found["macs_reason"] is None:
                costs = costs or _costs(config, tell)
                found = costs.extend(found, checkpoint)
            tell("")
            stdout.emit_line(records.dump(found) if as_json else terminal.printable(to_text(found)))
            verify_zeros(checkpoint)


def _costs(config: CostsConfig, tell: Any) -> Any:
    from apcli.stages.describe.costs import NetworkCosts  # imports torch: not for files whose network is unknown

    return NetworkCosts(config, tell)


def _draw(found: list[dict[str, Any]], output: str | None, formats: str | None, overwrite: bool) -> None:
    from apcli.stages.report.page import document

    path = Path("report.html" if output is None or output == "-" else output)
    if path.is_dir() or (output or "").endswith("/"):
        path = path / "report.html"
    ending = path.suffix.removeprefix(".")
    chosen = [ending or "html"] if formats is None else split_list(formats, "format")
    if output == "-":
        if chosen != ["html"]:
            raise UsageError(f"--output - prints one HTML page: --format {formats} needs a file name")
        stdout.emit_line(document.html(found))
        return
    stem = path.with_suffix("") if ending in document.FORMATS else path
    for written in document.make(found, chosen, stem, overwrite):
        stdout.emit_path(written)
