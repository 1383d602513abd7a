"""The options about data and inputs are those of their configs, each by its own name."""

from dataclasses import fields
from typing import get_args

import typer

from apcli.cli.main import app_of
from apcli.cli.options.expanded import Options, with_options
from apcli.cli.options.network import DATA, INPUTS, inputs
from apcli.configs.shared import DataConfig, InputConfig
from apcli.configs.training import FinetuneConfig
from apcli.configs.values import option_of


def test_every_setting_has_an_option_and_no_option_is_left_over():
    assert set(DATA) == {"data" if field.name == "name" else field.name for field in fields(DataConfig)}
    assert set(INPUTS) == {field.name for field in fields(InputConfig)}


def test_the_help_says_where_a_default_comes_from():
    assert [option.help for _, option in (get_args(kind) for kind in inputs("a", "b", "c").values())] == [
        "number of outputs; default: a",
        "side in pixels; default: b",
        "per channel, in [0, 1]; default: c",
        "per channel, like --mean",
    ]
    commands = typer.main.get_command(app_of()).commands
    said = {name: one.help for name in commands for one in commands[name].params if one.name == "num_classes"}
    assert {name for name, help in said.items() if "the data's" in help} == {"train"}, "others have a file's last layer"
    assert said.keys() >= {"train", "prune", "finetune", "divergence", "report", "export"}


def test_an_option_has_the_name_of_its_setting_and_a_help():
    @with_options({"Data": DATA, "Model": INPUTS}, FinetuneConfig)
    def command(options: Options) -> None:
        """Build a network, and feed it."""

    app = typer.Typer()
    app.command()(command)
    found = {option.name: option for option in typer.main.get_command(app).params}
    for keyword in DATA | INPUTS:
        assert option_of(keyword) in found[keyword].opts
        assert found[keyword].help, keyword
