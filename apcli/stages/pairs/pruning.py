"""How the layers of a pruned file were pruned, and how the networks of a pair perform."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from apcli.checkpoints.checkpoint import Checkpoint
from apcli.checkpoints.files.entries import Entry
from apcli.checkpoints.layers import Layer
from apcli.checkpoints.lineage import Lineage, MetricsBySplit
from apcli.checkpoints.promises import is_count
from apcli.records import POOLED
from apcli.records.divergence import Metrics, Performance
from apcli.records.pair import File, LayerSparsity
from apcli.theory.statistics import performance

Place = tuple[str, int | None]  # a layer's name, or ``POOLED``, and the number of its filter


@dataclass(frozen=True)
class Pruning:
    """The pruning of layers; None for what differs between them."""

    method: str | None
    scope: str | None
    mask_seed: int | None
    sparsity: LayerSparsity


def prunings_of(pruned: Checkpoint, layers: Sequence[Layer]) -> dict[Place, Pruning]:
    """How each layer was pruned, and all of them."""
    zeros = {layer: _zeros(pruned.entries[layer.tensor], layer) for layer in layers}
    by_layer = {layer.name: pruning_of(pruned, {layer: count}) for layer, count in zeros.items()}
    return {(name, None): pruning for name, pruning in (by_layer | {POOLED: pruning_of(pruned, zeros)}).items()}


def _zeros(entry: Entry, layer: Layer) -> int:
    """The zeros of a layer's tensor in the dense shape."""
    return entry.zeros + layer.size - entry.size


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


def seed_of(lineage: Lineage) -> int | None:
    """The seed of the last fine-tuning, so that several of one file are told apart; otherwise that of the training."""
    tuned = [settings.options.get("seed") for settings in lineage.settings if settings.stage == "finetune"]
    return tuned[-1] if tuned and is_count(tuned[-1]) else lineage.seed


def members_of(dense: Checkpoint, pruned: Checkpoint, pruning: Pruning) -> dict[str, Any]:
    """The members that all records of a pair have (``PairRecord``); the dense file says what the other does not."""
    lineage = pruned.lineage
    return {
        "model": lineage.model_name or dense.lineage.model_name,
        "data": lineage.data_name or dense.lineage.data_name,
        "seed": seed_of(lineage),
        "dense": file_of(dense),
        "pruned": file_of(pruned),
        "method": pruning.method,
        "scope": pruning.scope,
        "mask_seed": pruning.mask_seed,
        "sparsity": pruning.sparsity,
    }


def file_of(checkpoint: Checkpoint) -> File:
    return File(checkpoint.label, checkpoint.sha256)
