"""Records: one JSON object per line, valid for every parser (standard library only)."""

import json
import math
from collections.abc import Iterable, Iterator
from typing import Any

from apcli.errors import ApcliError, UsageError

VERSION = 1
POOLED = "*"  # the ``layer`` of all compared layers taken as one vector

Record = dict[str, Any]


def dump(record: Record) -> str:
    """One line of JSON. A number that is not finite is not known, and is written null.

    Bytes of a file's name that are no UTF-8, which no JSON text can hold, are escaped: ``\\udcff``.
    """
    return json.dumps(_clean(record), allow_nan=False, ensure_ascii=False)


def load(lines: Iterable[str], where: str) -> Iterator[Record]:
    """Read JSON Lines.

    Raises:
        UsageError: a line is something else, such as a checkpoint's path.
        ApcliError: a record is of a kind or version that this program does not know.
    """
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            record = json.loads(line)
        except ValueError:
            hint = "a checkpoint's path" if line.rstrip().endswith(".safetensors") else repr(line.strip()[:40])
            raise UsageError(
                f"{where}, line {number} is {hint} where a record was expected: run `apcli divergence` first"
            ) from None
        if not isinstance(record, dict) or record.get("kind") != "divergence":
            raise ApcliError(
                f"{where}, line {number} is no divergence record: expected JSON Lines from apcli divergence"
            )
        if record.get("version") != VERSION:
            found = record.get("version")
            raise ApcliError(f"{where}, line {number} is of version {found}, expected {VERSION}: make it again")
        for key, (kinds, expected) in _FIELDS.items():
            if not isinstance(record.get(key), kinds) or isinstance(record.get(key), bool):
                raise ApcliError(f"{where}, line {number} has {key} {record.get(key)!r:.60}: expected {expected}")
        yield _clean(record)


_OBJECT: tuple[Any, str] = ((dict, type(None)), "an object or null")
_NAME: tuple[Any, str] = ((str, type(None)), "text or null")
_COUNT: tuple[Any, str] = ((int, type(None)), "a whole number or null")
_FIELDS: dict[str, tuple[Any, str]] = {
    **dict.fromkeys(("dense", "pruned", "sparsity", "params", "pd", "metrics"), _OBJECT),
    **dict.fromkeys(("model", "data", "method", "scope", "measure", "estimator"), _NAME),
    **dict.fromkeys(("seed", "mask_seed", "epoch", "dim"), _COUNT),
    **dict.fromkeys(("value", "std_error"), ((int, float, type(None)), "a number or null")),
    **dict.fromkeys(("layer", "dist"), ((str,), "text")),
}


def _clean(value: Any) -> Any:
    """The value without numbers that are not finite and without halves of characters."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, str):
        return value if value.isascii() else value.encode(errors="backslashreplace").decode()
    if isinstance(value, dict):
        return {_clean(key): _clean(member) for key, member in value.items()}
    if isinstance(value, list | tuple):
        return [_clean(member) for member in value]
    return value
