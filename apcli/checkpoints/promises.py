"""Parts of a lineage (standard library only).

They are a pruned tensor's promise, the link to another file, and the settings of a stage.
"""

import sys
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

Json = Mapping[str, Any]  # a JSON object, by member
# Of one split: loss in nats, accuracy and perhaps top5 in percent; None: not known.
SplitMetrics = Mapping[str, float | None]


@dataclass(frozen=True)
class Promise:
    """The zeros that a tensor has from its pruning on, and how it was pruned, where that is known.

    Attributes:
        zeros: at least so many of the ``size`` elements are zero.
        method: what chose them, as in ``lowest`` or ``mask of taylor``.
        scope: over what they were ranked, or the structure that was removed.
        seed: of a method that draws.
        requested: the share of the tensor that was asked for, in [0, 1].
        unknown: the keys of a later apcli, kept as they are.
    """

    zeros: int
    size: int
    method: str | None = None
    scope: str | None = None
    seed: int | None = None
    requested: float | None = None
    unknown: Json = field(default_factory=dict)

    @property
    def actual(self) -> float:
        """The share of the tensor that is zero."""
        return self.zeros / self.size if self.size else 0.0

    def to_json(self) -> Json:
        """Plain JSON values; ``from_json`` reads them back."""
        how = {"method": self.method, "scope": self.scope, "seed": self.seed, "requested": self.requested}
        return {**how, "actual": self.actual, "zeros": self.zeros, "size": self.size, **self.unknown}

    @classmethod
    def from_json(cls, given: object) -> "Promise":
        """Read what ``to_json`` wrote, from a file that anyone may have made.

        Raises:
            ValueError: it is no promise.
        """
        if not (
            isinstance(given, dict)
            and is_count(given.get("zeros"))
            and is_count(given.get("size"))
            and given["zeros"] <= given["size"]
            and isinstance(given.get("method"), str | None)
            and isinstance(given.get("scope"), str | None)
            and (given.get("seed") is None or is_count(given["seed"]))
            and (given.get("requested") is None or is_number(given["requested"]))
        ):
            raise ValueError(f"{given!r:.60} is no promise: expected counts of zeros and size, ...")
        known = {key: given[key] for key in ("zeros", "size", "method", "scope", "seed", "requested") if key in given}
        return cls(**known, unknown=others(given, {*known, "actual"}))


@dataclass(frozen=True)
class Spent:
    """A budget: what the dense network costs in a resource, what was to be left of it, and what is."""

    resource: str
    dense: float
    left: float
    got: float


@dataclass(frozen=True)
class Allocated:
    """How the amount was shared among layers, or among groups of channels.

    Attributes:
        widths: by unit, the elements that it keeps, and those that it had.
        budget: None: a share of the elements was asked for.
        evidence: what the allocation found out beside the widths, by its own names.
    """

    widths: Mapping[str, tuple[int, int]]
    budget: Spent | None = None
    evidence: Json = field(default_factory=dict)

    def to_json(self) -> Json:
        """Plain JSON values; ``from_json`` reads them back."""
        widths = {name: list(pair) for name, pair in self.widths.items()}
        return {"widths": widths, "budget": self.budget and vars(self.budget), "evidence": self.evidence}

    @classmethod
    def from_json(cls, given: object) -> "Allocated":
        """Read what ``to_json`` wrote, from a file that anyone may have made.

        Raises:
            ValueError: it is no such object.
        """
        budget = given.get("budget") if isinstance(given, dict) else None
        if not (
            isinstance(given, dict)
            and isinstance(given.get("widths"), dict)
            and all(
                isinstance(pair, list) and len(pair) == 2 and all(map(is_count, pair))
                for pair in given["widths"].values()
            )
            and isinstance(given.get("evidence"), dict)
            and (budget is None or _is_spent(budget))
        ):
            raise ValueError(f"{given!r:.60} is no allocation: expected widths, a budget and evidence")
        widths = {name: (kept, size) for name, (kept, size) in given["widths"].items()}
        return cls(widths, budget and Spent(**budget), given["evidence"])


