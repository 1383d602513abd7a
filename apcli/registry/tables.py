"""Tables of named functions: a row for each function of a family (criteria, distributions, data sets, ...).

A row names its function as text (``package.module:function``), so a table imports nothing heavy and
help, error messages and `docs/methods.md` can be made from it.
"""

import difflib
import importlib
import inspect
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any, Generic, TypeVar

from apcli.errors import UsageError
from apcli.registry import outside
from apcli.registry.numbers import hint, number_meant
from apcli.registry.ranges import Allowed

Parameter = int | float | str
AnyRow = TypeVar("AnyRow", bound="Row")


@dataclass(frozen=True)
class Row:
    """A named function: its name, its place as text, a line of help, its source, and what it ``needs``.

    Each parameter has its default in ``parameters`` and its allowed values in ``ranges`` or, if it names a row of
    another table and so adds that row's parameters, in ``choices``. The family documents what ``needs`` may hold.
    ``synonyms`` are the field's other names for the method: an error answers them with this one.
    """

    name: str
    target: str
    summary: str
    source: str
    needs: tuple[str, ...] = ()
    parameters: Mapping[str, Parameter] = field(default_factory=dict)
    choices: Mapping[str, "Table[Any]"] = field(default_factory=dict)
    ranges: Mapping[str, Allowed] = field(default_factory=dict)
    synonyms: tuple[str, ...] = ()

    def load(self) -> Callable[..., Any]:
        """Import and return the row's function."""
        return imported(self.target)

    @property
    def targets(self) -> tuple[str, ...]:
        """All functions that the row names as text."""
        return (self.target,)

    def defaults(self, given: Mapping[str, Parameter]) -> dict[str, Parameter]:
        """Defaults of all parameters, with those of the rows that ``given`` selects.

        Raises:
            UsageError: a chosen row is unknown.
        """
        return {key: value for row in self._with_chosen(given) for key, value in row.parameters.items()}

    def allowed(self, given: Mapping[str, Parameter]) -> dict[str, Allowed]:
        """The allowed values of each of these parameters.

        Raises:
            UsageError: a chosen row is unknown.
        """
        return {key: allowed for row in self._with_chosen(given) for key, allowed in row.ranges.items()}

    def _with_chosen(self, given: Mapping[str, Parameter]) -> list["Row"]:
        named = ((table, str(given.get(key, self.parameters[key]))) for key, table in self.choices.items())
        return [self, *(table.row(name) for table, name in named)]


@dataclass(frozen=True)
class Choice(Generic[AnyRow]):
    """A row with the values of all its parameters, as read from ``name:key=value:key=value``."""

    row: AnyRow
    parameters: Mapping[str, Parameter]

    @property
    def name(self) -> str:
        return self.row.name

    @property
    def spec(self) -> str:
        """The shortest text that parses to this choice; for a user's own function, its identity."""
        defaults = self.row.defaults(self.parameters)
        changed = [f"{k}={v}" for k, v in self.parameters.items() if v != defaults[k]]
        return ":".join([self.name, *changed])

    @property
    def words(self) -> str:
        """The spec for use in a file's name."""
        return self.spec.replace(self.name, outside.short(self.name), 1).replace(":", "-")

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self.row.load()(*args, **kwargs, **self.parameters)


@dataclass(frozen=True)
class Own:
    """The requirements on a user's own function, whose keyword-only arguments are its parameters.

    Args:
        calls: by the need that decides it, the function's arguments, and its further possible needs. A function
            declares its needs in its attribute ``needs``, a tuple of words; without it, it has the first need.
        like: a row whose parameters every row of the family has.
    """

    calls: Mapping[str, "Call"]
    like: Row | None = None


@dataclass(frozen=True)
class Call:
    """The arguments of a function, and its further possible needs."""

    takes: tuple[str, ...]
    also: tuple[str, ...] = ()


