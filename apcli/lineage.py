"""Lineage: what a checkpoint says of itself in its header, as plain data (standard library only).

The lineage is one JSON object under the metadata key ``apcli``. It is data from a file and so not trusted:
a name in it is looked up in a table, never imported or executed, and a path in it is only ever read.

Keys: ``version`` (of this format), ``apcli`` (the program's version), ``stage``, ``model``, ``data``, ``seed``,
``settings`` (one object per stage that led here, in order), ``history`` (one object per epoch of this stage),
``metrics`` (final, per split), ``dense_metrics`` (the dense ancestor's, on the same data), ``pruned`` (per tensor),
``parent`` and ``dense`` (relative path and SHA-256).
No clock time, absolute path or host name is in it: the same command gives the same bytes.
"""

import json
from collections.abc import Mapping
from typing import Any

from apcli import __version__
from apcli.errors import ApcliError

KEY = "apcli"
VERSION = 1

Lineage = dict[str, Any]

_KINDS: dict[str, type | tuple[type, ...]] = {
    "version": int,
    "stage": str,
    "model": (dict, type(None)),
    "data": (dict, type(None)),
    "seed": (int, type(None)),
    "settings": list,
    "history": list,
    "metrics": dict,
    "dense_metrics": dict,
    "pruned": dict,
    "parent": (dict, type(None)),
    "dense": (dict, type(None)),
}


def make(stage: str, settings: Mapping[str, Any], origin: Lineage | None, **changes: Any) -> Lineage:
    """The lineage of a file that ``stage`` made with ``settings`` from a file whose lineage is ``origin``.

    What ``changes`` does not name (model, data, seed, pruned, dense) is inherited; history and metrics never are,
    because they were measured on other weights.
    """
    inherited = {key: (origin or {}).get(key) for key in ("model", "data", "seed", "dense")}
    lineage: Lineage = {
        "version": VERSION,
        "apcli": __version__,
        "stage": stage,
        **inherited,
        "settings": [*(origin or {}).get("settings", []), {"stage": stage, **settings}],
        "history": [],
        "metrics": {},
        "dense_metrics": {},
        "pruned": (origin or {}).get("pruned", {}),
        "parent": None,
    }
    unknown = changes.keys() - lineage.keys()
    if unknown:
        raise ValueError(f"not keys of a lineage: {sorted(unknown)}")
    as_read_back: Lineage = json.loads(dump({**lineage, **changes}))
    return as_read_back


def dump(lineage: Mapping[str, Any]) -> str:
    return json.dumps(lineage, separators=(",", ":"), allow_nan=False)


def parse(text: str, where: str) -> Lineage:
    """Read a lineage from a header's metadata; ``where`` is the file's name for messages.

    Raises:
        ApcliError: it is not JSON, not of this shape, or of a newer version.
    """
    try:
        lineage = json.loads(text)
    except ValueError as error:
        raise ApcliError(
            f"the lineage in {where} is not JSON ({error}): remove its {KEY!r} metadata to use it"
        ) from None
    if not isinstance(lineage, dict) or not isinstance(lineage.get("version"), int):
        raise ApcliError(
            f"the lineage in {where} is not an object with a version: remove its {KEY!r} metadata to use it"
        )
    if lineage["version"] > VERSION:
        raise ApcliError(
            f"{where} has a lineage of version {lineage['version']}, this apcli reads {VERSION}: update apcli"
        )
    for key, kind in _KINDS.items():
        if not isinstance(lineage.get(key), kind):
            raise ApcliError(f"the lineage in {where} has no valid {key!r}: remove its {KEY!r} metadata to use it")
    for link in ("parent", "dense"):
        if lineage[link] is not None and not isinstance(lineage[link].get("sha256"), str):
            raise ApcliError(f"the lineage in {where} names a {link} file without its sha256")
    return lineage
