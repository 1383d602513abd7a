"""Trials: the values of one pruned file and its dense ancestor, by quantity and epoch."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import PurePath
from typing import Any, TypeVar

from apcli.allocations.units import Resource
from apcli.records import POOLED
from apcli.records.checkpoint import CheckpointRecord
from apcli.records.divergence import DivergenceRecord
from apcli.records.pair import File
from apcli.stages.report.runs.quantities import ApKey, BoundKey, Key, ScoreKey, key_of
from apcli.theory.statistics.performance import SPLITS

T = TypeVar("T")
FILTER = "filter"  # the structure that stands before the scope of channels


@dataclass(frozen=True)
class Trial:
    """One pruned file: values by (key, epoch), and the standard errors of estimates. Epoch None is the file itself.

    Attributes:
        actual: the share of the compared weights that is zero.
        by_layer: for each layer that was compared by itself, the final value by key, and its sparsity.
        checkpoint: what the pruned file is; None: not known. ``dense_checkpoint`` likewise.
    """

    method: str | None
    scope: str | None
    requested: float | None
    seed: int | None
    mask_seed: int | None
    dense: File
    pruned: File
    actual: float | None
    layers: tuple[str, ...]
    values: Mapping[tuple[Key, int | None], float]
    errors: Mapping[tuple[Key, int | None], float]
    by_layer: Mapping[str, "LayerValues"]
    checkpoint: CheckpointRecord | None = None
    dense_checkpoint: CheckpointRecord | None = None

    @property
    def name(self) -> str:
        return file_name(self.pruned)

    @property
    def of_channels(self) -> bool:
        """Whether whole channels were removed."""
        return structure_in(self.scope) == FILTER

    @property
    def budget(self) -> str:
        """The noun of what was asked to remain; empty: the amount was a share of the weights or the channels."""
        word, _, is_one = (self.scope or "").rpartition(", ")[2].partition(" ")
        return Resource(word).noun if is_one == "budget" and word in set(Resource) else ""

    @property
    def network(self) -> str:
        """The dense network's identity, by which trials form clusters."""
        return self.dense.identity

    @property
    def replicate(self) -> tuple[str, int | None, int | None]:
        """What may differ among the trials of a run: the dense network, the seed of the training, that of the mask."""
        return self.network, self.seed, self.mask_seed

    def with_values(self, further: Mapping[str, Mapping[ScoreKey, float]]) -> "Trial":
        """The trial with other values of the file itself, which stand under its SHA-256."""
        own = further.get(self.pruned.sha256 or "", {})
        return replace(self, values={**self.values, **{(key, None): value for key, value in own.items()}})

    def at(self, key: Key, epoch: int | None) -> float | None:
        return self.values.get((key, epoch))

    def last(self, key: Key) -> int | None:
        """The epoch of the final value: None for the file's own value; if there is none, the last traced epoch."""
        if (key, None) in self.values:
            return None
        return max((e for k, e in self.values if k == key and e is not None), default=None)

    def final(self, key: Key) -> float | None:
        return self.at(key, self.last(key))

    def accuracy(self, state: str, split: str = "test") -> float | None:
        """Top-1 accuracy in percent; ``state`` is dense, before (fine-tuning) or pruned."""
        value = self.final(ScoreKey(state, split, "accuracy"))
        if value is None and state == "before":
            return self.at(ScoreKey("pruned", split, "accuracy"), 0)
        return value

    @property
    def dense_parameters(self) -> int | None:
        """The number of the dense network's parameters; None: not known."""
        if self.dense_checkpoint is not None:
            return self.dense_checkpoint.parameters
        return None if self.checkpoint is None else self.checkpoint.dense_parameters

    @property
    def compression(self) -> float | None:
        """The dense network's parameters divided by those that are left; None: not known, or none is left."""
        dense, kept = self.dense_parameters, self.checkpoint.kept if self.checkpoint else 0
        return dense / kept if dense is not None and kept else None

    @property
    def alone(self) -> str | None:
        """The layer in which alone weights are zero; None: in several, or in none."""
        pruned = [layer for layer, values in self.by_layer.items() if values.actual]
        return pruned[0] if len(pruned) == 1 else None

    @property
    def subject(self) -> tuple[str, ...]:
        """The layers that a label may name: the one that was pruned alone, or all that were compared."""
        return self.layers if self.alone is None else (self.alone,)

    @property
    def accuracy_change(self) -> float | None:
        """The pruned network's test accuracy minus the dense one's, in percentage points."""
        pruned, dense = self.accuracy("pruned"), self.accuracy("dense")
        return None if pruned is None or dense is None else pruned - dense


@dataclass(frozen=True)
class LayerValues:
    """One layer of a trial: the share of its weights that is zero, and its final values by key."""

    actual: float | None
    values: Mapping[ApKey, float]


def trials_of(
    records: Iterable[DivergenceRecord], checkpoints: Mapping[str, CheckpointRecord], notes: list[str]
) -> list[Trial]:
    """The trials of divergence records, in order of appearance; what is said of them goes to ``notes``."""
    files: dict[tuple[Any, ...], list[DivergenceRecord]] = {}
    for record in records:
        files.setdefault(_identity(record), []).append(record)
    return [_trial(members, checkpoints, notes) for members in files.values()]


