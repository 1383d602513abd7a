"""JSON objects with typed fields: a dataclass is the schema that reading, writing, CSV columns and docs follow.

A field is annotated ``Annotated[type, "what it means"]``. The type is ``str``, ``int``, ``float``, ``bool``, a
``Mapping``, another ``JsonObject``, or a list of one of these as ``tuple[type, ...]``; ``| None`` where null may stand.
"""

import functools
import json
import types
from collections.abc import Iterator, Mapping
from dataclasses import MISSING, dataclass, fields, replace
from typing import Annotated, Any, ClassVar, Self, get_args, get_origin, get_type_hints

from apcli.errors import ApcliError

_WORDS: dict[type, str] = {str: "text", int: "a whole number", float: "a number", bool: "true or false"}


@dataclass(frozen=True)
class Columns:
    """In a field's annotation: the prefix of the CSV columns of its object, instead of the field's name."""

    prefix: str


@dataclass(frozen=True)
class Field:
    """A field as its annotation declares it. ``optional``: absent or null, it has its default.

    ``is_list``: the value is a list of ``of``.
    """

    name: str
    of: type
    nullable: bool
    optional: bool
    meaning: str
    prefix: str
    is_list: bool = False

    @functools.cached_property
    def nested(self) -> "type[JsonObject] | None":
        """The type, if it is an object with fields of its own."""
        return self.of if issubclass(self.of, JsonObject) else None

    @functools.cached_property
    def classes(self) -> frozenset[type]:
        """The classes that JSON values of the field mostly have: the quick part of ``admits``."""
        if self.is_list:
            return frozenset()
        return frozenset({int, float} if self.of is float else {self.of} if self.of in _WORDS else {dict})

    @property
    def expected(self) -> str:
        """The allowed values, for a message."""
        noun = ("a list of objects" if self.nested else "a list") if self.is_list else _WORDS.get(self.of, "an object")
        return f"{noun} or null" if self.nullable or self.optional else noun

    def admits(self, value: object) -> bool:
        """Whether a JSON value is of the field's type; objects are checked by their own fields."""
        if self.is_list:
            return isinstance(value, list | tuple) and all(replace(self, is_list=False).admits(one) for one in value)
        if self.of in _WORDS:
            kinds: Any = (int, float) if self.of is float else self.of
            return isinstance(value, kinds) and (self.of is bool or not isinstance(value, bool))
        return isinstance(value, Mapping)


class JsonObject:
    """The base of a frozen dataclass whose fields are a JSON object's members, in their order."""

    def to_json(self) -> dict[str, Any]:
        """The object as ``json`` writes it. Numbers that are not finite are left as they are."""
        return {field.name: _json(getattr(self, field.name)) for field in fields_of(type(self))}

    @classmethod
    def from_json(cls, members: Mapping[str, Any], where: str = "the object", path: str = "") -> Self:
        """Read an object; members without a field of their name are ignored.

        Args:
            where: the object's name in messages.
            path: the members that lead to it, each followed by a dot.

        Raises:
            ApcliError: a member is missing or of another type.
        """
        given: dict[str, Any] = {}
        for field in fields_of(cls):
            value: Any = members.get(field.name)
            if value is None and (field.nullable or field.optional):
                if not field.optional:
                    given[field.name] = None
                continue
            if type(value) not in field.classes and not field.admits(value):
                raise ApcliError(f"{where} has {path}{field.name} {value!r:.60}: expected {field.expected}")
            simple = field.nested is None and not field.is_list
            given[field.name] = value if simple else _read(field, value, where, f"{path}{field.name}")
        return cls(**given)


class Record(JsonObject):
    """The base of every record: an object with its ``kind`` (its row in ``KINDS``) and format ``version``."""

    kind: ClassVar[str]
    version: ClassVar[int]

    def to_json(self) -> dict[str, Any]:
        """The record as ``json`` writes it, its kind and version first."""
        return {"kind": self.kind, "version": self.version, **super().to_json()}


@dataclass(frozen=True)
class OtherRecord(Record):
    """A record of a kind that this version does not know, as from a newer one: its members as they came."""

    kind: ClassVar[str] = "other"
    version: ClassVar[int] = 0

    members: Annotated[Mapping[str, Any], "all of them"]

    def to_json(self) -> dict[str, Any]:
        return dict(self.members)


