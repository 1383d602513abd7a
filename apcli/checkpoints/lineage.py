"""Lineage: what a checkpoint says of itself in its header, as plain data (standard library only).

The lineage is one JSON object under the metadata key ``apcli``. It is data from a file and so not trusted:
a name in it is looked up in a table, never imported or executed, and a path in it is only ever read.

Keys: ``version`` (of this format), ``apcli`` (the program's version), ``stage``, ``model``, ``data``, ``seed``,
``settings`` (one object per stage that led here, in order), ``history`` (one object per epoch of this stage),
``metrics`` (final, per split), ``dense_metrics`` (the dense ancestor's, on the same data), ``pruned`` (per tensor),
``layers`` (which tensors are layers' weights, and which are one parameter: ``layers.network_layers``; null: the network
has not been built),
``classes`` (what the outputs mean, in their order; null: not known),
``kept`` (of a compact file, which channels of each tensor are left: ``kept_channels``), ``storage`` (packed tensors:
``files.bitmask``), ``parent`` and ``dense`` (relative path and SHA-256).
No clock time, absolute path or host name is in it: the same command gives the same bytes.
"""

import json
from collections.abc import Callable, Mapping
from typing import Any

from apcli import __version__
from apcli.checkpoints import network_layers
from apcli.checkpoints.files.headers import KEY
from apcli.errors import ApcliError

VERSION = 1
PENDING = "?" * 64  # a parent's SHA-256 that is still being computed

Lineage = dict[str, Any]


def make(stage: str, settings: Mapping[str, Any], origin: Lineage | None, **changes: Any) -> Lineage:
    """The lineage of a file that ``stage`` made with ``settings`` from a file whose lineage is ``origin``.

    What ``changes`` does not name (model, data, classes, seed, pruned, dense) is inherited; history and metrics never
    are, because they were measured on other weights.
    """
    inherited = {key: (origin or {}).get(key) for key in ("model", "data", "classes", "seed", "layers", "dense")}
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
        "kept": (origin or {}).get("kept", {}),
        "storage": {},
        "parent": None,
    }
    unknown = changes.keys() - lineage.keys()
    if unknown:
        raise ValueError(f"not keys of a lineage: {sorted(unknown)}")
    as_read_back: Lineage = json.loads(dump({**lineage, **changes}))
    return as_read_back


def promise(
    zeros: int,
    size: int,
    method: str | None = None,
    scope: str | None = None,
    seed: int | None = None,
    requested: float | None = None,
) -> dict[str, Any]:
    """What ``pruned`` says of one tensor: how it was pruned, where that is known, and the zeros it has from then on."""
    return {
        "method": method,
        "scope": scope,
        "seed": seed,
        "requested": requested,
        "actual": zeros / size,
        "zeros": zeros,
        "size": size,
    }


def dump(lineage: Mapping[str, Any]) -> str:
    return json.dumps(lineage, separators=(",", ":"), allow_nan=False)


def parse(text: str, where: str) -> Lineage:
    """Read a lineage from a header's metadata; ``where`` is the file's name for messages.

    Raises:
        ApcliError: it is not JSON, not of this shape, or of a newer version.
    """
    try:
        lineage = json.loads(text, parse_constant=_refuse)
    except (ValueError, RecursionError) as error:
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
    older: Lineage = {
        "classes": None,
        "layers": None,
        "kept": {},
        "storage": {},
    }  # what files of an earlier apcli do not have
    lineage = {**lineage, **older, **lineage}
    for key, fits in _SHAPES.items():
        if key not in lineage or not fits(lineage[key]):
            raise ApcliError(f"the lineage in {where} has no valid {key!r}: remove its {KEY!r} metadata to use it")
    return lineage


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is no JSON number")


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _is_metrics(value: Any) -> bool:
    """Per split, an object of numbers; ``loss`` and ``accuracy`` are always there, null where not known."""
    return isinstance(value, dict) and all(
        split is None
        or (
            isinstance(split, dict)
            and {"loss", "accuracy"} <= split.keys()
            and all(number is None or _is_number(number) for number in split.values())
        )
        for split in (value.get("train"), value.get("test"))
    )


def _is_history(value: Any) -> bool:
    return isinstance(value, list) and all(
        isinstance(step, dict) and _is_count(step.get("epoch")) and _is_metrics(step) for step in value
    )


def _is_pruned(value: Any) -> bool:
    return isinstance(value, dict) and all(
        isinstance(promise, dict)
        and _is_count(promise.get("zeros"))
        and _is_count(promise.get("size"))
        and isinstance(promise.get("method"), str | None)
        and isinstance(promise.get("scope"), str | None)
        and (promise.get("seed") is None or _is_count(promise["seed"]))
        and (promise.get("requested") is None or _is_number(promise["requested"]))
        for promise in value.values()
    )


def _is_kept(value: Any) -> bool:
    """By tensor and dimension, text; what it lists is checked where it is used."""
    return isinstance(value, dict) and all(
        isinstance(dims, dict) and all(isinstance(text, str) for text in dims.values()) for dims in value.values()
    )


def _is_storage(value: Any) -> bool:
    return isinstance(value, dict) and all(
        isinstance(about, dict)
        and isinstance(about.get("dtype"), str)
        and isinstance(about.get("shape"), list)
        and all(map(_is_count, about["shape"]))
        for about in value.values()
    )


def _is_link(value: Any) -> bool:
    if value is None:
        return True
    path = value.get("path") if isinstance(value, dict) else 0
    return isinstance(path, str | None) and "\0" not in (path or "") and isinstance(value.get("sha256"), str)


def _is_named(value: Any) -> bool:
    return value is None or (isinstance(value, dict) and isinstance(value.get("name"), str))


def _is_classes(value: Any) -> bool:
    if value is None:
        return True
    return isinstance(value, list) and all(isinstance(name, str) for name in value) and len(set(value)) == len(value)


_SHAPES: dict[str, Callable[[Any], bool]] = {
    "stage": lambda value: isinstance(value, str),
    "model": _is_named,
    "data": _is_named,
    "classes": _is_classes,
    "seed": lambda value: value is None or (_is_count(value) and value < 2**32),
    "settings": lambda value: isinstance(value, list) and all(isinstance(stage, dict) for stage in value),
    "history": _is_history,
    "metrics": _is_metrics,
    "dense_metrics": _is_metrics,
    "layers": network_layers.is_valid,
    "pruned": _is_pruned,
    "kept": _is_kept,
    "storage": _is_storage,
    "parent": _is_link,
    "dense": _is_link,
}
