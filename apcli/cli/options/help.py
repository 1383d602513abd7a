"""A command's help: what it does, its options in named groups, and examples, which stand last and keep their lines."""

import inspect
import re
import shutil
import textwrap
from collections.abc import Callable, Iterator
from typing import Any

from typer.core import TyperCommand, TyperGroup

from apcli.cli.layout.text import cells, fact_lines, wrapped
from apcli.cli.options.plain import read_plainly

INPUT = "Input"
_OTHER = "Other"  # the group of what names none
_WIDEST, _WIDEST_NAME = 160, 32  # columns of a page, and of what stands at its left
_KEPT = "\xa0"  # a space at which no line ends
# Typer's own words for its own options.
_BY_TYPER = {
    "help": "print the command's help",
    "install_completion": "install completion for the current shell",
    "show_completion": "print the completion for the current shell",
}


class Command(TyperCommand):
    """A command whose plain help has groups; Typer has them in its coloured help, which takes as long as all else."""

    def get_params(self, ctx: Any) -> list[Any]:
        return read_plainly(super().get_params(ctx))

    def collect_usage_pieces(self, ctx: Any) -> list[str]:
        arguments = [str(one.metavar) for one in self.get_params(ctx) if one.param_type_name == "argument"]
        return ["[OPTIONS]", *arguments]

    def get_help(self, ctx: Any) -> str:
        groups = {group: list(map(described, ours)) for group, ours in groups_of(self.get_params(ctx))}
        rows = {group: [(names, help_of(*rest)) for names, *rest in ours] for group, ours in groups.items()}
        return page(f"{ctx.command_path} {' '.join(self.collect_usage_pieces(ctx))}", self.help or "", rows)


class Commands(TyperGroup):
    """The program, whose help has its commands."""

    def get_params(self, ctx: Any) -> list[Any]:
        return read_plainly(super().get_params(ctx))

    def get_help(self, ctx: Any) -> str:
        options = [(names, help_of(*rest)) for names, *rest in map(described, self.get_params(ctx))]
        commands = [(name, self.commands[name].get_short_help_str(_WIDEST)) for name in self.list_commands(ctx)]
        usage = f"{ctx.command_path} {' '.join(self.collect_usage_pieces(ctx))}"
        return page(usage, self.help or "", {"Options": options, "Commands": commands})


def page(usage: str, text: str, groups: dict[str, list[tuple[str, str]]]) -> str:
    """A help page in the terminal's width: usage, what the command does, its options in groups, and examples.

    Args:
        text: the command's docstring.
        groups: by their titles, names and what is said of them.
    """
    width = min(shutil.get_terminal_size().columns, _WIDEST)
    said, examples = parts_of(text)
    lines = wrapped(f"Usage: {usage}", width, hang=7)
    for paragraph in said.split("\n\n"):
        lines += ["", *wrapped(f"  {' '.join(paragraph.split())}", width, hang=2)]
    names = [cells(name) for rows in groups.values() for name, _ in rows]
    size = max((columns for columns in names if columns <= _WIDEST_NAME), default=0) + 2
    for title, rows in groups.items():
        lines += ["", *wrapped(f"{title}:", width, hang=2), *fact_lines(rows, size, width, indent=2)]
    if examples:
        lines += ["", "Examples:", *(line for example in examples for line in continued(example, width))]
    return "\n".join(lines)


def continued(line: str, width: int) -> list[str]:
    """A shell's command in lines of ``width`` columns, if its words allow it, that end in a backslash but for the last.

    An option and its value stay together where there is room for both.
    """
    command = line.strip().removesuffix("\\").rstrip()
    lead = " " * (len(line) - len(line.lstrip()) + 2)
    parts = re.split(r" (?=[-|])", command)
    kept = [part.replace(" ", _KEPT) if len(part) <= width - len(lead) - 6 else part for part in parts]
    lines = textwrap.wrap(
        " ".join(kept),
        max(1, width - 2),
        initial_indent=lead,
        subsequent_indent=f"{lead}    ",
        break_long_words=False,
        break_on_hyphens=False,
    )
    last = " \\" if line.endswith("\\") else ""
    return [f"{each} \\".replace(_KEPT, " ") for each in lines[:-1]] + [f"{lines[-1]}{last}".replace(_KEPT, " ")]


def short_help_of(command: Callable[..., None]) -> str:
    """What a command does, in the list of commands: the first clause of its docstring."""
    return re.split(r"[;:.,]", (command.__doc__ or "").strip(), maxsplit=1)[0]


def parts_of(text: str) -> tuple[str, list[str]]:
    """A command's docstring: what it does, and the lines of its examples, which follow Click's mark ``\\b``."""
    said, _, examples = inspect.cleandoc(text).partition("\b")
    return said.strip(), textwrap.dedent(examples.strip("\n")).splitlines()


def groups_of(parameters: list[Any]) -> Iterator[tuple[str, list[Any]]]:
    """The parameters by their group: the arguments' first, those of options as they come, at last what has no group."""
    groups: dict[str, list[Any]] = {INPUT: []}
    for parameter in parameters:
        if not parameter.hidden:
            groups.setdefault(group_of(parameter), []).append(parameter)
    groups[INPUT].sort(key=lambda parameter: parameter.param_type_name != "argument")
    last = groups.pop(_OTHER, [])
    yield from ((group, ours) for group, ours in (*groups.items(), (_OTHER, last)) if ours)


def group_of(parameter: Any) -> str:
    """The name of a parameter's group."""
    if parameter.param_type_name == "argument":
        return INPUT
    return getattr(parameter, "rich_help_panel", None) or _OTHER


def described(parameter: Any) -> tuple[str, str, str]:
    """A parameter's names and placeholder, what its help says, and its default; the last is empty if that says it.

    Made from the parameter itself: what Typer makes of it differs from version to version.
    """
    meaning = _BY_TYPER.get(parameter.name) or re.sub(r"\s+", " ", parameter.help or "").strip()
    if parameter.param_type_name == "argument":
        return parameter.metavar, meaning, ""
    names = ", ".join(sorted(parameter.opts, key=lambda name: name.startswith("--")))
    off = ", ".join(parameter.secondary_opts)
    value = "" if parameter.is_flag else f" {parameter.metavar or parameter.name.upper()}"
    default = parameter.default
    if parameter.is_flag:
        default = None if default is None or not off else (parameter.opts if default else parameter.secondary_opts)[0]
    shown = "" if default in (None, "") or callable(default) else f"{default:g}" if type(default) is float else default
    return f"{names}{value}{off and ' / ' + off}", meaning, str(shown)


def help_of(meaning: str, default: str) -> str:
    """What the help says of a parameter: the default stands last, after a semicolon."""
    return f"{meaning}; default: {default}" if default else meaning
