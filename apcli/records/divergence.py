"""The divergence record: how far a layer's weights moved, the files, the measure, and how the networks perform."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, ClassVar

from apcli.records import name_of
from apcli.records.json_objects import Columns, JsonObject
from apcli.records.pair import PairRecord
from apcli.registry.tables import Parameter


@dataclass(frozen=True)
class Scores(JsonObject):
    """A network's performance on one split."""

    loss: Annotated[float | None, "mean cross-entropy, nats"] = None
    accuracy: Annotated[float | None, "top-1, percent"] = None
    top5: Annotated[float | None, "percent"] = None


@dataclass(frozen=True)
class Performance(JsonObject):
    """A network's performance on both splits."""

    test: Annotated[Scores | None, "test split"] = None
    train: Annotated[Scores | None, "training split"] = None


@dataclass(frozen=True)
class Metrics(JsonObject):
    """The performance of a record's networks."""

    dense: Annotated[Performance | None, "the dense network"] = None
    before: Annotated[Performance | None, "the pruned one before fine-tuning"] = None
    pruned: Annotated[Performance | None, "the pruned one of this record"] = None


@dataclass(frozen=True)
class Difference(JsonObject):
    """|L(dense) - L(pruned)| on one split."""

    loss: Annotated[float | None, "of mean cross-entropy, nats"] = None
    accuracy: Annotated[float | None, "percentage points"] = None


@dataclass(frozen=True)
class PerformanceDifference(JsonObject):
    """PD (arXiv:2403.00155, Definition 6)."""

    test: Annotated[Difference | None, "test split"] = None
    train: Annotated[Difference | None, "training split"] = None


@dataclass(frozen=True)
class TvBounds(JsonObject):
    """Bounds on the total variation of the two distributions: two from below, two from above."""

    lemma_1: Annotated[float | None, "lower bound from means and covariances"] = None
    lemma_1_best: Annotated[float | None, "the same on the best line"] = None
    pinsker: Annotated[float | None, "upper bound sqrt(KL / 2), at most 1"] = None
    bretagnolle_huber: Annotated[float | None, "upper bound sqrt(1 - exp(-KL))"] = None


@dataclass(frozen=True, kw_only=True)
class DivergenceRecord(PairRecord):
    """One value of one measure, for a pair of files, a layer and an epoch. A number that is not known is None."""

    kind: ClassVar[str] = "divergence"
    version: ClassVar[int] = 1

    layer: Annotated[str, "name of the layer; `*` is all compared layers taken as one vector"]
    filter: Annotated[int | None, "index of the layer's output, from 0, if the record is of its filter alone"] = None
    dim: Annotated[int | None, "dimension of the distributions"] = None
    epoch: Annotated[int | None, "of a trace; null for the file itself"] = None
    dist: Annotated[str, "distribution, as `--dist` names it"]
    params: Annotated[Mapping[str, Parameter], "its parameters"] = field(default_factory=dict)
    measure: Annotated[str | None, "divergence, as `--measure` names it; `ap2` for AP2"] = None
    measure_params: Annotated[Mapping[str, Parameter], "its parameters"] = field(default_factory=dict)
    estimator: Annotated[str | None, "how the value was computed: `exact`, `mc` or `mc-naive`"] = None
    draws: Annotated[Mapping[str, Any] | None, "samples, repeats and seed of Monte Carlo"] = None
    evaluated: Annotated[Mapping[str, Any] | None, "data, split and images, if measured on the network"] = None
    value: Annotated[float | None, "in nats unless the measure has another unit; null if infinite or unknown"] = None
    std_error: Annotated[float | None, "standard error of the value: 0 for an exact one"] = None
    tv_bounds: Annotated[TvBounds | None, "bounds on total variation that a KL value gives", Columns("tv_")] = None
    pd: Annotated[PerformanceDifference, "performance difference"] = PerformanceDifference()
    metrics: Annotated[Metrics, "performance", Columns("")] = Metrics()

    @property
    def compared(self) -> str:
        """The layer, or the filter as ``conv1[3]``, for people."""
        return name_of(self.layer, self.filter)
