"""What a command line's mistakes are answered with, where Typer finds them."""

import re
from collections.abc import Callable, Mapping
from typing import Any

from apcli.cli.options.synonyms import remedy
from apcli.registry.numbers import hint, number_meant
from apcli.words import join

# Typer's word for a number that it expected: it differs from version to version.
_NUMBER = re.compile(r"valid (float|number|int)")


def usage_sentence(error: Any, arguments: list[str], commands: Callable[[], Mapping[str, Any]]) -> str:
    """What a usage error of Typer is about, and what to give instead where that is known.

    Args:
        commands: gives all commands of the program.
    """
    text, option = str(error.format_message()), getattr(error, "option_name", "")
    if type(error).__name__ == "NoSuchOption":
        ours = remedy(option)
        named = re.match(r"--[\w-]+", ours)
        others = _commands_with(error, named[0] if named else option, commands)
        where = f"an option of {join(others)}" if others else ""
        if ours or where:
            answer = ", ".join(filter(None, [f"here it is {ours}", where])) if ours else f"it is {where}"
            return f"No such option: {option}: {answer}"
    given = _given(error, arguments)
    expected = _NUMBER.search(text)
    if expected and given is not None:
        noun, meant = ("a whole number", "") if expected[1] == "int" else ("a number", number_meant(given))
        return f"{error.param.opts[0]} is {given!r}: expected {noun}{hint(meant)}"
    return text if given is None else f"{text}, given {given!r}"


def _commands_with(error: Any, option: str, commands: Callable[[], Mapping[str, Any]]) -> list[str]:
    """The commands that have an option, if the one at fault lacks it."""
    if getattr(error, "ctx", None) is None or error.ctx.parent is None:
        return []
    having = [name for name, command in commands().items() if any(option in one.opts for one in command.params)]
    return [] if error.ctx.info_name in having else having


def _given(error: Any, arguments: list[str]) -> str | None:
    """The value that was given to the option that an error is about; None if that is not known."""
    names = getattr(getattr(error, "param", None), "opts", ())
    for place, argument in enumerate(arguments):
        name, equals, value = argument.partition("=")
        if name.replace("_", "-") in names:
            return value if equals else next(iter(arguments[place + 1 :]), None)
        if argument[:2] in names:  # -b3
            return argument[2:]
    return None