def structure_in(scope: str | None) -> str:
    """What a record's scope begins with: ``filter`` where whole channels were removed."""
    return (scope or "").partition(",")[0]


def scope_in(scope: str | None) -> str:
    """A record's scope without ``filter`` before it and the budget behind it; empty if it says nothing else."""
    parts = (scope or "").split(", ")
    return next((part for part in parts if part != FILTER and not part.endswith(" budget")), "")


def file_name(file: File) -> str:
    """The last part of a record's path, for messages."""
    return PurePath(file.path or "unnamed file").name


def _identity(record: DivergenceRecord) -> tuple[Any, ...]:
    """The key of a record's pair of files."""
    return record.dense.identity, record.pruned.identity, record.seed, record.mask_seed


def _trial(records: Sequence[DivergenceRecord], checkpoints: Mapping[str, CheckpointRecord], notes: list[str]) -> Trial:
    whole = [record for record in records if record.filter is None]
    example = next((record for record in whole if record.layer == POOLED), (whole or records)[0])
    layers = list(dict.fromkeys(record.layer for record in whole))
    chosen = POOLED if POOLED in layers else layers[0] if len(layers) == 1 else None
    if chosen is None:
        what = f"{len(layers)} layers" if layers else "single filters"
        name = file_name(example.pruned)
        notes.append(f"{name}: {what} and no pooled record (layer '*'), so no single AP for this file")
    values: dict[tuple[Key, int | None], float] = {}
    errors: dict[tuple[Key, int | None], float] = {}
    performed: set[int | None] = set()  # the network of one epoch performs alike in all of its records
    for record in records:
        known: list[tuple[Key, float | None]] = [] if record.epoch in performed else [*_performance(record)]
        if any(number is not None for _, number in known):
            performed.add(record.epoch)
        if record.layer == chosen and record.filter is None:
            key = key_of(record)
            known += [(key, record.value), *_tv_bounds(key, record)]
            errors |= {(key, record.epoch): record.std_error} if record.std_error else {}
        values |= {(key, record.epoch): number for key, number in known if number is not None}
    return Trial(
        method=_agreed(example.method, (record.method for record in records)),
        scope=_agreed(example.scope, (record.scope for record in records)),
        requested=_agreed(example.sparsity.requested, (record.sparsity.requested for record in records)),
        seed=example.seed,
        mask_seed=example.mask_seed,
        dense=example.dense,
        pruned=example.pruned,
        actual=example.sparsity.actual if whole else None,
        layers=tuple(layer for layer in layers if layer != POOLED),
        values=values,
        errors=errors,
        by_layer=_by_layer(whole),
        checkpoint=checkpoints.get(example.pruned.sha256 or ""),
        dense_checkpoint=checkpoints.get(example.dense.sha256 or ""),
    )


def _agreed(stated: T | None, others: Iterable[T | None]) -> T | None:
    """What the pooled record states; otherwise, if some layers were left out, the only value that layers state."""
    known = {stated} - {None} or set(others) - {None}
    return known.pop() if len(known) == 1 else None


def _by_layer(records: Sequence[DivergenceRecord]) -> dict[str, LayerValues]:
    """The final values of each layer: those of the file itself, or of the last traced epoch."""
    last: dict[tuple[str, ApKey], DivergenceRecord] = {}
    for record in sorted(records, key=lambda one: float("inf") if one.epoch is None else one.epoch):
        if record.layer != POOLED:
            last[record.layer, key_of(record)] = record
    layers: dict[str, LayerValues] = {}
    for (layer, key), record in last.items():
        values = {**layers[layer].values} if layer in layers else {}
        values |= {key: record.value} if record.value is not None else {}
        layers[layer] = LayerValues(record.sparsity.actual, values)
    return layers


def _tv_bounds(key: ApKey, record: DivergenceRecord) -> Iterator[tuple[BoundKey, float]]:
    """The larger of the known lower bounds and the smaller of the upper ones."""
    stated = record.tv_bounds
    if stated is None:
        return
    lower, upper = (stated.lemma_1, stated.lemma_1_best), (stated.pinsker, stated.bretagnolle_huber)
    for side, best, bounds in (("lower", max, lower), ("upper", min, upper)):
        known = [bound for bound in bounds if bound is not None]
        if known:
            yield BoundKey(key, side), best(known)


def _performance(record: DivergenceRecord) -> Iterator[tuple[ScoreKey, float | None]]:
    metrics = record.metrics
    known = {"pd": record.pd, "dense": metrics.dense, "before": metrics.before, "pruned": metrics.pruned}
    for kind, scores in known.items():
        for split in SPLITS:
            for what in ("loss", "accuracy"):
                yield ScoreKey(kind, split, what), getattr(getattr(scores, split, None), what, None)
    for split in SPLITS:
        pruned, dense = (getattr(getattr(side, split, None), "loss", None) for side in (metrics.pruned, metrics.dense))
        yield ScoreKey("change", split, "loss"), None if pruned is None or dense is None else pruned - dense
