"""``apcli export``."""

from pathlib import Path
from typing import Annotated

import typer

from apcli.api import runs
from apcli.cli.options import completion, shared
from apcli.cli.options.expanded import Groups, Options, with_options
from apcli.cli.options.help import INPUT
from apcli.cli.options.network import inputs
from apcli.cli.streams import stdin, stdout, terminal
from apcli.configs.export import ExportConfig
from apcli.configs.values import config_of
from apcli.stages.export import FORMATS

OPTIONS: Groups = {
    INPUT: {"weights_key": shared.WeightsKey},
    "Output": {
        "format": Annotated[
            str | None,
            typer.Option(
                "--format",
                metavar="LIST",
                autocompletion=completion.of_tables(FORMATS),
                help=f"{', '.join(FORMATS.names)}",
            ),
        ],
        "batch_size": Annotated[
            int | None,
            typer.Option(
                "--batch-size", "-b", metavar="N", help="images that the product takes at a time; default: any"
            ),
        ],
    },
    "Model": {
        "model": shared.Model,
        **inputs(size="the file's, else the library's", scale="the file's, else the library's"),
    },
}


@with_options(OPTIONS, ExportConfig)
def export(
    options: Options,
    checkpoints: shared.Checkpoints = None,
    output: Annotated[
        str | None,
        typer.Option(
            "--output",
            "-o",
            rich_help_panel="Output",
            metavar="PATH",
            help="the product, or a folder; default: beside the checkpoint",
        ),
    ] = None,
    overwrite: shared.Overwrite = False,
    quiet: shared.Quiet = False,
) -> None:
    """Write checkpoints' networks for other programs; prints each product's path.

    Each product is run beside its checkpoint: where the logits or the zeros differ, it is not written (exit code 3).

    \b
      apcli export model.safetensors --format onnx,torch-export
      apcli export model.safetensors --format timm -o for-timm/
    """
    from apcli.stages.export.places import Places

    terminal.start("export", quiet)
    arguments = stdin.given(checkpoints)
    config = config_of(ExportConfig, options)
    tell = terminal.progress(stdin.count(arguments))
    places = Places(None if output is None else Path(output), overwrite, len(arguments))
    for path in runs.export(config, stdin.checkpoints_in(arguments, config.weights_key), places, tell):
        stdout.emit_path(path)
