"""``apcli report``."""

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from apcli.api import runs
from apcli.cli.options import shared
from apcli.cli.options.expanded import Groups, Options, with_options
from apcli.cli.options.network import INPUTS
from apcli.cli.streams import stdin, stdout, terminal
from apcli.configs.describe import CostsConfig
from apcli.configs.report import ReportConfig, stem_of
from apcli.configs.values import config_of, defaults_of, option_of
from apcli.errors import ApcliError, UsageError, VerificationError
from apcli.progress import Progress

if TYPE_CHECKING:
    from apcli.records.checkpoint import CheckpointRecord
    from apcli.records.json_objects import Record
    from apcli.stages.report.runs.experiment import Report

log = logging.getLogger("apcli")

FEW = 3  # as many checkpoints are described one by one, unless somebody asks for more or less

OPTIONS: Groups = {
    "Checkpoints": {
        "macs": Annotated[
            bool | None, typer.Option("--macs/--no-macs", help="count multiply-adds; default: if the network is known")
        ],
        "model": shared.Model,
        "num_classes": INPUTS["num_classes"],
        "input_size": Annotated[
            str | None,
            typer.Option("--input-size", metavar="SIDE|C,H,W", help="default: the file's, else the model's own"),
        ],
        "latency": Annotated[
            bool, typer.Option("--latency", help="time the network and its dense file's on this machine")
        ],
        "latency_table": Annotated[
            str | None,
            typer.Option(
                "--latency-table",
                metavar="FILE",
                help="time every layer alone at several widths, for prune --budget latency, and write that to FILE",
            ),
        ],
        "dense": shared.Dense,
        "weights_key": shared.WeightsKey,
        "batch_size": shared.BatchSize,
        "warmup": Annotated[int, typer.Option("--warmup", metavar="N", help="runs before those that are timed")],
        "runs": Annotated[int, typer.Option("--runs", metavar="N", help="timed runs")],
        "device": shared.Device,
    },
}

Output = Annotated[
    str | None,
    typer.Option(
        "--output", "-o", rich_help_panel="Output", metavar="PATH", help="the page, default report.html; - for stdout"
    ),
]
Formats = Annotated[
    str | None,
    typer.Option(
        "--format", rich_help_panel="Output", metavar="LIST", help="html, md, csv, json, tex; default: by --output"
    ),
]
Figures = Annotated[
    str | None,
    typer.Option("--figures", rich_help_panel="Output", metavar="DIR", help="also each figure as SVG, PNG and PDF"),
]

Scale = Annotated[
    str,
    typer.Option(
        "--scale",
        rich_help_panel="Output",
        metavar="measured|published",
        help="of AP3 in figures; published: one variance for all, the largest AP2 / 3.8",
    ),
]


@with_options(OPTIONS, CostsConfig)
def report(
    inputs: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[RECORDS|CHECKPOINT]...",
            help="records or checkpoints; none or -: standard input, records unless --json or the like is given",
        ),
    ] = None,
    output: Output = None,
    formats: Formats = None,
    figures: Figures = None,
    scale: Scale = "measured",
    overwrite: shared.Overwrite = False,
    as_json: Annotated[
        bool, typer.Option("--json", rich_help_panel="Output", help="describe checkpoints as JSON Lines")
    ] = False,
    details: Annotated[
        bool | None,
        typer.Option(
            "--details/--no-details",
            rich_help_panel="Output",
            help=f"describe each checkpoint below the table that compares them; default: of {FEW} or fewer",
        ),
    ] = None,
    verify: Annotated[
        bool,
        typer.Option(
            "--verify",
            rich_help_panel="Output",
            help="only check the checkpoints' zeros and dense files; exit code 3 if a promise is broken",
        ),
    ] = False,
    *,
    options: Options,
    quiet: shared.Quiet = False,
) -> None:
    """Draw divergence records as one self-contained HTML page, or describe and compare checkpoints.

    \b
      apcli divergence *.finetuned.safetensors | apcli report -o report.html --figures figures/
      apcli report model.safetensors
      apcli prune model.safetensors --sparsity 0.5,0.9 | apcli report --json
      apcli report *.safetensors --no-details
      apcli report --verify *.safetensors
      apcli report resnet50.safetensors --model torchvision:resnet50 --latency --batch-size 32
    """
    terminal.start("report", quiet, writes=False)
    arguments = stdin.given_for_report(inputs)
    config = config_of(CostsConfig, options)
    option = _of_checkpoints(as_json, verify, details, options)
    if any(map(stdin.is_checkpoint, arguments)) or (option and all(map(stdin.is_stream, arguments))):
        if overwrite or (output, formats, figures, scale) != (None, None, None, "measured"):
            options_of_records = "--output, --format, --figures, --scale and --overwrite"
            raise UsageError(f"{options_of_records} go with records: checkpoints are described on stdout")
        if details is not None and (as_json or verify):
            raise UsageError("--details and --no-details go with neither --json, which has all of them, nor --verify")
        if verify:
            _verify(arguments, config.weights_key)
        else:
            _describe(arguments, config, as_json, details)
        return
    if option:
        raise UsageError(f"{option} goes with checkpoints: records make a page, or what --format says")
    _report(arguments, output, formats, figures, scale, overwrite)