def fields_of(kind: type[JsonObject]) -> tuple[Field, ...]:
    """The fields of a dataclass, in order."""
    unchecked: Any = kind  # mypy does not see that a class has a hash
    return _fields_of(unchecked)


@functools.cache
def _fields_of(kind: Any) -> tuple[Field, ...]:
    hints = get_type_hints(kind, include_extras=True)
    return tuple(_field(f.name, hints[f.name], (f.default, f.default_factory) != (MISSING,) * 2) for f in fields(kind))


def columns_of(record: JsonObject) -> dict[str, object]:
    """The record as a row of a CSV file: objects spread over columns, null as None.

    Free mappings are ``key=value``, and lists JSON; an empty one is None.
    """
    kind: Any = type(record)  # mypy does not see that a class has a hash
    return {name: _cell(record, path, is_mapping) for name, path, is_mapping in _columns(kind)}


def documented(kind: type[JsonObject]) -> Iterator[tuple[str, str, str]]:
    """The name, type and meaning of each field, for the docs; an object's meaning includes its members."""
    if issubclass(kind, Record):
        yield "kind", "text", f"always `{kind.kind}`"
        yield "version", _WORDS[int], f"of the format: {kind.version}"
    for field in fields_of(kind):
        nested = None if field.is_list else field.nested
        yield field.name, field.expected, f"{field.meaning}: {_members(nested)}" if nested else field.meaning


def listed_in(kind: type[JsonObject], path: str = "") -> "Iterator[tuple[str, type[JsonObject]]]":
    """The types of objects in lists, in the order of the docs, each with the members that lead to it."""
    for field in fields_of(kind):
        if field.nested:
            if field.is_list:
                yield f"{path}{field.name}", field.nested
            yield from listed_in(field.nested, f"{path}{field.name}.")


def _field(name: str, annotation: object, optional: bool) -> Field:
    assert get_origin(annotation) is Annotated, f"{name}: expected Annotated[type, meaning]"
    hint, meaning, *rest = get_args(annotation)
    union = get_args(hint) if get_origin(hint) is types.UnionType else (hint,)
    (kind,) = set(union) - {types.NoneType}
    is_list = get_origin(kind) is tuple
    kind = get_args(kind)[0] if is_list else get_origin(kind) or kind
    prefix = next((extra.prefix for extra in rest if isinstance(extra, Columns)), f"{name}_")
    return Field(name, kind, types.NoneType in union, optional, meaning, prefix, is_list)


def _read(field: Field, value: Any, where: str, path: str) -> Any:
    nested = field.nested
    if field.is_list:
        return tuple(nested.from_json(one, where, f"{path}.{i}.") if nested else one for i, one in enumerate(value))
    return nested.from_json(value, where, f"{path}.") if nested else value


def _json(value: object) -> object:
    if isinstance(value, tuple):
        return [_json(member) for member in value]
    return value.to_json() if isinstance(value, JsonObject) else value


@functools.cache
def _columns(kind: Any, prefix: str = "", path: tuple[str, ...] = ()) -> tuple[tuple[str, tuple[str, ...], bool], ...]:
    """The columns of a kind of object: their names, the members that lead to them, and whether they are mappings."""
    columns: list[tuple[str, tuple[str, ...], bool]] = []
    for field in fields_of(kind):
        place = (*path, field.name)
        if field.nested and not field.is_list:
            nested: Any = field.nested
            columns += _columns(nested, prefix + field.prefix, place)
        else:
            columns.append((prefix + field.name, place, issubclass(field.of, Mapping)))
    return tuple(columns)


def _cell(record: JsonObject, path: tuple[str, ...], is_mapping: bool) -> object:
    value: Any = record
    for name in path:
        value = None if value is None else getattr(value, name)
    if isinstance(value, tuple):
        return json.dumps(_json(value), ensure_ascii=False) if value else None
    return " ".join(f"{key}={part}" for key, part in (value or {}).items()) if is_mapping else value


def _members(kind: type[JsonObject]) -> str:
    """Describe members as ``a`` (meaning), ``b`` (meaning); members of one object type are described together."""
    members = fields_of(kind)
    listed = ", ".join(f"`{field.name}` ({field.meaning})" for field in members)
    shared = dict.fromkeys(field.nested for field in members)
    return listed + "".join(f"; each an object: {_members(nested)}" for nested in shared if nested)