def _is_spent(budget: object) -> bool:
    numbers = ("dense", "left", "got")
    return (
        isinstance(budget, dict)
        and budget.keys() == {"resource", *numbers}
        and isinstance(budget["resource"], str)
        and all(is_number(budget[key]) for key in numbers)
    )


@dataclass(frozen=True)
class Link:
    """A lineage's link to another file.

    Attributes:
        path: relative to the folder of the file with the lineage; None: it had no name, as in a pipe.
        sha256: of the file, in hexadecimal digits.
        key: the member of a training checkpoint that was read, if ``--weights-key`` chose it.
        unknown: the keys of a later apcli, kept as they are.
    """

    path: str | None
    sha256: str
    unknown: Json = field(default_factory=dict)
    key: str | None = None

    def to_json(self) -> Json:
        """Plain JSON values; ``from_json`` reads them back."""
        chosen = {} if self.key is None else {"key": self.key}
        return {"path": self.path, "sha256": self.sha256, **chosen, **self.unknown}

    @classmethod
    def from_json(cls, given: object) -> "Link":
        """Read what ``to_json`` wrote, from a file that anyone may have made.

        Raises:
            ValueError: it is no link.
        """
        if (
            not isinstance(given, dict)
            or not isinstance(path := given.get("path"), str | None)
            or "\0" in (path or "")
            or not isinstance(given.get("sha256"), str)
            or not isinstance(key := given.get("key"), str | None)
        ):
            raise ValueError(f"{given!r:.60} is no link: expected a path and a sha256")
        return cls(path, given["sha256"], others(given, {"path", "sha256", "key"}), key)


@dataclass(frozen=True)
class Settings:
    """How one stage was run.

    Attributes:
        stage: the command; None: not known.
        options: by keyword, with every default filled in. They are compared and shown as they are, whatever a stage or
            a method of a later apcli adds to them.
    """

    stage: str | None = None
    options: Json = field(default_factory=dict)

    def to_json(self) -> Json:
        """Plain JSON values; ``from_json`` reads them back."""
        return self.options if self.stage is None else {"stage": self.stage, **self.options}

    @classmethod
    def from_json(cls, given: object) -> "Settings":
        """Read what ``to_json`` wrote, from a file that anyone may have made.

        Raises:
            ValueError: they are no settings.
        """
        if not isinstance(given, dict) or not isinstance(given.get("stage"), str | None):
            raise ValueError(f"{given!r:.60} are no settings: expected an object with a stage")
        return cls(given.get("stage"), others(given, {"stage"}))


def others(given: Json, known: Collection[str]) -> Json:
    """The members of a JSON object that are not ``known``."""
    return {key: value for key, value in given.items() if key not in known}


def is_number(value: object) -> bool:
    """Whether a JSON value is a number, and no whole one that is too large for a float."""
    if isinstance(value, bool) or not isinstance(value, int):
        return isinstance(value, float)
    return abs(value) <= sys.float_info.max


def is_count(value: object) -> bool:
    """Whether a JSON value is a whole number, 0 or more."""
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def is_metrics(value: object) -> bool:
    """Metrics of any split, or none."""
    return isinstance(value, dict) and all(map(is_split, value.values()))


def is_split(value: object) -> bool:
    """Whether a JSON value is a split's metrics: numbers; ``loss`` and ``accuracy`` always, null where not known."""
    return value is None or (
        isinstance(value, dict)
        and {"loss", "accuracy"} <= value.keys()
        and all(number is None or is_number(number) for number in value.values())
    )


def is_epoch(value: object) -> bool:
    """An epoch's number, metrics of some splits, and what a later apcli adds."""
    return (
        isinstance(value, dict)
        and is_count(value.get("epoch"))
        and all(is_split(value.get(split)) for split in ("train", "test", "validation", "running"))
    )
