"""The options about data and about a network's input and output, for every command that builds networks."""

from typing import Annotated

import typer

from apcli.cli.options import shared


def _option(kind: object, name: str, metavar: str, help: str) -> object:
    return Annotated[kind, typer.Option(name, metavar=metavar, help=help)]


DATA = {
    "data": shared.Data,
    "data_dir": shared.DataDir,
    "download": shared.Download,
    "workers": shared.Workers,
    "cache": shared.Cache,
}
INPUTS = {
    "num_classes": _option(int | None, "--num-classes", "N", "number of outputs; default: the file's, else the data's"),
    "input_size": _option(int | None, "--input-size", "N", "side in pixels; default: the file's, else the model's"),
    "mean": _option(str | None, "--mean", "LIST", "per channel, in [0, 1]; default: the file's, else the data's"),
    "std": _option(str | None, "--std", "LIST", "per channel, like --mean"),
}
