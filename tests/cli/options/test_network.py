"""The options about data and inputs are those of their configs, each by its own name."""

from dataclasses import fields

import typer

from apcli.cli.options.expanded import Options, with_options
from apcli.cli.options.network import DATA, INPUTS
from apcli.configs.shared import DataConfig, InputConfig
from apcli.configs.training import FinetuneConfig
from apcli.configs.values import option_of


def test_every_setting_has_an_option_and_no_option_is_left_over():
    assert set(DATA) == {"data" if field.name == "name" else field.name for field in fields(DataConfig)}
    assert set(INPUTS) == {field.name for field in fields(InputConfig)}


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
