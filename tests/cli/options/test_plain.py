"""Plain values are what Typer itself makes of them."""

import subprocess
import sys
from collections.abc import Callable
from typing import Annotated, Any

import pytest
import typer

from apcli.cli.main import COMMANDS, app_of
from apcli.cli.options.help import Command
from apcli.cli.options.plain import read_plainly, value_of

ROOT: Any = typer.main.get_command(app_of())
TEXTS = ["", "a", "a,b", "größe\n", "0", "-3", "+4", "007", "1_000", " 5 ", "9" * 18, "9" * 30, "1e3", "1.5"]
TEXTS += ["-2.50E-3", ".5", "5.", "1e400", "nan", "inf", "-Infinity", "0x10", "٣", "1,5", "true", "--"]
OTHERS = [None, True, False, 0, 3, 0.25, (), [], ("a", "b"), ["a", "1"]]


def outcome(read: Callable[[], Any]) -> str:
    """A value and its type, or the message of an error."""
    try:
        return repr(read())
    except Exception as error:  # noqa: BLE001  # Typer's, or whatever a wrong type makes of it
        return f"{type(error).__name__}: {error}"


@pytest.mark.slow
@pytest.mark.parametrize("name", COMMANDS)
def test_every_option_reads_what_typer_reads(name: str) -> None:
    command = ROOT.commands[name]
    context = command.make_context(name, [], resilient_parsing=True)
    for parameter in command.get_params(context):
        for given in [*TEXTS, *OTHERS, parameter.default]:
            found = outcome(lambda: value_of(parameter, context, given))  # noqa: B023
            theirs = outcome(lambda: type(parameter).process_value(parameter, context, given))  # noqa: B023
            assert found == theirs, (name, parameter.name, given)


def test_what_is_missing_is_told_and_a_callback_gets_the_value(capsys: pytest.CaptureFixture[str]) -> None:
    seen: list[float] = []

    def see(value: float) -> float:
        seen.append(value)
        return -value

    def command(
        word: Annotated[str, typer.Argument()], share: Annotated[float, typer.Option("--share", callback=see)] = 1
    ) -> None:
        typer.echo(f"{word} {share}")

    app = typer.Typer()
    app.command(cls=Command)(command)
    app(["a", "--share", "0.5"], standalone_mode=False)
    app(["b"], standalone_mode=False)
    assert capsys.readouterr().out.split() == ["a", "-0.5", "b", "-1.0"]
    assert seen == [0.5, 1.0]
    with pytest.raises(typer.BadParameter, match=r"[Mm]issing"):
        app([], standalone_mode=False)


def test_of_a_typer_without_descriptors_nothing_is_plain() -> None:
    class Option:
        def process_value(self, context: Any, given: Any) -> str:
            return f"{given} by Typer"

    (option,) = read_plainly([Option()])
    option.callback, option.required, option.nargs = None, False, 1
    assert option.process_value(None, "3") == "3 by Typer"


@pytest.mark.slow
@pytest.mark.parametrize(
    "words", ["prune --help", "train --epochs 2 fc5 --lr 0.1 --seed 1 --data nosuch", "prune --sparsity 0.5 nosuch"]
)
def test_pydantic_is_not_loaded(words: str) -> None:
    command = [sys.executable, "-X", "importtime", "-m", "apcli", *words.split()]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    loaded = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines() if line.startswith("import time:")}
    assert "typer" in loaded
    assert "pydantic" not in loaded
