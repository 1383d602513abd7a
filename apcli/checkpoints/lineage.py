"""The lineage in a checkpoint's header: its model, data, settings and promises, as plain data (standard library only).

The lineage is one JSON object under the metadata key ``apcli``. It is data from a file and so not trusted:
a name in it is looked up in a table, never imported or executed, and a path in it is only ever read.
No clock time, absolute path or host name is in it: the same command gives the same bytes.
"""

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

from apcli import __version__
from apcli.checkpoints.files.headers import KEY
from apcli.checkpoints.network_layers import NetworkLayers
from apcli.checkpoints.promises import (
    Allocated,
    Json,
    Link,
    Promise,
    Settings,
    SplitMetrics,
    is_count,
    is_epoch,
    is_metrics,
    is_number,
    others,
)
from apcli.errors import ApcliError
from apcli.words import difference, join

VERSION = 1
PENDING = "?" * 64  # a parent's SHA-256 that is still being computed
_IDENTITY = ("stage", "settings", "model", "data", "seed", "parent")
# What files of an earlier apcli do not have.
_LATER: dict[str, Any] = {
    **dict.fromkeys(["apcli", "classes", "layers", "norm_difference", "allocation"]),
    **{"kept": {}, "sizes": {}, "storage": {}},
}

MetricsBySplit = Mapping[str, SplitMetrics | None]  # by split; None where a split is not known


