"""Check a pruned file's rows under weight norm, make its promises, and log its sparsity."""

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np

from apcli.allocations import SCOPES
from apcli.checkpoints.checkpoint import Checkpoint
from apcli.checkpoints.files.entries import Entry
from apcli.checkpoints.layers import Layer
from apcli.checkpoints.network_layers import WEIGHT_NORM
from apcli.checkpoints.promises import Promise
from apcli.checkpoints.reading import read
from apcli.checkpoints.sizes import counted, sizes, weights_of
from apcli.configs.prune import PruneConfig
from apcli.errors import UsageError
from apcli.stages.prune.plans import Plan, Task
from apcli.stages.prune.pruned import Pruned
from apcli.stages.prune.requests import Remaining, Request
from apcli.words import count, few, join

log = logging.getLogger("apcli")

_MOST = 8  # pairs of equal results that are listed


def check_lengths(label: str, layers: Sequence[Layer], entries: Mapping[str, Entry]) -> None:
    """Refuse to remove all weights of a row that weight norm divides by its length, which would be 0.

    Raises:
        UsageError: a row would be all zeros.
    """
    for layer in layers:
        if layer.through != WEIGHT_NORM:
            continue
        stem = layer.tensor.removesuffix("1")
        lengths = entries[f"{stem}0" if stem != layer.tensor else f"{layer.tensor.removesuffix('_v')}_g"]
        dims = tuple(dim for dim in range(len(layer.shape)) if lengths.size == 1 or lengths.shape[dim] == 1)
        empty = int(np.count_nonzero(~entries[layer.tensor].values.any(axis=dims)))
        if empty:
            raise UsageError(
                f"{label}: {count(empty, 'row')} of {layer.name} would lose all weights, and weight norm divides by "
                "the length of each: choose a lower sparsity, --scope output, or --structure n:m"
            )


def promises_of(task: Task, plan: Plan, made: Pruned) -> dict[str, Promise]:
    """The lineage's promise for each pruned tensor; warns of tensors that lose all weights, or more than requested."""
    names = {layer.tensor: layer.name for layer in task.layers}
    method = plan.request.method.spec
    scope: str | None = SCOPES.recorded(plan.request.scope)
    if plan.other is not None:
        method = f"{method} of {_common(plan.other, 'method') or plan.other.stem}"
        scope = _common(plan.other, "scope")
    if task.rewound is not None:
        method = f"{method} rewound"
    if task.config.adjust:
        method = f"{method} adjusted"
    over = _over(task.config, plan.request, scope)
    promises = {}
    for tensor, known in made.zeros.items():
        entry, name = made.entries[tensor], names.get(tensor, tensor)
        zeros = entry.zeros if known is None else known
        if zeros == entry.size > task.source.entries[tensor].zeros:
            log.warning("%s: %s loses all its weights: see --min-keep", task.source.label, name)
        elif zeros > made.fixed.get(tensor, entry.size):
            where = task.source.label if task.rewound is None else f"--rewind-to {task.rewound.label}"
            log.warning("%s: %s has more zeros than requested: they are kept", where, name)
        asked, seed = made.asked[tensor], plan.request.seed
        promises[tensor] = Promise(zeros, entry.size, method, over, seed, asked)
    return promises


def _over(config: PruneConfig, request: Request, scope: str | None) -> str | None:
    """What a promise says the elements were ranked over: scope or structure, and what the budget is of."""
    if config.structure != "weight":
        scope = config.structure if scope in (None, PruneConfig.scope) else f"{config.structure}, {scope}"
    budget = f"{request.amount.resource} budget" if isinstance(request.amount, Remaining) else ""
    return ", ".join(filter(None, (scope, budget))) or None


def _common(other: Checkpoint, what: str) -> str | None:
    """The ``method`` or ``scope`` by which a file's layers were pruned; None: they differ, or none is known."""
    known = {getattr(promise, what) for promise in other.lineage.pruned.values()}
    return known.pop() if len(known) == 1 else None


def tell_of_equals(source: Checkpoint, paths: Iterable[Path]) -> None:
    """Log, in one line, which results of a checkpoint have the same zeros: methods or scopes that are one here.

    Tensors are read only as far as they agree.
    """
    distinct: dict[str, list[Checkpoint]] = {}  # by their numbers of zeros
    found = []
    for result in map(read, dict.fromkeys(paths)):
        zeros = {tensor: promise.zeros for tensor, promise in sorted(result.lineage.pruned.items())}
        alike = distinct.setdefault(f"{zeros} {result.lineage.kept}", [])
        same = (x for x in alike if all(result.entries[name].has_zeros_of(x.entries[name]) for name in zeros))
        other = next(same, None)
        if other is None:
            alike.append(result)
        elif any(zeros.values()):
            found.append(" as ".join(x.stem.removeprefix(f"{source.stem}.") for x in (result, other)))
    if found:
        log.info("%s: the same weights go in %s", source.label, few(found, _MOST))


def tell_of_compact(label: str, source: Checkpoint, made: Checkpoint, macs: Callable[[Checkpoint], int | None]) -> None:
    """Log what is left of a network in its compact file: of its parameters, its multiply-adds and its file.

    Args:
        macs: the multiply-adds of a checkpoint's network; None if they cannot be counted.
    """
    before, after = (sizes(counted(x, x.entries), weights_of(x)).parameters for x in (source, made))
    counts: list[tuple[str, int | None, int | None]] = [
        ("parameters", before, after),
        ("multiply-adds", macs(source), macs(made)),
        ("bytes", source.file_bytes, made.file_bytes),
    ]
    left = [
        f"{some:,} of {whole:,} {noun} ({some / whole:.3g})"
        for noun, whole, some in counts
        if whole and some is not None
    ]
    zeros = sum(promise.zeros for promise in made.lineage.pruned.values())
    more = f"; {zeros:,} of the weights left are zero" if zeros else ""
    log.info("%s: %s are left%s", label, join(left), more)


def tell(label: str, promises: Mapping[str, Promise], entries: Mapping[str, Entry], source: Checkpoint) -> None:
    """Log the sparsity of the pruned layers' weights, and that of the whole model."""
    zeros = sum(p.zeros for p in promises.values())
    size = sum(p.size for p in promises.values())
    if not zeros and any(p.requested for p in promises.values()):
        log.warning("%s: no weight is removed: of %s weights, the requested share rounds to none", label, f"{size:,}")
    model = sizes(counted(source, entries), weights_of(source) | promises.keys())
    log.info(
        "%s: %s of %s weights in %s are zero (sparsity %.6g); of the model's %s parameters %s are kept "
        "(sparsity %.6g, compression %s)",
        *(label, f"{zeros:,}", f"{size:,}", count(len(promises), "layer"), zeros / max(1, size)),
        *(f"{model.parameters:,}", f"{model.kept:,}", model.sparsity or 0),
        "infinite" if model.compression is None else f"{model.compression:.4g}",
    )
