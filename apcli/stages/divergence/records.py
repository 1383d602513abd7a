"""What a divergence record says beside its number: which files, how they were pruned, how they perform."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from apcli import records
from apcli.checkpoints.checkpoint import Checkpoint
from apcli.checkpoints.layers import Layer
from apcli.records import Record
from apcli.registry.tables import Choice, Parameter
from apcli.theory.measures import Pair
from apcli.theory.statistics import performance
from apcli.theory.total_variation import bretagnolle_huber, pinsker


@dataclass(frozen=True)
class Value:
    """A number and how it was had: ``estimator`` of the table, ``draws`` of Monte Carlo, bounds that it proves."""

    value: float
    std_error: float | None = 0.0
    estimator: str = "exact"
    draws: Mapping[str, int] | None = None
    tv_bounds: Mapping[str, float | None] | None = None


def record_of(about: Record, choice: Choice, measure: Choice | None, dim: int, found: Value) -> Record:
    """One record; ``measure`` None is AP2's own. ``about`` holds what records of a pair, layer and epoch share."""
    metrics = about["metrics"]
    return {
        "kind": "divergence",
        "version": records.VERSION,
        **{key: about[key] for key in (*_OF_PAIR, "method", "scope", "mask_seed", "sparsity", "layer")},
        "dim": dim,
        "epoch": about["epoch"],
        "dist": choice.name,
        "params": _jsonable(choice.parameters),
        "measure": "ap2" if measure is None else measure.name,
        "measure_params": {} if measure is None else _jsonable(measure.parameters),
        "estimator": found.estimator,
        "draws": found.draws,
        "evaluated": about["evaluated"],
        "value": found.value,
        "std_error": found.std_error if math.isfinite(found.value) else None,
        "tv_bounds": found.tv_bounds,
        "pd": performance.difference(metrics["dense"], metrics["pruned"]),
        "metrics": metrics,
    }


_OF_PAIR = ("model", "data", "seed", "dense", "pruned")


def context_of(dense: Checkpoint, pruned: Checkpoint) -> Record:
    """What all records of a pair share: where the two came from."""
    lineage = pruned.lineage or {}
    return {
        "model": (lineage.get("model") or {}).get("name"),
        "data": (lineage.get("data") or {}).get("name"),
        "seed": lineage.get("seed"),
        "dense": {"path": dense.label, "sha256": dense.sha256},
        "pruned": {"path": pruned.label, "sha256": pruned.sha256},
    }


def pruning_of(pruned: Checkpoint, zeros: Mapping[Layer, int]) -> Record:
    """How these layers were pruned: what the lineage says where it says the same of all, and the zeros counted now."""
    promised = (pruned.lineage or {}).get("pruned", {})
    said = [promised.get(layer.tensor, {}) for layer in zeros]
    same = {
        key: said[0].get(key) if all(promise.get(key) == said[0].get(key) for promise in said) else None
        for key in ("method", "scope", "requested", "seed")
    }
    size = sum(layer.size for layer in zeros)
    return {
        "method": same["method"],
        "scope": same["scope"],
        "mask_seed": same["seed"],
        "sparsity": {"requested": same["requested"], "actual": sum(zeros.values()) / size},
    }


def metrics_of(dense: Checkpoint, pruned: Checkpoint, epoch: int | None) -> dict[str, Any]:
    """Loss and accuracy of the dense network, of the pruned one before fine-tuning, and of the record's own."""
    lineage, ancestor = pruned.lineage or {}, dense.lineage or {}
    history = {step["epoch"]: step for step in lineage.get("history", [])}
    reference = None
    if (lineage.get("dense") or {}).get("sha256") == dense.sha256:
        reference = lineage.get("dense_metrics")
    if not reference and lineage.get("data") == ancestor.get("data"):  # else the two were not measured on the same data
        reference = ancestor.get("metrics")
    now = history.get(epoch) if epoch is not None else lineage.get("metrics")
    return {"dense": _splits(reference), "before": _splits(history.get(0)), "pruned": _splits(now)}


def _splits(metrics: dict[str, Any] | None) -> dict[str, Any] | None:
    found = {split: (metrics or {}).get(split) for split in performance.SPLITS}
    return found if any(found.values()) else None


def tv_bounds_of(pair: Pair, kl: float) -> dict[str, float | None]:
    """What a KL divergence, and the laws' means and covariances, say about total variation."""
    return {**pair.tv_lower(), "pinsker": pinsker(kl), "bretagnolle_huber": bretagnolle_huber(kl)}


def _jsonable(parameters: Mapping[str, Parameter]) -> dict[str, Parameter]:
    """JSON has no infinity: ``df=inf`` is recorded as it was typed."""
    return {
        key: str(value) if isinstance(value, float) and not math.isfinite(value) else value
        for key, value in parameters.items()
    }