class Table(Generic[AnyRow]):
    """The rows of one family; ``kind`` is a row's name in messages: ``method``, ``distribution``.

    Args:
        own: the requirements on a user's own ``path/to/file.py:function``; None: the family has no such functions.
        meant: says what an unknown name may stand for; "" if it does not know.
    """

    def __init__(
        self,
        kind: str,
        rows: tuple[AnyRow, ...],
        own: Own | None = None,
        meant: Callable[[str], str] = lambda name: "",
    ) -> None:
        self.kind = kind
        self.own = own
        self._meant = meant
        self._rows = {row.name: row for row in rows}
        if len(self._rows) != len(rows):
            raise ValueError(f"two rows of the {kind} table have the same name")

    def __iter__(self) -> Iterator[AnyRow]:
        return iter(self._rows.values())

    def __contains__(self, name: str) -> bool:
        return name in self._rows

    @property
    def names(self) -> list[str]:
        return list(self._rows)

    @contextmanager
    def adding(self, *rows: AnyRow) -> Iterator[None]:
        """Add rows within a ``with`` block, for functions of one's own in a notebook or a test.

        Raises:
            ValueError: the table has a row of that name.
        """
        for row in rows:
            if row.name in self._rows:
                raise ValueError(f"the {self.kind} table has a row {row.name!r}: choose another name")
        before = self._rows
        self._rows = {**before, **{row.name: row for row in rows}}
        try:
            yield
        finally:
            self._rows = before

    def get(self, name: str) -> AnyRow | None:
        """The row called ``name``; None if there is none, since a record may name an unknown one."""
        return self._rows.get(name)

    def row(self, name: str) -> AnyRow:
        """The row called ``name``.

        Raises:
            UsageError: there is none; the message lists the known names.
        """
        if name not in self._rows:
            close = difflib.get_close_matches(name, self._rows, n=1)
            hint = f"did you mean {close[0]!r}? " if close else ""
            for row in self:
                if name.lower().replace("_", "-") in row.synonyms:
                    hint = f"here it is {row.name!r}; "
            hint = self._meant(name) or hint
            more = f", or your own as {outside.FORM}" if self.own else ""
            raise UsageError(f"unknown {self.kind} {name!r}: {hint}known are {', '.join(self._rows)}{more}")
        return self._rows[name]

    def spec_of(self, name: str, parameters: Mapping[str, Parameter]) -> str:
        """The spec of a name in a record; a user's own function is only shown, not imported."""
        if name in self._rows:
            return Choice(self._rows[name], parameters).spec
        return ":".join([name, *(f"{key}={value}" for key, value in parameters.items())])

    def parse(self, spec: str) -> Choice[AnyRow]:
        """Read ``name:key=value:key=value``; a value takes the type of the parameter's default.

        Raises:
            UsageError: the name or a key is unknown, or a value is not of the parameter's type or out of its range.
        """
        row, rest = self._row_of(spec.strip())
        name, pairs = row.name, rest.split(":")[1:]
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
                shown = repr(text) if isinstance(values[key], str) else f"{values[key]:g}"
                raise UsageError(f"{what} is {shown}: expected {allowed[key]}")
        return Choice(row, values)

    def _row_of(self, spec: str) -> tuple[AnyRow, str]:
        """The row that a spec names, or that a user's function makes, and the rest of the spec."""
        if self.own is None or not outside.is_outside(spec):
            name, colon, rest = spec.partition(":")
            return self.row(name), colon + rest
        place = outside.place_of(spec, self.kind)
        row: Any = _own_row(self.own, place)  # of the same type as the family's rows
        return row, place.rest

    def recorded(self, spec: str) -> str:
        """A spec as a lineage records it: as given, but a user's own function by its identity.

        Raises:
            UsageError: there is no such function.
        """
        return self.parse(spec).spec if self.own and outside.is_outside(spec) else spec

    def parse_list(self, specs: str) -> list[Choice[AnyRow]]:
        """Read a comma list of specs."""
        return [self.parse(spec) for spec in split_list(specs, self.kind)]

    def check_distinct(self, choices: Sequence[Choice[AnyRow]]) -> None:
        """Raise UsageError if two choices mean the same, as where each would give the same records."""
        for choice in choices:
            if choices.count(choice) > 1:
                raise UsageError(f"{choice.spec} is named twice: expected each {self.kind} once")


def _own_row(own: Own, place: outside.Place) -> Row:
    """The row of a user's own function.

    Raises:
        UsageError: the file has no such function, or it is not one that the family can call.
        ApcliError: the file cannot be imported.
    """
    function = outside.load(place)
    label = f"{place.path}: {place.function}"
    needs = tuple(getattr(function, "needs", ())) or (next(iter(own.calls)),)
    deciding = [need for need in own.calls if need in needs or not need]
    if not deciding or not set(needs) <= {deciding[0], *own.calls[deciding[0]].also}:
        known = "; or ".join(", ".join(filter(None, (need, *call.also))) for need, call in own.calls.items())
        raise UsageError(f"{label}.needs is {', '.join(map(str, needs))}: expected {known}")
    keywords = outside.keywords_of(function, own.calls[deciding[0]].takes, label)
    like = own.like or Row("", "", "", "")
    return replace(
        like,
        name=place.name,
        target=f"{place.path}:{place.function}",
        summary=(inspect.getdoc(function) or place.function).splitlines()[0],
        source=str(place.path),
        needs=tuple(filter(None, needs)),
        parameters={**keywords, **like.parameters},
    )


def imported(target: str) -> Callable[..., Any]:
    """The function that ``package.module:function`` names, or ``path/to/file.py:function``."""
    if outside.is_outside(target):
        return outside.load(outside.place_of(target, "function"))
    module, _, attribute = target.partition(":")
    function: Callable[..., Any] = getattr(importlib.import_module(module), attribute)
    return function


def split_list(text: str, what: str) -> list[str]:
    r"""The members of a comma list; a comma within a member is written ``\,``.

    Raises:
        UsageError: the list or a member is empty.
    """
    members = [member.replace(r"\,", ",").strip() for member in re.split(r"(?<!\\),", text)]
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
        meant = hint(number_meant(text)) if kind is float else ""
        raise UsageError(f"{what} is {text!r}: expected {noun}, as in key={default}{meant}") from None
