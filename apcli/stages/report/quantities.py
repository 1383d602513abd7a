"""What a divergence record measures, its number aside: the key that tells measures apart, and what to call them."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from apcli.theory import SAME
from apcli.theory.statistics.performance import SPLITS

Record = Mapping[str, Any]
Key = tuple[str, ...]

NATS = frozenset({"kl", "reverse-kl", "jeffreys", "js", "renyi", "bhattacharyya"})
UNITS = {"ap2": "squared distance", "w2": "distance", "tv": "total variation", "hellinger": "Hellinger distance"}
PLAIN = ("kl", "ap2")  # measures that a label does not name


@dataclass(frozen=True)
class Quantity:
    """Something measured per trial and epoch: an AP measure or a performance difference.

    ``record`` is one record of an AP measure: what it says of the laws, of the measure and of how it was had holds for
    all of them.
    """

    key: Key
    label: str
    unit: str
    record: Record = field(default_factory=dict, compare=False)

    @property
    def kind(self) -> str:
        return self.key[0]

    @property
    def words(self) -> str:
        """What is measured, without the family's name: test loss."""
        return self.label.removeprefix("PD, ")

    @property
    def dist(self) -> str:
        return str(self.record.get("dist"))

    @property
    def params(self) -> dict[str, Any]:
        return params_of(self.record)

    @property
    def settings(self) -> list[str]:
        """For a table: distribution, its parameters, divergence, estimator, and the data it was measured on."""
        record, draws, on = self.record, _part(self.record, "draws"), _part(self.record, "evaluated")
        counts = [f"{value} {key}" for key, value in on.items() if key not in ("data", "split")]
        names = [str(on[key]) for key in ("data", "split") if on.get(key) is not None]
        return [
            str(record.get("dist") or "unknown"),
            _pairs(self.params) or "none",
            _measure(record),
            ", ".join(filter(None, [str(record.get("estimator") or "unknown"), _pairs(draws)])),
            ", ".join([*names, *counts]) or "weights alone",
        ]


PD = tuple(
    Quantity(("pd", split, what), f"PD, {split} {what}", unit)
    for what, unit in (("loss", "nats"), ("accuracy", "percentage points"))
    for split in SPLITS
)
PD_LOSS = PD[:2]


def key_of(record: Record) -> Key:
    """Two records of one key measure the same, and their numbers may stand in one column."""
    named = (str(record.get(name) or "unknown") for name in ("dist", "measure", "estimator"))
    parts = (params_of(record), *(_part(record, name) for name in ("measure_params", "draws", "evaluated")))
    return ("ap", *named, *(json.dumps(part, sort_keys=True) for part in parts))


def params_of(record: Record) -> dict[str, Any]:
    """The parameters of the laws, less those that say what holds without them too, as in older records.

    A pruned law as the dense one, and weights that are not grouped.
    """
    return {k: v for k, v in _part(record, "params").items() if v != SAME and (k, v) != ("groups", 0)}


def measures_of(records: Sequence[Record]) -> tuple[Quantity, ...]:
    """The AP measures in order of appearance, each labelled by the first things that tell it from the others."""
    found: dict[Key, Record] = {}
    for record in records:
        found.setdefault(key_of(record), record)
    traits = {key: _traits(record) for key, record in found.items()}
    measures = []
    for key, record in found.items():
        rivals = [other for k, other in traits.items() if k[1] == key[1] and k != key]
        apart = []
        for name, text in traits[key].items():
            if name == "measure":
                apart += [text] if key[2] not in PLAIN else []
            elif any(other.get(name) != text for other in rivals):
                apart.append(text)
            rivals = [other for other in rivals if other.get(name) == text]
        label = "AP2" if key[1] == "ap2" else f"AP3 {key[1]}"
        unit = "nats" if key[2] in NATS else UNITS.get(key[2], key[2])
        measures.append(Quantity(key, f"{label} ({', '.join(apart)})" if apart else label, unit, record))
    return tuple(measures)


def _traits(record: Record) -> dict[str, str]:
    """By name, what a label can say of a measure, the most telling first."""
    traits = {f"params {key}": f"{key}={value}" for key, value in params_of(record).items()}
    traits |= {"measure": _measure(record), "estimator": str(record.get("estimator") or "unknown")}
    for part, prefix in (("draws", "draws "), ("evaluated", "")):
        traits |= {f"{part} {key}": f"{prefix}{key}={value}" for key, value in _part(record, part).items()}
    return traits


def _measure(record: Record) -> str:
    pairs = [f"{key}={value}" for key, value in _part(record, "measure_params").items()]
    return " ".join([str(record.get("measure") or "unknown"), *pairs])


def _part(record: Record, name: str) -> Mapping[str, Any]:
    return record.get(name) or {}


def _pairs(values: Mapping[str, Any]) -> str:
    return ", ".join(f"{key}={value}" for key, value in values.items())
