"""A stage's options stand in the signature of its command, and reach it together."""

import inspect
from typing import Annotated, get_args

import typer
from typer.testing import CliRunner

from apcli.cli.options.expanded import Options, with_options
from apcli.configs.describe import CostsConfig

RUNS = Annotated[int, typer.Option("--runs", help="how often", envvar="RUNS")]
DEVICE = Annotated[str, typer.Option("--device", help="where")]


def test_options_stand_where_the_parameter_stood_with_the_config_s_defaults():
    @with_options({"Time": {"runs": RUNS}, "Place": {"device": DEVICE}}, CostsConfig)
    def command(name: str, options: Options, quiet: bool = False) -> None:
        """Do it."""

    shown = inspect.signature(command).parameters
    assert list(shown) == ["context", "name", "runs", "device", "quiet"]
    assert [shown[name].default for name in ("runs", "device", "quiet")] == [50, "auto", False]
    options = [get_args(kind)[1] for kind in (shown["runs"].annotation, command.__annotations__["device"])]
    assert [(option.help, option.rich_help_panel) for option in options] == [("how often", "Time"), ("where", "Place")]
    assert get_args(RUNS)[1].rich_help_panel is None, "another command may have another group"
    assert command.__doc__ == "Do it."


def test_the_command_gets_the_options_that_are_given_even_with_their_default():
    said: list[object] = []

    @with_options({"Time": {"runs": RUNS}, "Place": {"device": DEVICE}}, CostsConfig)
    def command(name: str, options: Options, quiet: bool = False) -> None:
        said.append((name, options, quiet))

    app = typer.Typer()
    app.command()(command)
    for words in ("a --runs 3", "b --device auto --quiet", "c"):
        assert CliRunner(env={"RUNS": "7" if words == "c" else None}).invoke(app, words.split()).exit_code == 0
    assert said == [("a", {"runs": 3}, False), ("b", {"device": "auto"}, True), ("c", {"runs": 7}, False)]
