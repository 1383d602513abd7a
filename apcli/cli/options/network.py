"""The data, and what a network takes and gives: for every command that builds networks, declared once."""

from typing import Annotated, Any

import typer

from apcli.cli.options import shared
from apcli.cli.options.expanded import expanded
from apcli.cli.options.shared import numbers
from apcli.configs.shared import DataConfig, InputConfig


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


def _data(data: str | None, **how: Any) -> DataConfig:
    return DataConfig(data, **how)


def _inputs(num_classes: int | None, input_size: int | None, mean: str | None, std: str | None) -> InputConfig:
    return InputConfig(
        num_classes=num_classes,
        input_size=input_size,
        mean=None if mean is None else numbers(mean, "--mean", "0.485,0.456,0.406"),
        std=None if std is None else numbers(std, "--std", "0.229,0.224,0.225"),
    )


# Each gives a command that takes its parameter an option for each field, in that place.
with_data = expanded("read", DATA, _data, {**vars(DataConfig()), "data": DataConfig.name})
with_inputs = expanded("inputs", INPUTS, _inputs, vars(InputConfig()))
