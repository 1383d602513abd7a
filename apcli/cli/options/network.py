"""The data, and what a network takes and gives: for every command that builds networks, declared once."""

from typing import Annotated, Any

import typer

from apcli.cli.options import shared


def _option(kind: Any, name: str, metavar: str, help: str) -> Any:
    return Annotated[kind, typer.Option(name, metavar=metavar, help=help)]


DATA = {
    "data": shared.Data,
    "data_dir": shared.DataDir,
    "download": shared.Download,
    "workers": shared.Workers,
    "cache": shared.Cache,
}
INPUTS = {
    "num_classes": _option(int | None, "--num-classes", "N", "the outputs; default: the file's, else the data's"),
    "input_size": _option(int | None, "--input-size", "N", "pixels; default: the file's, else the model's"),
    "mean": _option(str | None, "--mean", "LIST", "of each channel, in [0, 1]; default: the file's, else the data's"),
    "std": _option(str | None, "--std", "LIST", "likewise"),
}
