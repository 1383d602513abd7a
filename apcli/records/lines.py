"""JSON Lines: records written one to a line, and read back with every line checked."""

import json
import math
import sys
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from apcli.errors import ApcliError, UsageError
from apcli.records import KINDS
from apcli.records.json_objects import OtherRecord, Record
from apcli.words import shown


def dump(members: Mapping[str, Any]) -> str:
    """Write one line of JSON; numbers that are not finite count as unknown and become null.

    Bytes of a file's name that are no UTF-8, which no JSON text can hold, are escaped: ``\\udcff``.
    """
    try:
        return _text(members)
    except ValueError:
        return _text(_cleaned(members))


def load(lines: Iterable[str], where: str) -> Iterator[Record]:
    """Read JSON Lines; ``where`` names their source in messages. A record of a kind that is not known is kept whole.

    Raises:
        UsageError: a line is no record, but a checkpoint's path, for example.
        ApcliError: a record of a known kind has an unknown version or a wrong field.
    """
    for number, line in enumerate(lines, 1):
        if line.strip():
            yield _record(line, f"{where}, line {number}")


def _record(line: str, where: str) -> Record:
    try:
        members = json.loads(line, parse_int=_whole)
    except (ValueError, RecursionError):
        hint = "a checkpoint's path" if line.rstrip().endswith(".safetensors") else repr(line.strip()[:40])
        raise UsageError(f"{where} is {hint} where a record was expected: run `apcli divergence` first") from None
    if not isinstance(members, dict) or not isinstance(members.get("kind"), str):
        raise ApcliError(f"{where} is no record: expected JSON Lines from apcli divergence")
    if members["kind"] not in KINDS:
        return OtherRecord(_clean(members))
    kind: Any = KINDS.row(members["kind"]).load()
    if members.get("version") != kind.version:
        version = shown(repr(members.get("version")))
        raise ApcliError(f"{where} is of version {version}, expected {kind.version}: make it again")
    record: Record = kind.from_json(_clean(members), where)
    return record


def _whole(digits: str) -> float:
    """A whole number; infinity, as of ``1e999``, for one that is too large for a float, in which all are computed."""
    number = int(digits)
    return number if abs(number) <= sys.float_info.max else math.inf


def _text(members: Mapping[str, Any]) -> str:
    """The JSON text, of UTF-8; ValueError if it has none.

    What a terminal would obey or hide (C1 controls, marks of direction) is escaped, which JSON reads as the same.
    """
    text = json.dumps(members, allow_nan=False, ensure_ascii=False, default=_plain)
    text.encode()
    return text if text.isprintable() else "".join(c if c.isprintable() else json.dumps(c)[1:-1] for c in text)


def _plain(value: Any) -> object:
    """The number that a NumPy scalar is: a result of hours is not lost for its type."""
    if not hasattr(value, "item"):
        raise TypeError(f"no JSON stands for {value!r}")
    return value.item()


def _clean(members: Mapping[str, Any]) -> Any:
    """The members as ``dump`` writes them; most need no change, and to see that takes a fraction of the time."""
    try:
        _text(members)
    except ValueError:
        return _cleaned(members)
    return members


def _cleaned(value: object) -> Any:
    """The value with null for numbers that are not finite, and with escapes for characters that are no UTF-8."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, str):
        return value if value.isascii() else value.encode(errors="backslashreplace").decode()
    if isinstance(value, dict):
        return {_cleaned(key): _cleaned(member) for key, member in value.items()}
    if isinstance(value, list | tuple):
        return [_cleaned(member) for member in value]
    return _cleaned(value.item()) if hasattr(value, "item") else value
