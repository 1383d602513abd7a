"""A stage's options stand in the signature of its command, and reach it together."""

import inspect
from typing import Annotated, get_args

import typer

from apcli.cli.options.expanded import Options, with_options
from apcli.configs.describe import CostsConfig

RUNS = Annotated[int, typer.Option("--runs", help="how often")]
DEVICE = Annotated[str, typer.Option("--device", help="where")]


def test_options_stand_where_the_parameter_stood_with_the_config_s_defaults():
    @with_options({"Time": {"runs": RUNS}, "Place": {"device": DEVICE}}, CostsConfig)
    def command(name: str, options: Options, quiet: bool = False) -> None:
        """Do it."""
        said.append((name, options, quiet))

    said: list[object] = []
    shown = inspect.signature(command).parameters
    assert list(shown) == ["name", "runs", "device", "quiet"]
    assert [shown[name].default for name in ("runs", "device", "quiet")] == [50, "auto", False]
    options = [get_args(kind)[1] for kind in (shown["runs"].annotation, command.__annotations__["device"])]
    assert [(option.help, option.rich_help_panel) for option in options] == [("how often", "Time"), ("where", "Place")]
    assert get_args(RUNS)[1].rich_help_panel is None, "another command may have another group"
    assert command.__doc__ == "Do it."
    command(name="a", runs=3, device="cpu")
    command(name="b", runs=4, device="cpu", quiet=True)
    assert said == [("a", {"runs": 3, "device": "cpu"}, False), ("b", {"runs": 4, "device": "cpu"}, True)]
