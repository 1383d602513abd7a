"""Build divergence records: a value with its files, how they were pruned, and how they perform."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from apcli.checkpoints.checkpoint import Checkpoint
from apcli.projections.weights import Distribution
from apcli.records.divergence import (
    DivergenceRecord,
    Metrics,
    PerformanceDifference,
    TvBounds,
)
from apcli.registry.tables import Choice, Parameter
from apcli.stages.pairs.pruning import Pruning, members_of
from apcli.theory import MeasureRow
from apcli.theory.bounds.total_variation import bretagnolle_huber, pinsker
from apcli.theory.measures import Pair
from apcli.theory.statistics import performance


@dataclass(frozen=True)
class Value:
    """A value, how it was computed (``estimator``, ``draws`` of Monte Carlo), and the bounds that it proves."""

    value: float
    std_error: float | None = 0.0
    estimator: str = "exact"
    draws: Mapping[str, int] | None = None
    tv_bounds: TvBounds | None = None


@dataclass(frozen=True)
class Compared:
    """The common part of the records of one layer (or ``POOLED``), or of one of its filters, at one epoch."""

    dense: Checkpoint
    pruned: Checkpoint
    pruning: Pruning
    layer: str
    filter: int | None
    epoch: int | None
    metrics: Metrics
    evaluated: Mapping[str, Any] | None = None


def record_of(
    compared: Compared, choice: Distribution, measure: Choice[MeasureRow] | None, dim: int, value: Value
) -> DivergenceRecord:
    """One record; ``measure`` None: the distribution is a number, which is its own measure."""
    metrics = compared.metrics.to_json()
    return DivergenceRecord(
        **members_of(compared.dense, compared.pruned, compared.pruning),
        layer=compared.layer,
        filter=compared.filter,
        dim=dim,
        epoch=compared.epoch,
        dist=choice.name,
        params=_jsonable(choice.parameters),
        measure=choice.name if measure is None else measure.name,
        measure_params={} if measure is None else _jsonable(measure.parameters),
        estimator=value.estimator,
        draws=value.draws,
        evaluated=compared.evaluated,
        value=value.value,
        std_error=value.std_error if math.isfinite(value.value) else None,
        tv_bounds=value.tv_bounds,
        pd=PerformanceDifference.from_json(performance.difference(metrics["dense"], metrics["pruned"])),
        metrics=compared.metrics,
    )


def tv_bounds_of(pair: Pair, kl: float) -> TvBounds:
    """Bounds on total variation from a KL divergence, and from the means and covariances of the two distributions."""
    return TvBounds(**pair.tv_lower(), pinsker=pinsker(kl), bretagnolle_huber=bretagnolle_huber(kl))


def _jsonable(parameters: Mapping[str, Parameter]) -> dict[str, Parameter]:
    """The parameters with ``inf`` as text, because JSON has no infinity."""
    return {
        key: str(value) if isinstance(value, float) and not math.isfinite(value) else value
        for key, value in parameters.items()
    }
