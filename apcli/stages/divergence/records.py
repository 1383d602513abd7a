"""Build divergence records: a value with its files, how they were pruned, and how they perform."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from apcli.checkpoints.checkpoint import Checkpoint
from apcli.checkpoints.layers import Layer
from apcli.checkpoints.lineage import Lineage, MetricsBySplit
from apcli.checkpoints.promises import is_count
from apcli.projections.weights import Distribution
from apcli.records.divergence import (
    DivergenceRecord,
    File,
    LayerSparsity,
    Metrics,
    Performance,
    PerformanceDifference,
    TvBounds,
)
from apcli.registry.tables import Choice, Parameter
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
class Pruning:
    """The pruning of layers; None for what differs between them."""

    method: str | None
    scope: str | None
    mask_seed: int | None
    sparsity: LayerSparsity


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
    pruning, lineage, metrics = compared.pruning, compared.pruned.lineage, compared.metrics.to_json()
    return DivergenceRecord(
        model=lineage.model_name,
        data=lineage.data_name,
        seed=_seed(lineage),
        dense=_file(compared.dense),
        pruned=_file(compared.pruned),
        method=pruning.method,
        scope=pruning.scope,
        mask_seed=pruning.mask_seed,
        sparsity=pruning.sparsity,
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


def _seed(lineage: Lineage) -> int | None:
    """The seed of the last fine-tuning, so that several of one file are told apart; otherwise that of the training."""
    tuned = [settings.options.get("seed") for settings in lineage.settings if settings.stage == "finetune"]
    return tuned[-1] if tuned and is_count(tuned[-1]) else lineage.seed


def pruning_of(pruned: Checkpoint, zeros: Mapping[Layer, int]) -> Pruning:
    """The pruning of these layers, by the lineage where it agrees for all of them, with the zeros counted now."""
    promised = [pruned.lineage.pruned.get(layer.tensor) for layer in zeros]
    same: dict[str, Any] = {}
    for key in ("method", "scope", "requested", "seed"):
        first, *others = (getattr(promise, key, None) for promise in promised)
        same[key] = first if all(value == first for value in others) else None
    size = sum(layer.size for layer in zeros)
    sparsity = LayerSparsity(same["requested"], sum(zeros.values()) / size)
    return Pruning(same["method"], same["scope"], same["seed"], sparsity)


def metrics_of(dense: Checkpoint, pruned: Checkpoint, epoch: int | None) -> Metrics:
    """Loss and accuracy of the dense network, of the pruned one before fine-tuning, and at the record's epoch."""
    lineage, ancestor = pruned.lineage, dense.lineage
    history = {step["epoch"]: step for step in lineage.history}
    reference: MetricsBySplit = {}
    if lineage.dense is not None and lineage.dense.sha256 == dense.sha256:
        reference = lineage.dense_metrics
    if not reference and lineage.data == ancestor.data:  # otherwise they were measured on different data
        reference = ancestor.metrics
    now = history.get(epoch) if epoch is not None else lineage.metrics
    where = f"the lineage of {pruned.label}"
    return Metrics(*(_performance(scores, where) for scores in (reference, history.get(0), now)))


def _performance(metrics: MetricsBySplit | None, where: str) -> Performance | None:
    by_split = {split: (metrics or {}).get(split) for split in performance.SPLITS}
    return Performance.from_json(by_split, where) if any(by_split.values()) else None


def tv_bounds_of(pair: Pair, kl: float) -> TvBounds:
    """Bounds on total variation from a KL divergence, and from the means and covariances of the two distributions."""
    return TvBounds(**pair.tv_lower(), pinsker=pinsker(kl), bretagnolle_huber=bretagnolle_huber(kl))


def _file(checkpoint: Checkpoint) -> File:
    return File(checkpoint.label, checkpoint.sha256)


def _jsonable(parameters: Mapping[str, Parameter]) -> dict[str, Parameter]:
    """The parameters with ``inf`` as text, because JSON has no infinity."""
    return {
        key: str(value) if isinstance(value, float) and not math.isfinite(value) else value
        for key, value in parameters.items()
    }
