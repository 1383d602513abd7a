"""The help: groups, defaults said in one way, examples that keep their lines and stand last."""

import shlex
from typing import Any

import pytest

from apcli.cli.options.help import Command, continued, help_of, page, parts_of, short_help_of

COMMANDS = ["train", "prune", "finetune", "divergence", "report"]


@pytest.mark.parametrize("command", COMMANDS)
def test_options_stand_in_groups(shell: Any, command: str) -> None:
    lines = shell(f"{command} --help").lines
    titles = [line for line in lines if line.endswith(":") and not line.startswith(" ")]
    assert titles[0] == "Input:"
    assert titles[-2:] == ["Other:", "Examples:"]
    assert "Output:" in titles
    assert len(set(titles)) == len(titles)
    other = lines[lines.index("Other:") + 1 : lines.index("Examples:")]
    assert [line.split()[0] for line in other if line] == ["-h,"], "every other option has a group"


def words_of(script: list[str]) -> list[list[str]]:
    """The words of each command, as a shell reads them."""
    return [shlex.split(line) for line in "\n".join(script).replace("\\\n", "").splitlines()]


@pytest.mark.slow
@pytest.mark.parametrize("command", ["", *COMMANDS])
@pytest.mark.parametrize("columns", [20, 40, 60, 80, 120, 160])
def test_the_width_is_used_and_kept(shell: Any, command: str, columns: int) -> None:
    lines = shell(f"{command} --help", COLUMNS=str(columns)).lines
    longest = max(len(line) for line in lines[: lines.index("Examples:")])
    assert longest <= columns
    assert longest > min(columns, 130) - 25, "the whole width is used"
    wide = shell(f"{command} --help", COLUMNS="160").lines
    examples, whole = (text[text.index("Examples:") + 1 :] for text in (lines, wide))
    assert all(len(line) <= columns or len(line.split()) <= 2 for line in examples), "what is too long is one word"
    assert words_of(examples) == words_of(whole), "and it can be run as it is"


@pytest.mark.parametrize("command", COMMANDS)
def test_no_type_leaks(shell: Any, command: str) -> None:
    text = shell(f"{command} --help").out
    assert "<" not in text
    assert "[default" not in text
    assert "[env var" not in text
    assert "[[" not in text


def test_the_list_of_commands_says_each_whole(shell: Any) -> None:
    assert "..." not in shell("--help").out.partition("Commands:")[2]


def test_defaults_are_said_in_one_way(shell: Any) -> None:
    lines = shell("train --help", COLUMNS="160").out
    for words in ("images at a time; default: 128", "0 only evaluates; default: 100", "default: --resume"):
        assert words in lines


def test_a_docstring_has_two_parts() -> None:
    said, examples = parts_of("Do it.\n\nMore.\n\n\b\n  apcli a\n  apcli b\n")
    assert (said, examples) == ("Do it.\n\nMore.", ["apcli a", "apcli b"])
    assert parts_of("Do it.") == ("Do it.", [])
    assert parts_of("Do it.\n\n    \b\n      apcli a \\\n        | apcli b\n")[1] == ["apcli a \\", "  | apcli b"]


def test_a_command_goes_on_after_a_backslash() -> None:
    command = "apcli prune model.safetensors --method highest --sparsity 0.3 | apcli report"
    assert continued(command, 80) == [f"  {command}"]
    assert continued(command, 44) == [
        "  apcli prune model.safetensors \\",
        "      --method highest --sparsity 0.3 \\",
        "      | apcli report",
    ]
    assert continued("  | apcli prune --sparsity 0.3 \\", 24) == ["    | apcli prune \\", "        --sparsity 0.3 \\"]


def test_short_help_is_the_first_clause() -> None:
    def command() -> None:
        """Do it; prints what was done. More."""

    assert short_help_of(command) == "Do it"


def test_a_default_stands_last() -> None:
    assert help_of("a number", "3") == "a number; default: 3"
    assert help_of("a number", "") == "a number"


def test_commands_are_of_this_class() -> None:
    import typer

    from apcli.cli.main import app_of

    root: Any = typer.main.get_command(app_of())
    assert all(isinstance(command, Command) for command in root.commands.values())


def test_a_page() -> None:
    groups = {"Input": [("FILE", "a file")], "Other": [("-h", "help")]}
    assert page("apcli do [OPTIONS]", "Do it.\n\nMore.\n\n\b\n  apcli do", groups).splitlines() == [
        *["Usage: apcli do [OPTIONS]", "", "  Do it.", "", "  More."],
        *["", "Input:", "  FILE  a file", "", "Other:", "  -h    help", "", "Examples:", "  apcli do"],
    ]
