"""Divergence: how far the pruned weights' law moved from the dense one's, beside how far the performance moved."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from apcli import records, traces
from apcli.checkpoints import Checkpoint
from apcli.configs import DivergenceConfig
from apcli.errors import ApcliError
from apcli.layers import Layer, layer_name, prunable, select
from apcli.records import Record
from apcli.registry import Choice
from apcli.theory import DISTRIBUTIONS, performance
from apcli.theory.projections import dimension, row_variance

POOLED = "*"


def check(config: DivergenceConfig) -> None:
    """Refuse an unknown distribution before anything is read."""
    DISTRIBUTIONS.parse_list(config.dist)


def divergence(dense: Checkpoint, pruned: Checkpoint, config: DivergenceConfig) -> Iterator[Record]:
    """Records of every distribution, for each compared layer and for all of them pooled; then of every traced epoch.

    Raises:
        UsageError: an unknown distribution or layer.
        ApcliError: the two files' layers do not match, or a weight is NaN or Inf.
    """
    choices = DISTRIBUTIONS.parse_list(config.dist)
    layers = compared_layers(dense, pruned, config)
    dense_weights = {layer.name: _vector(dense, layer.tensor) for layer in layers}
    variances = {layer.name: np.empty(0) for layer in layers}
    if any(choice.parameters.get("cov") == "diag" for choice in choices):
        variances = {a.name: row_variance(dense_weights[a.name].reshape(a.shape)) for a in layers}
    context = _context(dense, pruned)
    after = {layer.name: _vector(pruned, layer.tensor) for layer in layers}
    yield from _records(choices, dense_weights, after, variances, context, None, _metrics(dense, pruned, None))
    trace = traces.of(pruned)
    if trace is not None:
        for epoch, tensors in traces.epochs(trace, [layer.tensor for layer in layers]).items():
            after = {layer_name(t): _vector(trace, traces.tensor_name(t, epoch)) for t in tensors}
            yield from _records(
                choices, dense_weights, after, variances, context, epoch, _metrics(dense, pruned, epoch)
            )


def compared_layers(dense: Checkpoint, pruned: Checkpoint, config: DivergenceConfig) -> list[Layer]:
    """The layers both files have, by ``--layers`` (default: those the lineage says were pruned, else all).

    Raises:
        ApcliError: a layer is missing on one side or of another shape; the first difference is named.
    """
    layers = select(pruned, config.layers or "all", config.exclude)
    promised = (pruned.lineage or {}).get("pruned")
    if config.layers is None and promised:
        layers = [layer for layer in layers if layer.tensor in promised]
    elif config.layers is None and config.exclude is None:
        for layer in prunable(dense):
            if layer.tensor not in pruned.entries:
                raise _mismatch(f"{dense.label} has {layer.name}, {pruned.label} does not")
    for layer in layers:
        entry = dense.entries.get(layer.tensor)
        if entry is None:
            raise _mismatch(f"{pruned.label} has {layer.name}, {dense.label} does not")
        if entry.shape != layer.shape or not entry.is_float:
            shapes = f"{_size(entry.shape)} in {dense.label}, {_size(layer.shape)} in {pruned.label}"
            raise _mismatch(f"{layer.name} is {shapes}")
    for checkpoint in (dense, pruned):
        checkpoint.check_finite([layer.tensor for layer in layers])
    return layers


def _records(
    choices: Sequence[Choice],
    dense: dict[str, np.ndarray],
    pruned: dict[str, np.ndarray],
    variances: dict[str, np.ndarray],
    context: Record,
    epoch: int | None,
    metrics: dict[str, Any],
) -> Iterator[Record]:
    """One record per distribution and layer of ``pruned``, then the pooled one when every compared layer is there."""
    vectors = [(name, dense[name], pruned[name], variances[name]) for name in pruned]
    if pruned.keys() == dense.keys():
        before, after, spread = (np.concatenate([vector[i] for vector in vectors]) for i in (1, 2, 3))
        vectors.append((POOLED, before, after, spread))
    for choice in choices:
        for name, before, after, variance in vectors:
            yield {
                "kind": "divergence",
                "version": records.VERSION,
                **context,
                "layer": name,
                "dim": dimension(before.size, int(choice.parameters["groups"])),
                "epoch": epoch,
                "dist": choice.name,
                "params": dict(choice.parameters),
                "measure": "ap2" if choice.name == "ap2" else "kl",
                "estimator": "exact",
                "value": choice(before, after, variance),
                "std_error": 0.0,
                "pd": performance.difference(metrics["dense"], metrics["pruned"]),
                "metrics": metrics,
            }


def _context(dense: Checkpoint, pruned: Checkpoint) -> Record:
    """What all records of a pair share: where the two came from and how the second was pruned."""
    lineage = pruned.lineage or {}
    promises = list((lineage.get("pruned") or {}).values())
    last = promises[-1] if promises else {}
    size, zeros = sum(p["size"] for p in promises), sum(p["zeros"] for p in promises)
    return {
        "model": (lineage.get("model") or {}).get("name"),
        "data": (lineage.get("data") or {}).get("name"),
        "seed": lineage.get("seed"),
        "dense": {"path": dense.label, "sha256": dense.sha256},
        "pruned": {"path": pruned.label, "sha256": pruned.sha256},
        "method": last.get("method"),
        "scope": last.get("scope"),
        "sparsity": {"requested": last.get("requested"), "actual": zeros / size if size else None},
    }


def _metrics(dense: Checkpoint, pruned: Checkpoint, epoch: int | None) -> dict[str, Any]:
    """Loss and accuracy of the dense network, of the pruned one before fine-tuning, and of the record's own."""
    lineage = pruned.lineage or {}
    history = {step["epoch"]: step for step in lineage.get("history", [])}
    reference = lineage.get("dense_metrics") or (dense.lineage or {}).get("metrics")
    now = history.get(epoch) if epoch is not None else lineage.get("metrics")
    return {"dense": _splits(reference), "before": _splits(history.get(0)), "pruned": _splits(now)}


def _splits(metrics: dict[str, Any] | None) -> dict[str, Any] | None:
    found = {split: (metrics or {}).get(split) for split in performance.SPLITS}
    return found if any(found.values()) else None


def _vector(checkpoint: Checkpoint, tensor: str) -> np.ndarray:
    return checkpoint.entries[tensor].values.ravel().astype(np.float64)


def _mismatch(difference: str) -> ApcliError:
    return ApcliError(f"layers do not match: {difference}: give two files of one network, or name layers with --layers")


def _size(shape: tuple[int, ...]) -> str:
    return "x".join(map(str, shape))
