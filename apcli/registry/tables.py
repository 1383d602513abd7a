"""Tables of named methods: a method is one function plus one row in its family's table.

A row names its function as text (``package.module:function``), so a table imports nothing heavy and
help, error messages and the README's tables can be made from it.
"""

import difflib
import importlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from apcli.errors import UsageError
from apcli.registry.ranges import Allowed

Parameter = int | float | str


@dataclass(frozen=True)
class Row:
    """One method: its name, where its function is, one line of help, and where it was published.

    Each parameter has its default in ``parameters``, and in ``ranges`` what it may be, unless it is one of ``choices``:
    a parameter that names a row of another table, which adds that row's parameters.
    """

    name: str
    target: str
    summary: str
    source: str
    needs: tuple[str, ...] = ()
    parameters: Mapping[str, Parameter] = field(default_factory=dict)
    choices: Mapping[str, "Table"] = field(default_factory=dict)
    ranges: Mapping[str, Allowed] = field(default_factory=dict)

    def load(self) -> Callable[..., Any]:
        """Import and return the row's function."""
        module, _, attribute = self.target.partition(":")
        function: Callable[..., Any] = getattr(importlib.import_module(module), attribute)
        return function

    def defaults(self, given: Mapping[str, Any]) -> dict[str, Parameter]:
        """All parameters by default, those of the rows that ``given`` values choose among them.

        Raises:
            UsageError: a chosen row is unknown.
        """
        return {key: value for row in self._with_chosen(given) for key, value in row.parameters.items()}

    def allowed(self, given: Mapping[str, Any]) -> dict[str, Allowed]:
        """What each of these parameters may be.

        Raises:
            UsageError: a chosen row is unknown.
        """
        return {key: allowed for row in self._with_chosen(given) for key, allowed in row.ranges.items()}

    def _with_chosen(self, given: Mapping[str, Any]) -> list["Row"]:
        named = ((table, str(given.get(key, self.parameters[key]))) for key, table in self.choices.items())
        return [self, *(table.row(name) for table, name in named)]


@dataclass(frozen=True)
class Choice:
    """A row together with the values of all its parameters, as read from ``name:key=value:key=value``."""

    row: Row
    parameters: Mapping[str, Parameter]

    @property
    def name(self) -> str:
        return self.row.name

    @property
    def spec(self) -> str:
        """The shortest text that parses to this choice."""
        defaults = self.row.defaults(self.parameters)
        changed = [f"{k}={v}" for k, v in self.parameters.items() if v != defaults[k]]
        return ":".join([self.name, *changed])

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self.row.load()(*args, **kwargs, **self.parameters)


class Table:
    """The rows of one family (``kind`` is what messages call a member: ``method``, ``distribution``)."""

    def __init__(self, kind: str, rows: tuple[Row, ...]) -> None:
        self.kind = kind
        self._rows = {row.name: row for row in rows}
        if len(self._rows) != len(rows):
            raise ValueError(f"two rows of the {kind} table have the same name")

    def __iter__(self) -> Iterator[Row]:
        return iter(self._rows.values())

    def __contains__(self, name: str) -> bool:
        return name in self._rows

    @property
    def names(self) -> list[str]:
        return list(self._rows)

    def row(self, name: str) -> Row:
        """The row called ``name``.

        Raises:
            UsageError: there is none; the message lists those there are.
        """
        if name not in self._rows:
            close = difflib.get_close_matches(name, self._rows, n=1)
            hint = f"did you mean {close[0]!r}? " if close else ""
            raise UsageError(f"unknown {self.kind} {name!r}: {hint}known are {', '.join(self._rows)}")
        return self._rows[name]

    def parse(self, spec: str) -> Choice:
        """Read ``name:key=value:key=value``; a value takes the type of the parameter's default.

        Raises:
            UsageError: the name or a key is unknown, or a value is not of the parameter's type or out of its range.
        """
        name, *pairs = spec.strip().split(":")
        row = self.row(name)
        given = [pair.partition("=") for pair in pairs]
        texts = {key: text for key, _, text in given}
        values, allowed = row.defaults(texts), row.allowed(texts)
        for key, equals, text in given:
            if key not in values:
                known = ", ".join(values) or "none"
                raise UsageError(f"{self.kind} {name!r} has no parameter {key!r} (given {spec!r}): it takes {known}")
            what = f"{self.kind} parameter {name}:{key}"
            values[key] = _convert(text, values[key], what, bool(equals))
            if key in allowed and not allowed[key].admits(values[key]):
                found = repr(text) if isinstance(values[key], str) else f"{values[key]:g}"
                raise UsageError(f"{what} is {found}: expected {allowed[key]}")
        return Choice(row, values)

    def parse_list(self, specs: str) -> list[Choice]:
        """Read a comma list of specs."""
        return [self.parse(spec) for spec in split_list(specs, self.kind)]


def split_list(text: str, what: str) -> list[str]:
    """The members of a comma list.

    Raises:
        UsageError: the list or a member is empty.
    """
    members = [member.strip() for member in text.split(",")]
    if not all(members):
        raise UsageError(f"empty {what} in {text!r}: expected names separated by commas")
    return members


def _convert(text: str, default: Parameter, what: str, given: bool) -> Parameter:
    kind = type(default)
    try:
        if not given or not text:
            raise ValueError
        return kind(text)
    except ValueError:
        noun = {int: "a whole number", float: "a number", str: "a word"}[kind]
        raise UsageError(f"{what} is {text!r}: expected {noun}, as in key={default}") from None