@dataclass(frozen=True)
class Lineage:
    """The making of a checkpoint, and its promises. ``Lineage.EMPTY`` is that of a file without a lineage.

    Attributes:
        version: of this format.
        apcli: the version of the program that wrote it.
        stage: the command that made the file.
        model: a ``ModelSpec``, and under ``last`` its last layer's weight; None: not known.
        data: name, classes and images of the data set, and the number of training images if not all; None: not known.
        classes: what the outputs mean, in their order; empty: not known.
        seed: of the training.
        layers: the weights of the network's layers; None: the network has not been built.
        dense: the dense ancestor.
        settings: of the stages that led here, in order.
        history: one object per epoch of this stage.
        metrics: the final ones.
        dense_metrics: the dense ancestor's, on the same data.
        pruned: by tensor.
        kept: of a compact file, the channels of each tensor that are left (``kept_channels``).
        sizes: of a compact file, the sizes that the network's code states and that are others now (``channels.calls``).
        norm_difference: of a compact file whose norms take their statistics over fewer channels than the dense ones: by
            how much its logits differ from those of the masked file, at most, over the largest; None: of others.
        allocation: how the amount of the last pruning was shared, if by a budget or by evidence.
        storage: dtype and shape of packed tensors (``files.bitmask``).
        parent: the file that this one was made from.
        unknown: the keys of a later apcli, kept as they are.
    """

    version: int = VERSION
    apcli: str | None = __version__
    stage: str = ""
    model: Json | None = None
    data: Json | None = None
    classes: tuple[str, ...] = ()
    seed: int | None = None
    layers: NetworkLayers | None = None
    dense: Link | None = None
    settings: tuple[Settings, ...] = ()
    history: tuple[Json, ...] = ()
    metrics: MetricsBySplit = field(default_factory=dict)
    dense_metrics: MetricsBySplit = field(default_factory=dict)
    pruned: Mapping[str, Promise] = field(default_factory=dict)
    kept: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    sizes: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    norm_difference: float | None = None
    storage: Mapping[str, Json] = field(default_factory=dict)
    allocation: Allocated | None = None
    parent: Link | None = None
    unknown: Json = field(default_factory=dict)

    EMPTY: ClassVar["Lineage"]

    @property
    def is_known(self) -> bool:
        """Whether the file has a lineage."""
        return bool(self.stage)

    @property
    def model_name(self) -> str | None:
        """The network's name; None: not known."""
        return None if self.model is None else self.model["name"]

    @property
    def data_name(self) -> str | None:
        """The data set's name; None: not known."""
        return None if self.data is None else self.data["name"]

    @property
    def last_layer(self) -> str | None:
        """The weight of the network's last layer; None: not known."""
        return None if self.model is None else self.model.get("last")

    @property
    def last_settings(self) -> Settings:
        """The settings of the stage that made the file."""
        return self.settings[-1] if self.settings else Settings()

    @property
    def identity(self) -> Json:
        """The JSON members that identify the run: the same command on the same inputs gives the same."""
        members = self.to_json()
        return {key: members[key] for key in _IDENTITY}

    def made_as(self, wanted: "Lineage") -> bool:
        """Whether this file is the result of the run that ``wanted`` describes, perhaps before it was measured.

        This lineage may know more: its objects may have further keys.
        """
        return not self.difference(wanted)

    def difference(self, wanted: "Lineage") -> str:
        """What of this file first differs from the result of the run that ``wanted`` describes; empty if it is that.

        The sentence is as in ``sparsity 0.3 → 0.5``, from this file's value to the other.
        """
        own, other = self.to_json(), wanted.to_json()
        checked = [*_IDENTITY, *(key for key in ("history", "metrics") if other[key])]
        first = first_difference(own, {key: other[key] for key in checked})
        return f"{first}; it is of apcli {self.apcli}" if first and self.apcli != wanted.apcli else first

    def then(self, stage: str, options: Json, **changes: Any) -> "Lineage":
        """The lineage of a file that ``stage`` made with ``options`` from the file of this lineage.

        What ``changes`` (fields) does not name is inherited; history, metrics and storage never are, because they
        belong to other weights.
        """
        settings = (*self.settings, Settings(stage, options))
        own: dict[str, Any] = {"version": VERSION, "apcli": __version__, "stage": stage, "settings": settings}
        nothing: dict[str, Any] = {"history": (), "metrics": {}, "dense_metrics": {}, "storage": {}, "unknown": {}}
        made = replace(self, **own, **nothing, parent=None)
        return Lineage.from_text(replace(made, **changes).to_text(), stage)  # tuples are lists, as they will be read

    def of_trace(self) -> "Lineage":
        """The lineage of the trace beside the file."""
        return replace(self, stage="trace", layers=None, pruned={}, history=(), allocation=None)

    def to_json(self) -> Json:
        """Plain JSON values; ``from_json`` reads them back."""
        return {
            "version": self.version,
            "apcli": self.apcli,
            "stage": self.stage,
            "model": self.model,
            "data": self.data,
            "classes": list(self.classes) or None,
            "seed": self.seed,
            "layers": None if self.layers is None else self.layers.to_json(),
            "dense": None if self.dense is None else self.dense.to_json(),
            "settings": [settings.to_json() for settings in self.settings],
            "history": list(self.history),
            "metrics": self.metrics,
            "dense_metrics": self.dense_metrics,
            "pruned": {tensor: promise.to_json() for tensor, promise in self.pruned.items()},
            "kept": self.kept,
            **({"sizes": self.sizes} if self.sizes else {}),
            **({} if self.norm_difference is None else {"norm_difference": self.norm_difference}),
            "storage": self.storage,
            "parent": None if self.parent is None else self.parent.to_json(),
            **({} if self.allocation is None else {"allocation": self.allocation.to_json()}),
            **self.unknown,
        }

    def to_text(self) -> str:
        """The JSON text for a header."""
        return json.dumps(self.to_json(), separators=(",", ":"), allow_nan=False)

    @classmethod
    def from_json(cls, given: object, where: str) -> "Lineage":
        """Read what ``to_json`` wrote, from a file that anyone may have made; ``where`` names it in messages.

        Raises:
            ApcliError: it is not of this shape, or of a newer version.
        """
        remedy = f"remove its {KEY!r} metadata to use it"
        if not isinstance(given, dict) or not isinstance(given.get("version"), int):
            raise ApcliError(f"the lineage in {where} is not an object with a version: {remedy}")
        version = given["version"]
        if version > VERSION:
            raise ApcliError(f"{where} has a lineage of version {version}, this apcli reads {VERSION}: update apcli")
        values: dict[str, Any] = {}
        for key, read in _READERS.items():
            try:
                values[key] = read({**_LATER, **given}[key])
            except (KeyError, ValueError):
                raise ApcliError(f"the lineage in {where} has no valid {key!r}: {remedy}") from None
        return cls(version=version, **values, unknown=others(given, {"version", *_READERS}))

    @classmethod
    def from_text(cls, text: str, where: str) -> "Lineage":
        """Read the JSON text of a header; ``where`` names its file in messages.

        Raises:
            ApcliError: it is not JSON, not of this shape, or of a newer version.
        """
        try:
            given = json.loads(text, parse_constant=_refuse, parse_float=_finite)
        except (ValueError, RecursionError) as error:
            raise ApcliError(
                f"the lineage in {where} is not JSON ({error}): remove its {KEY!r} metadata to use it"
            ) from None
        return cls.from_json(given, where)


Lineage.EMPTY = Lineage()


def first_difference(own: Json, wanted: Json) -> str:
    """The first of the ``wanted`` members of an identity that differs, in words; empty if there is none."""
    words = {"settings": _of_settings, "parent": _of_parents, "data": _of_data}
    found = (words.get(key, difference)(own.get(key), value, key) for key, value in wanted.items())
    return next(filter(None, found), "")


