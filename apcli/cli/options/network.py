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
    "exif_orientation": shared.ExifOrientation,
}


def inputs(
    classes: str = "the file's", size: str = "the file's, else the model's", scale: str = "the file's, else the data's"
) -> dict[str, object]:
    """The options about a network's input and output; the arguments say where their defaults come from."""
    return {
        "num_classes": _option(int | None, "--num-classes", "N", f"number of outputs; default: {classes}"),
        "input_size": _option(int | None, "--input-size", "N", f"side in pixels; default: {size}"),
        "mean": _option(str | None, "--mean", "LIST", f"per channel, in [0, 1]; default: {scale}"),
        "std": _option(str | None, "--std", "LIST", "per channel, like --mean"),
    }


INPUTS = inputs()  # of a command that reads a checkpoint and data
