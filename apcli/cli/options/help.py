"""A command's help: what it does, its options in named groups, and examples, which stand last and keep their lines."""

import re
from collections.abc import Callable, Iterator
from typing import Any

from typer.core import TyperCommand, TyperGroup

from apcli.cli.options.plain import read_plainly

INPUT = "Input"
_OTHER = "Other"  # the group of what names none
_WIDEST_NAME = 32  # columns
# Typer's own words for its own options.
_BY_TYPER = {
    "help": "print the command's help",
    "install_completion": "install completion for the current shell",
    "show_completion": "print the completion for the current shell",
}


class Commands(TyperGroup):
    """The program, which has commands."""

    def get_params(self, ctx: Any) -> list[Any]:
        return read_plainly(super().get_params(ctx))


class Command(TyperCommand):
    """A command whose plain help has groups; Typer has them in its coloured help, which takes as long as all else."""

    def get_params(self, ctx: Any) -> list[Any]:
        return read_plainly(super().get_params(ctx))

    def collect_usage_pieces(self, ctx: Any) -> list[str]:
        arguments = [str(one.metavar) for one in self.get_params(ctx) if one.param_type_name == "argument"]
        return ["[OPTIONS]", *arguments]

    def format_help_text(self, ctx: Any, formatter: Any) -> None:
        formatter.write_paragraph()
        with formatter.indentation():
            formatter.write_text(parts_of(self.help or "")[0])

    def format_options(self, ctx: Any, formatter: Any) -> None:
        groups = groups_of(self.get_params(ctx))
        rows = {group: [(names, help_of(*rest)) for names, *rest in map(described, ours)] for group, ours in groups}
        width = max(
            (len(names) for ours in rows.values() for names, _ in ours if len(names) <= _WIDEST_NAME), default=0
        )
        for group, ours in rows.items():
            with formatter.section(group):
                formatter.write_dl([(names.ljust(width), text) for names, text in ours], col_max=_WIDEST_NAME)

    def format_epilog(self, ctx: Any, formatter: Any) -> None:
        examples = parts_of(self.help or "")[1]
        if examples:
            with formatter.section("Examples"):
                for line in examples:
                    formatter.write(f"{' ' * formatter.current_indent}{line}\n")


def short_help_of(command: Callable[..., None]) -> str:
    """What a command does, in the list of commands: the first clause of its docstring."""
    return re.split(r"[;:.,]", (command.__doc__ or "").strip(), maxsplit=1)[0]


def parts_of(text: str) -> tuple[str, list[str]]:
    """A command's docstring: what it does, and the lines of its examples, which follow Click's mark ``\\b``."""
    said, _, examples = text.partition("\b")
    return said.strip(), [line.strip() for line in examples.strip("\n").splitlines()]


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
