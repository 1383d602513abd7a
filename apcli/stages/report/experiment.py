"""Divergence records, grouped into runs: numbers only.

A *trial* is a pruned file with its dense ancestor; a *run* consists of trials that differ in their seed alone; a
*group* consists of the runs of one model on one data set, and only runs of one group are compared. A number that is
not known is None everywhere, and never counts as zero.
"""

import logging
import statistics
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import zip_longest
from pathlib import PurePath
from typing import Any

from apcli.errors import ApcliError
from apcli.records import POOLED
from apcli.records.divergence import DivergenceRecord, File
from apcli.records.json_objects import Record
from apcli.stages.report.quantities import (
    PD_LOSS,
    ApKey,
    ApMeasure,
    BoundKey,
    Key,
    Quantity,
    ScoreKey,
    key_of,
    measures_of,
)
from apcli.theory.statistics.performance import SPLITS
from apcli.words import count

log = logging.getLogger("apcli")


@dataclass(frozen=True)
class Stat:
    """Mean and sample standard deviation (n − 1 below; None for a single value) of ``n`` known values.

    ``error`` is the mean's standard error if the values are estimates, by Monte Carlo or over data; None if they are
    exact. It is the mean of their errors, an upper bound, because they are not independent (seeds share draws and
    data).
    """

    mean: float
    sd: float | None
    n: int
    error: float | None = None


@dataclass(frozen=True)
class Trial:
    """One pruned file: values by (key, epoch), and the standard errors of estimates. Epoch None is the file itself."""

    seed: int | None
    mask_seed: int | None
    dense: File
    pruned: File
    actual: float | None
    layers: tuple[str, ...]
    values: Mapping[tuple[Key, int | None], float]
    errors: Mapping[tuple[Key, int | None], float]

    @property
    def name(self) -> str:
        return file_name(self.pruned)

    def at(self, key: Key, epoch: int | None) -> float | None:
        return self.values.get((key, epoch))

    def last(self, key: Key) -> int | None:
        """The epoch of the final value: None for the file's own value; if there is none, the last traced epoch."""
        if (key, None) in self.values:
            return None
        return max((e for k, e in self.values if k == key and e is not None), default=None)

    def final(self, key: Key) -> float | None:
        return self.at(key, self.last(key))


@dataclass(frozen=True)
class Run:
    """The trials of one method at one sparsity. ``method`` is a label, with the scope or the file if needed."""

    method: str
    sparsity: float | None
    trials: tuple[Trial, ...]

    @property
    def name(self) -> str:
        return self.method if self.sparsity is None else f"{self.method} at {self.sparsity:g}"

    @property
    def actual(self) -> Stat | None:
        return stat(trial.actual for trial in self.trials)

    @cached_property
    def epochs(self) -> list[int]:
        return sorted({epoch for trial in self.trials for _, epoch in trial.values if epoch is not None})

    def at(self, key: Key, epoch: int | None) -> Stat | None:
        return self._stat([(key, epoch)] * len(self.trials))

    def final(self, key: Key) -> Stat | None:
        return self._stat([(key, trial.last(key)) for trial in self.trials])

    def tv_bounds(self, key: ApKey) -> tuple[Stat | None, Stat | None]:
        """The best lower and upper bound on total variation that the final records of a KL measure state."""
        return self.final(BoundKey(key, "lower")), self.final(BoundKey(key, "upper"))

    def _stat(self, places: Sequence[tuple[Key, int | None]]) -> Stat | None:
        at = list(zip(self.trials, places, strict=True))
        return stat([t.values.get(place) for t, place in at], [t.errors.get(place) for t, place in at])

    def accuracy(self, state: str) -> Stat | None:
        """Top-1 accuracy on the test split, in percent; ``state`` is dense, before (fine-tuning) or pruned."""
        key = ScoreKey(state, "test", "accuracy")
        traced = ScoreKey("pruned", "test", "accuracy")
        if state == "before":
            values = [trial.final(key) for trial in self.trials]
            return stat(t.at(traced, 0) if v is None else v for t, v in zip(self.trials, values, strict=True))
        return self.final(key)


@dataclass(frozen=True)
class Group:
    """The runs of one model on one data set, with the AP measures of their records."""

    model: str | None
    data: str | None
    runs: tuple[Run, ...]
    measures: tuple[ApMeasure, ...]
    notes: tuple[str, ...]

    @property
    def title(self) -> str:
        return f"{self.model or 'unnamed model'} on {self.data or 'unnamed data'}"

    @property
    def methods(self) -> list[str]:
        return list(dict.fromkeys(run.method for run in self.runs))

    @property
    def sparsities(self) -> list[float]:
        return sorted({run.sparsity for run in self.runs if run.sparsity is not None})

    @property
    def traced(self) -> bool:
        return any(run.epochs for run in self.runs)

    @property
    def quantities(self) -> list[Quantity]:
        """The AP measures, then those of PD's losses that are known for some run."""
        return [*self.measures, *(q for q in PD_LOSS if any(run.final(q.key) for run in self.runs))]


@dataclass(frozen=True)
class Report:
    """All groups, and the records they were made from."""

    groups: tuple[Group, ...]
    records: tuple[DivergenceRecord, ...]

    @property
    def title(self) -> str:
        return " · ".join(group.title for group in self.groups)


