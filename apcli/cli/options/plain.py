"""Plain values of options, read here: Typer reads each with Pydantic, which takes as long to load as all else."""

import functools
import re
from typing import Any

_FORMS = {
    str: re.compile(r"(?s).*"),
    int: re.compile(r"(?a)[+-]?\d{1,18}"),
    float: re.compile(r"(?a)[+-]?\d+(\.\d+)?([eE][+-]?\d+)?"),
}
_NOT_PLAIN = object()


def read_plainly(parameters: list[Any]) -> list[Any]:
    """The same parameters of a command, which read their values by ``value_of``."""
    for parameter in parameters:
        parameter.process_value = functools.partial(value_of, parameter)
    return parameters


def value_of(parameter: Any, context: Any, given: Any) -> Any:
    """What Typer makes of a given value; one that is no plain text or number is left to Typer, and its messages."""
    value = _plain(parameter, given)
    if value is _NOT_PLAIN or (parameter.required and value in (None, (), [])):
        return type(parameter).process_value(parameter, context, given)
    return value if parameter.callback is None else parameter.callback(context, parameter, value)


def _plain(parameter: Any, given: Any) -> Any:
    descriptor = getattr(parameter, "type_descriptor", None)
    if descriptor is None:  # of an earlier Typer, which reads without Pydantic
        return _NOT_PLAIN
    kind, several = descriptor.annotation, parameter.nargs == -1 or getattr(parameter, "multiple", False)
    if given is None:
        return () if several else None
    if several:
        of_texts = isinstance(given, list | tuple) and all(type(one) is str for one in given)
        return list(given) if kind == list[str] and of_texts else _NOT_PLAIN
    if isinstance(given, str) and kind in _FORMS:
        return kind(given) if _FORMS[kind].fullmatch(given) else _NOT_PLAIN
    as_it_is = type(given) is kind or (kind is float and type(given) is int)  # a default
    return kind(given) if as_it_is and kind in (int, float, bool) else _NOT_PLAIN
