"""The quantities of divergence records: keys that identify them, labels, and units."""

import functools
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar

from apcli.configs.divergence import DivergenceConfig
from apcli.projections import COVARIANCES, DISTRIBUTIONS, Form
from apcli.records.divergence import DivergenceRecord
from apcli.registry.tables import Parameter
from apcli.theory import MEASURES, SAME
from apcli.theory.statistics.performance import SPLITS

PLAIN = DivergenceConfig.measure  # a label does not name this measure


@dataclass(frozen=True)
class ApKey:
    """The key of comparable AP values: distribution, measure and estimator, with all parameters.

    Parameters, draws and data are JSON texts with sorted keys.
    """

    kind: ClassVar[str] = "ap"

    dist: str
    measure: str
    estimator: str
    params: str
    measure_params: str
    draws: str
    evaluated: str


@dataclass(frozen=True)
class BoundKey:
    """The best ``lower`` or ``upper`` bound on total variation in the records of a KL measure."""

    of: ApKey
    side: str


@dataclass(frozen=True)
class ScoreKey:
    """A loss or an accuracy on one split: of a network (``dense``, ``before`` or ``pruned``), or PD (``pd``).

    ``change`` is a loss of the pruned network minus that of the dense one: PD with its sign.
    """

    kind: str
    split: str
    what: str


Key = ApKey | BoundKey | ScoreKey


@dataclass(frozen=True)
class Quantity:
    """A quantity that is measured for each trial and epoch, with its label and unit."""

    key: ApKey | ScoreKey
    label: str
    unit: str

    @property
    def kind(self) -> str:
        """``ap`` or ``pd``."""
        return self.key.kind

    @property
    def words(self) -> str:
        """The label without AP or PD: ``test loss``."""
        return self.label.removeprefix("PD, ")

    @property
    def spoken(self) -> str:
        """A PD for a reader who does not know the term: ``loss difference on test images``."""
        split, what = self.words.split()
        return f"{what} difference on {'training' if split == 'train' else split} images"


@dataclass(frozen=True)
class ApMeasure(Quantity):
    """An AP measure. ``record`` is one of its records, all of which were computed in the same way."""

    key: ApKey
    record: DivergenceRecord = field(compare=False)

    @property
    def dist(self) -> str:
        return self.record.dist

    @property
    def is_number(self) -> bool:
        """Whether the measure is a number computed from the weights, such as AP2, and no divergence."""
        row = DISTRIBUTIONS.get(self.dist)
        return row is not None and row.form is Form.NUMBER

    @property
    def params(self) -> dict[str, Parameter]:
        return params_of(self.record)

    @property
    def settings(self) -> list[str]:
        """Cells of a table: distribution, parameters, divergence, estimator, and the data."""
        record, on = self.record, self.record.evaluated or {}
        counts = [f"{value} {key}" for key, value in on.items() if key not in ("data", "split")]
        names = [str(on[key]) for key in ("data", "split") if on.get(key) is not None]
        return [
            record.dist,
            _pairs(self.params) or "none",
            _measure(record),
            ", ".join(filter(None, [record.estimator or "unknown", _pairs(record.draws or {})])),
            ", ".join([*names, *counts]) or "weights alone",
        ]


PD = tuple(
    Quantity(ScoreKey("pd", split, what), f"PD, {split} {what}", unit)
    for what, unit in (("loss", "nats"), ("accuracy", "percentage points"))
    for split in SPLITS
)
PD_LOSS = PD[:2]
SIGNED = {pd: Quantity(ScoreKey("change", split, "loss"), f"signed change of {split} loss", "nats")
          for pd, split in zip(PD_LOSS, SPLITS, strict=True)}  # fmt: skip


def key_of(record: DivergenceRecord) -> ApKey:
    """The key of a record: records of one key measure the same quantity."""
    parts = (params_of(record), record.measure_params, record.draws or {}, record.evaluated or {})
    named = (record.dist, record.measure or "unknown", record.estimator or "unknown")
    return _one(ApKey(*named, *(json.dumps(part, sort_keys=True) if part else "{}" for part in parts)))


@functools.lru_cache(maxsize=1024)
def _one(key: ApKey) -> ApKey:
    """One object for all equal keys, which are looked up and compared often."""
    return key


def params_of(record: DivergenceRecord) -> dict[str, Parameter]:
    """The parameters of the distributions, without those that older records leave out.

    These are ``same`` for the pruned distribution's parameters, and ``groups`` 0.
    """
    return {k: v for k, v in record.params.items() if v != SAME and (k, v) != ("groups", 0)}


def measures_of(records: Sequence[DivergenceRecord]) -> tuple[ApMeasure, ...]:
    """The AP measures in order of appearance, each with a label of its own.

    A label names the distribution, every parameter that differs from its default, and in brackets the measure if that
    is not KL, and the first further traits that tell it apart: ``AP3 student-t groups=100 (js)``.
    """
    examples: dict[ApKey, DivergenceRecord] = {}
    for record in records:
        examples.setdefault(key_of(record), record)
    stems = {key: _stem(record) for key, record in examples.items()}
    traits = {key: _traits(record) for key, record in examples.items()}
    measures = []
    for key, record in examples.items():
        rivals = [other for k, other in traits.items() if stems[k] == stems[key] and k != key]
        apart = []
        for name, text in traits[key].items():
            if name == "measure":
                apart += [text] if key.measure not in (PLAIN, key.dist) else []
            elif any(other.get(name) != text for other in rivals):
                apart.append(text)
            rivals = [other for other in rivals if other.get(name) == text]
        label = f"{stems[key]} ({', '.join(apart)})" if apart else stems[key]
        measures.append(ApMeasure(key, label, _unit(key.measure), record))
    return tuple(measures)


def _stem(record: DivergenceRecord) -> str:
    """The distribution, and every parameter that differs from its default; all of them if no default is known."""
    row = DISTRIBUTIONS.get(record.dist)
    covariance = COVARIANCES.get(str(record.params.get("cov")))
    defaults = {**(row.parameters if row else {}), **(covariance.parameters if covariance else {})}
    unusual = [f"{key}={value}" for key, value in params_of(record).items() if defaults.get(key) != value]
    return " ".join([(row and row.label) or f"AP3 {record.dist}", *unusual])


def _unit(measure: str) -> str:
    """The unit of a measure, or of a distribution that is its own measure; an unknown measure's name."""
    row = MEASURES.get(measure) or DISTRIBUTIONS.get(measure)
    return (row and row.unit) or measure


def _traits(record: DivergenceRecord) -> dict[str, str]:
    """The traits that a label may name, by kind, the most important first."""
    traits = {f"params {key}": f"{key}={value}" for key, value in params_of(record).items()}
    traits |= {"measure": _measure(record), "estimator": record.estimator or "unknown"}
    traits |= {f"draws {key}": f"draws {key}={value}" for key, value in (record.draws or {}).items()}
    return traits | {f"evaluated {key}": f"{key}={value}" for key, value in (record.evaluated or {}).items()}


def _measure(record: DivergenceRecord) -> str:
    pairs = [f"{key}={value}" for key, value in record.measure_params.items()]
    return " ".join([record.measure or "unknown", *pairs])


def _pairs(values: Mapping[str, Parameter]) -> str:
    return ", ".join(f"{key}={value}" for key, value in values.items())