def _of_settings(own: Any, wanted: Any, name: str) -> str:
    """The first setting that differs, of the first stage that has one."""
    stages = [[str(one.get("stage")) for one in settings] for settings in (own, wanted)]
    if stages[0] != stages[1]:
        return " → ".join(join(each) or "none" for each in stages)
    for number, (old, new) in enumerate(zip(own, wanted, strict=True), 1):
        if first := difference(old, new, exactly=True):
            return first if number == len(own) else f"{stages[0][number - 1]}’s {first}"
    return ""


def _of_data(own: Any, wanted: Any, name: str) -> str:
    """Exactly: a part of a set's images, or turned ones, are other images."""
    return difference(own, wanted, name, exactly=True)


def _of_parents(own: Any, wanted: Any, name: str) -> str:
    if own and wanted and own["path"] == wanted["path"] and own["sha256"] != wanted["sha256"]:
        return f"{wanted['path'] or 'its input'} is another file now"
    return difference(own, wanted, name)


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is no JSON number")


def _finite(number: str) -> float:
    """A number that a lineage can hold, and that can be written again."""
    value = float(number)
    if math.isinf(value):
        raise ValueError(f"{number:.40} is larger than any number of a computer")
    return value


def _checked(fits: Callable[[Any], bool]) -> Callable[[Any], Any]:
    """A reader of values that stay as they are."""

    def read(value: object) -> Any:
        if not fits(value):
            raise ValueError(f"{value!r:.60} is not what was expected")
        return value

    return read


def _is_kept(value: object) -> bool:
    """Text by tensor and dimension, or by module and call, which is checked when it is used."""
    return isinstance(value, dict) and all(
        isinstance(dims, dict) and all(isinstance(text, str) for text in dims.values()) for dims in value.values()
    )


def _is_storage(value: object) -> bool:
    return isinstance(value, dict) and all(
        isinstance(about, dict)
        and isinstance(about.get("dtype"), str)
        and isinstance(about.get("shape"), list)
        and all(map(is_count, about["shape"]))
        for about in value.values()
    )


def _is_named(value: object) -> bool:
    return value is None or (isinstance(value, dict) and isinstance(value.get("name"), str))


def _is_data(value: object) -> bool:
    if not isinstance(value, dict):
        return _is_named(value)
    turned = value.get("exif_orientation", False)
    return _is_named(value) and is_count(value.get("part", 0)) and isinstance(turned, bool)


def _list_of(read_one: Callable[[Any], Any]) -> Callable[[Any], tuple[Any, ...]]:
    def read(value: object) -> tuple[Any, ...]:
        if not isinstance(value, list):
            raise ValueError(f"{value!r:.60} is no list")
        return tuple(map(read_one, value))

    return read


def _classes(value: object) -> tuple[str, ...]:
    names = _list_of(_checked(lambda name: isinstance(name, str)))([] if value is None else value)
    if len(set(names)) < len(names):
        raise ValueError("a class is named twice")
    return names


def _pruned(value: object) -> dict[str, Promise]:
    if not isinstance(value, dict):
        raise ValueError("promises are by tensor")
    return {tensor: Promise.from_json(promise) for tensor, promise in value.items()}


def _optional(read: Callable[[Any], Any]) -> Callable[[Any], Any]:
    return lambda value: None if value is None else read(value)


# By field: the value that a lineage has for a value of JSON, or ValueError.
_READERS: dict[str, Callable[[Any], Any]] = {
    "apcli": _checked(lambda value: isinstance(value, str | None)),
    "stage": _checked(lambda value: isinstance(value, str) and value != ""),
    "model": _checked(lambda value: _is_named(value) and isinstance((value or {}).get("last"), str | None)),
    "data": _checked(_is_data),
    "classes": _classes,
    "seed": _checked(lambda value: value is None or (is_count(value) and value < 2**32)),
    "layers": _optional(NetworkLayers.from_json),
    "dense": _optional(Link.from_json),
    "settings": _list_of(Settings.from_json),
    "history": _list_of(_checked(is_epoch)),
    "metrics": _checked(is_metrics),
    "dense_metrics": _checked(is_metrics),
    "pruned": _pruned,
    "kept": _checked(_is_kept),
    "sizes": _checked(_is_kept),
    "norm_difference": _checked(lambda value: value is None or is_number(value)),
    "storage": _checked(_is_storage),
    "allocation": _optional(Allocated.from_json),
    "parent": _optional(Link.from_json),
}
