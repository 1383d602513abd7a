"""The training loop's options are those of its config, each by its own name."""

from dataclasses import fields

import typer

from apcli.cli.options.expanded import Options, with_options
from apcli.cli.options.loop import LOOP
from apcli.configs.training import LoopConfig
from apcli.configs.values import defaults_of, option_of


def test_every_setting_of_the_loop_has_an_option_and_no_option_is_left_over():
    names = {name for group in LOOP.values() for name in group}
    assert names == {field.name for field in fields(LoopConfig)} | {"eval_only"} == set(defaults_of(LoopConfig))


def test_an_option_has_the_name_and_the_default_of_its_setting_and_a_help():
    @with_options(LOOP, LoopConfig)
    def command(options: Options) -> None:
        """Train."""

    app = typer.Typer()
    app.command()(command)
    found = {option.name: option for option in typer.main.get_command(app).params}
    for keyword, default in defaults_of(LoopConfig).items():
        option = found[keyword]
        assert option_of(keyword) in option.opts
        assert option.default == default, keyword
        assert option.help, keyword