def build(records: Iterable[Record]) -> Report:
    """Group divergence records into runs.

    Records of other kinds are left out, with one warning for each kind; a repeated record counts once.

    Raises:
        ApcliError: there is no divergence record.
    """
    kept, others = [], Counter[str]()
    for record in records:
        if isinstance(record, DivergenceRecord):
            kept.append(record)
        else:
            others[record.kind] += 1
    for kind, number in others.items():
        log.warning("%s of kind %s left out: the report has no section for that kind", count(number, "record"), kind)
    if not kept:
        raise ApcliError("no divergence record to report on: expected JSON Lines from 'apcli divergence'")
    groups: dict[tuple[str | None, str | None], list[DivergenceRecord]] = {}
    for record in kept:
        groups.setdefault((record.model, record.data), []).append(record)
    return Report(tuple(_group(model, data, members) for (model, data), members in groups.items()), tuple(kept))


def stat(values: Iterable[float | None], errors: Iterable[float | None] = ()) -> Stat | None:
    """Mean and sample sd of the known values, with their standard errors if any; None if no value is known."""
    pairs = [(value, error) for value, error in zip_longest(values, errors) if value is not None]
    if not pairs:
        return None
    known = [value for value, _ in pairs]
    error = statistics.fmean(error or 0.0 for _, error in pairs) or None
    return Stat(statistics.fmean(known), statistics.stdev(known) if len(known) > 1 else None, len(known), error)


def file_name(file: File) -> str:
    """The last part of a record's path, for messages."""
    return PurePath(file.path or "unnamed file").name


def _group(model: str | None, data: str | None, records: Sequence[DivergenceRecord]) -> Group:
    notes: list[str] = []
    files: dict[tuple[Any, ...], list[DivergenceRecord]] = {}
    for record in records:
        files.setdefault(_identity(record), []).append(record)
    trials: dict[tuple[Any, ...], list[Trial]] = {}
    for members in files.values():
        example = next((record for record in members if record.layer == POOLED), members[0])
        choice = (example.method, example.scope, example.sparsity.requested)
        trials.setdefault(choice, []).append(_trial(members, example, notes))
    scopes = {scope for method, scope, _ in trials if method is not None}
    runs = [run for choice, alike in trials.items() for run in _runs(choice, alike, len(scopes) > 1, notes)]
    order = {method: index for index, method in enumerate(dict.fromkeys(run.method for run in runs))}
    runs.sort(key=lambda run: (order[run.method], -1.0 if run.sparsity is None else run.sparsity))
    shown = [record for record in records if record.layer == POOLED] or records
    return Group(model, data, tuple(runs), measures_of(shown), tuple(dict.fromkeys(notes)))


def _identity(record: DivergenceRecord) -> tuple[Any, ...]:
    """The key of a record's pair of files."""
    files = (file.sha256 or file.path for file in (record.dense, record.pruned))
    return (*files, record.seed, record.mask_seed)


def _trial(records: Sequence[DivergenceRecord], example: DivergenceRecord, notes: list[str]) -> Trial:
    layers = list(dict.fromkeys(record.layer for record in records))
    chosen: str | None = POOLED if POOLED in layers else layers[0]
    if POOLED not in layers and len(layers) > 1:
        name = file_name(example.pruned)
        notes.append(f"{name}: {len(layers)} layers and no pooled record (layer '*'), so no single AP for this file")
        chosen = None
    values: dict[tuple[Key, int | None], float] = {}
    errors: dict[tuple[Key, int | None], float] = {}
    for record in records:
        known: list[tuple[Key, float | None]] = [*_performance(record)]
        if record.layer == chosen:
            key = key_of(record)
            known += [(key, record.value), *_tv_bounds(key, record)]
            errors |= {(key, record.epoch): record.std_error} if record.std_error else {}
        values |= {(key, record.epoch): number for key, number in known if number is not None}
    return Trial(
        seed=example.seed,
        mask_seed=example.mask_seed,
        dense=example.dense,
        pruned=example.pruned,
        actual=example.sparsity.actual,
        layers=tuple(layer for layer in layers if layer != POOLED),
        values=values,
        errors=errors,
    )


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


def _runs(choice: tuple[Any, ...], trials: list[Trial], several_scopes: bool, notes: list[str]) -> list[Run]:
    """One run of all trials, or a run for each trial unless they clearly differ in their seed alone."""
    method, scope, requested = choice
    label = f"{method} ({scope})" if several_scopes and scope is not None else str(method)
    known = method is not None and requested is not None
    if known and max(Counter((trial.seed, trial.mask_seed) for trial in trials).values()) == 1:
        return [Run(label, requested, tuple(sorted(trials, key=lambda t: (t.seed or 0, t.mask_seed or 0))))]
    if known:
        notes.append(
            f"{label} at {requested:g}: several files of the same seed, shown separately by name and not averaged; "
            "are they steps of the same network, or pruned in other layers?"
        )
    names = [trial.name for trial in trials]
    if len(set(names)) < len(names):
        names = [str(trial.pruned.path) for trial in trials]
    labels = names if method is None else [f"{label} ({name})" for name in names]
    return [Run(name, requested, (trial,)) for name, trial in zip(labels, trials, strict=True)]