def _of_checkpoints(as_json: bool, verify: bool, details: bool | None, options: Options) -> str | None:
    """The first given option that only checkpoints have: on a pipe it says what comes."""
    given = {"--json": as_json, "--verify": verify, "--details": details is True, "--no-details": details is False}
    given |= {option_of(key): options.get(key, usual) != usual for key, usual in defaults_of(CostsConfig).items()}
    return next((option for option, is_given in given.items() if is_given), None)


def _report(
    arguments: list[str], output: str | None, formats: str | None, figures: str | None, scale: str, overwrite: bool
) -> None:
    """Draw the report. What can be refused is refused before the records are read; later, none from a pipe is lost.

    Raises:
        ApcliError: there is no report; the message names the file where records from standard input are kept.
    """
    if output == "-" and formats not in (None, "html"):
        raise UsageError(f"--output - prints one HTML page: --format {formats} needs a file name")
    if output == "-" and figures is not None:
        raise UsageError("--output - prints one HTML page: --figures needs a file name for it")
    records: list[Record] = []
    tell = terminal.progress()
    reading = _reading(arguments, records, tell)
    show = _show if terminal.shows() else None
    try:
        if output == "-":
            stdout.emit_line(runs.report_html(reading, scale, tell, show))
            return
        config = ReportConfig.of(output, formats, figures, scale, overwrite)
        for path in runs.report(reading, config, tell, show):
            stdout.emit_path(path)
    except Exception as error:
        if not records or "-" not in (arguments or ["-"]):
            raise
        kept = _keep(records, output)
        sentence, kind = str(error), ApcliError
        if isinstance(error, ApcliError):
            kind = type(error)
        else:
            sentence = f"{type(error).__name__}: {sentence}"
        raise kind(f"{sentence}; the {len(records):,} records are kept in {kept}: give that file") from error


def _reading(arguments: list[str], records: "list[Record]", tell: Progress) -> "Iterator[Record]":
    """Yield the given records, and add each to ``records``."""
    tell("reading records")
    for record in stdin.records_in(arguments):
        records.append(record)
        yield record
    tell(f"comparing {len(records):,} records")


def _show(report: "Report") -> None:
    from apcli.cli.texts.report import lines_of_report

    terminal.show(lambda width: lines_of_report(report, width))


def _keep(records: "list[Record]", output: str | None) -> Path:
    from apcli.stages.report import files

    stem, _ = stem_of(None if output == "-" else output)
    return files.keep(records, stem)


def _describe(arguments: list[str], config: CostsConfig, as_json: bool, details: bool | None) -> None:
    """Print JSON Lines or a description as each checkpoint is read; of several, a table when all are, or one stops."""
    from apcli.cli.texts.checkpoint import to_text
    from apcli.cli.texts.checkpoints import to_grid
    from apcli.records import lines

    tell = terminal.progress(stdin.count(arguments))
    described: list[CheckpointRecord] = []
    try:
        for description in runs.describe(config, stdin.checkpoints_in(arguments, config.weights_key), tell):
            tell.finished()
            if as_json:
                stdout.emit_line(lines.dump(description.to_json()))
            else:
                described.append(description)
    finally:
        several = len(described) > 1
        details = len(described) <= FEW if details is None else details
        if described and (several or not details):
            stdout.emit_table(to_grid(described))
        for description in described if details else ():
            stdout.emit_text(to_text(description, stdout.columns()))
    if several and not details:
        log.info("--details describes each of them, with its layers")


def _verify(arguments: list[str], key: str | None) -> None:
    """Print the path of each checkpoint that is what it promises to be, and say what the others are not.

    Raises:
        VerificationError: one is not, after all were looked at.
    """
    from apcli.checkpoints.verification import broken_promises

    tell = terminal.progress(stdin.count(arguments))
    count = broken = 0
    for checkpoint in stdin.checkpoints_in(arguments, key):
        tell(f"verifying {checkpoint.label}")
        sentences = broken_promises(checkpoint)
        tell.finished()
        for sentence in sentences:
            log.error("%s", sentence)
        count, broken = count + 1, broken + bool(sentences)
        if not sentences:
            stdout.emit_path(checkpoint.path)
    if broken:
        raise VerificationError(f"{broken} of {count} checkpoints are not what they promise to be")
