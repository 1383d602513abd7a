"""Divergence: how far the pruned weights' law moved from the dense one's, beside how far the performance moved."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np

from apcli import records, traces
from apcli.checkpoints import Checkpoint, check_input
from apcli.configs import DivergenceConfig
from apcli.errors import ApcliError, UsageError
from apcli.layers import Layer, layer_name, prunable, select
from apcli.records import POOLED, Record
from apcli.registry import Choice, Parameter
from apcli.theory import DISTRIBUTIONS, performance
from apcli.theory.projections import dimension, row_variance


def check(config: DivergenceConfig) -> None:
    """Refuse an unknown distribution, or a parameter out of range, before anything is read.

    Raises:
        UsageError: it lists what is known or expected.
    """
    for choice in DISTRIBUTIONS.parse_list(config.dist):
        one = np.ones(1)
        parameters = {**choice.parameters, "groups": min(1, int(choice.parameters["groups"]))}
        try:
            choice.row.load()(one, one, one, **parameters)
        except ValueError as error:
            raise UsageError(f"--dist {choice.spec}: {error}") from None


def divergence(dense: Checkpoint, pruned: Checkpoint, config: DivergenceConfig) -> Iterator[Record]:
    """Records of every distribution, for each compared layer and for all of them pooled; then of every traced epoch.

    Raises:
        UsageError: an unknown distribution or layer.
        ApcliError: the two files' layers do not match, or a weight is NaN or Inf.
    """
    choices = DISTRIBUTIONS.parse_list(config.dist)
    check_input(pruned)
    layers = compared_layers(dense, pruned, config)
    dense_weights = {layer.name: _vector(dense, layer.tensor) for layer in layers}
    variances = {layer.name: np.empty(0) for layer in layers}
    if any(choice.parameters.get("cov") == "diag" for choice in choices):
        variances = {a.name: _row_variance(a, dense_weights[a.name]) for a in layers}
    for choice, layer in product(choices, layers):
        if int(choice.parameters["groups"]) > layer.size:
            raise UsageError(
                f"--dist {choice.spec}: layer {layer.name} has only {layer.size} weights: choose fewer groups"
            )
    zeros = {layer: pruned.entries[layer.tensor].zeros for layer in layers}
    pruning = {layer.name: _pruning(pruned, {layer: zeros[layer]}) for layer in layers}
    pruning[POOLED] = _pruning(pruned, zeros)
    pair = _Pair(choices, dense_weights, variances, _context(dense, pruned), pruning)
    after = {layer.name: _vector(pruned, layer.tensor) for layer in layers}
    yield from pair.records(after, None, _metrics(dense, pruned, None))
    trace = traces.of(pruned)
    if trace is not None:
        trace.check_finite()
        for epoch, tensors in traces.epochs(trace, [layer.tensor for layer in layers]).items():
            after = {layer_name(t): _vector(trace, traces.tensor_name(t, epoch)) for t in tensors}
            yield from pair.records(after, epoch, _metrics(dense, pruned, epoch))


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
    if not layers:
        raise UsageError(f"no layer of {pruned.label} is left to compare: choose other --layers and --exclude")
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


@dataclass(frozen=True)
class _Pair:
    """The dense weights of the compared layers by name, and what the records of this pair share."""

    choices: Sequence[Choice]
    dense: dict[str, np.ndarray]
    variances: dict[str, np.ndarray]
    context: Record
    pruning: dict[str, Record]  # by layer, and POOLED

    def records(self, pruned: dict[str, np.ndarray], epoch: int | None, metrics: dict[str, Any]) -> Iterator[Record]:
        """One per distribution and layer of ``pruned``; then the pooled one, when every compared layer is there."""
        vectors = [(name, self.dense[name], weights, self.variances[name]) for name, weights in pruned.items()]
        if pruned.keys() == self.dense.keys():
            before, after, spread = (np.concatenate([vector[i] for vector in vectors]) for i in (1, 2, 3))
            vectors.append((POOLED, before, after, spread))
        for choice in self.choices:
            for name, before, after, spread in vectors:
                yield {
                    "kind": "divergence",
                    "version": records.VERSION,
                    **self.context,
                    **self.pruning[name],
                    "layer": name,
                    "dim": dimension(before.size, int(choice.parameters["groups"])),
                    "epoch": epoch,
                    "dist": choice.name,
                    "params": {key: _jsonable(value) for key, value in choice.parameters.items()},
                    "measure": "ap2" if choice.name == "ap2" else "kl",
                    "estimator": "exact",
                    "value": choice(before, after, spread),
                    "std_error": 0.0,
                    "pd": performance.difference(metrics["dense"], metrics["pruned"]),
                    "metrics": metrics,
                }


def _jsonable(value: Parameter) -> Parameter:
    """JSON has no infinity: ``df=inf`` is recorded as it was typed."""
    return str(value) if isinstance(value, float) and not math.isfinite(value) else value


def _context(dense: Checkpoint, pruned: Checkpoint) -> Record:
    """What all records of a pair share: where the two came from."""
    lineage = pruned.lineage or {}
    return {
        "model": (lineage.get("model") or {}).get("name"),
        "data": (lineage.get("data") or {}).get("name"),
        "seed": lineage.get("seed"),
        "dense": {"path": dense.label, "sha256": dense.sha256},
        "pruned": {"path": pruned.label, "sha256": pruned.sha256},
    }


def _pruning(pruned: Checkpoint, zeros: Mapping[Layer, int]) -> Record:
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


def _metrics(dense: Checkpoint, pruned: Checkpoint, epoch: int | None) -> dict[str, Any]:
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


def _vector(checkpoint: Checkpoint, tensor: str) -> np.ndarray:
    return checkpoint.entries[tensor].values.ravel().astype(np.float64)


def _row_variance(layer: Layer, weights: np.ndarray) -> np.ndarray:
    try:
        return row_variance(weights.reshape(layer.shape))
    except ValueError as error:
        raise UsageError(f"--dist with cov=diag: layer {layer.name} {error}") from None


def _mismatch(difference: str) -> ApcliError:
    return ApcliError(f"layers do not match: {difference}: give two files of one network, or name layers with --layers")


def _size(shape: tuple[int, ...]) -> str:
    return "x".join(map(str, shape))
