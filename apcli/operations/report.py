"""Divergence records, grouped into runs: numbers only.

A *trial* is one pruned file beside its dense ancestor; a *run* is the trials that differ in their seed alone;
a *group* is the runs of one model on one data set, the only runs whose numbers are set side by side.
A number that is not known is None everywhere, and never counted as zero.
"""

import json
import statistics
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import PurePath
from typing import Any

from apcli.errors import ApcliError
from apcli.records import POOLED
from apcli.theory.performance import SPLITS

Record = Mapping[str, Any]
Key = tuple[str, ...]

NATS = frozenset({"kl", "jeffreys", "js", "renyi", "bhattacharyya"})


@dataclass(frozen=True)
class Stat:
    """Mean and sample standard deviation (n − 1 below; None for a single value) of ``n`` known values."""

    mean: float
    sd: float | None
    n: int


@dataclass(frozen=True)
class Quantity:
    """Something measured per trial and epoch: an AP measure or a performance difference."""

    key: Key
    label: str
    unit: str
    params: Mapping[str, Any] = field(default_factory=dict, compare=False)

    @property
    def kind(self) -> str:
        return self.key[0]

    @property
    def words(self) -> str:
        """What is measured, without the family's name: test loss."""
        return self.label.removeprefix("PD, ")

    @property
    def settings(self) -> str:
        return ", ".join(f"{k}={v}" for k, v in self.params.items())


PD = tuple(
    Quantity(("pd", split, what), f"PD, {split} {what}", unit)
    for what, unit in (("loss", "nats"), ("accuracy", "percentage points"))
    for split in SPLITS
)
PD_LOSS = PD[:2]


@dataclass(frozen=True)
class Trial:
    """One pruned file: its values by (key, epoch), where epoch None is the file as it stands."""

    seed: int | None
    mask_seed: int | None
    dense: Mapping[str, Any]
    pruned: Mapping[str, Any]
    actual: float | None
    layers: tuple[str, ...]
    values: Mapping[tuple[Key, int | None], float]

    @property
    def name(self) -> str:
        return file_name(self.pruned)

    def at(self, key: Key, epoch: int | None) -> float | None:
        return self.values.get((key, epoch))

    def final(self, key: Key) -> float | None:
        """The file's own value; without one, that of the last traced epoch."""
        if (key, None) in self.values:
            return self.values[key, None]
        last = max((e for k, e in self.values if k == key and e is not None), default=None)
        return self.at(key, last)


@dataclass(frozen=True)
class Run:
    """The trials of one method at one sparsity. ``method`` is a label: with the scope or the file where needed."""

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
        return stat(trial.at(key, epoch) for trial in self.trials)

    def final(self, key: Key) -> Stat | None:
        return stat(trial.final(key) for trial in self.trials)

    def accuracy(self, state: str) -> Stat | None:
        """Top-1 accuracy on the test split, in percent; ``state`` is dense, before (fine-tuning) or pruned."""
        key = (state, "test", "accuracy")
        traced = ("pruned", "test", "accuracy")
        if state == "before":
            values = [trial.final(key) for trial in self.trials]
            return stat(t.at(traced, 0) if v is None else v for t, v in zip(self.trials, values, strict=True))
        return self.final(key)


@dataclass(frozen=True)
class Group:
    """The runs of one model on one data set, with the AP measures found in their records."""

    model: str | None
    data: str | None
    runs: tuple[Run, ...]
    measures: tuple[Quantity, ...]
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
    records: tuple[Record, ...]

    @property
    def title(self) -> str:
        return " · ".join(group.title for group in self.groups)


def build(records: Iterable[Record]) -> Report:
    """Group divergence records (design: one JSON object per layer, epoch and distribution) into runs.

    Records of another kind are left out; a record met twice counts once.

    Raises:
        ApcliError: there is no divergence record.
    """
    kept = tuple(record for record in records if record.get("kind", "divergence") == "divergence")
    if not kept:
        raise ApcliError("no divergence record to report on: expected JSON Lines from 'apcli divergence'")
    groups: dict[tuple[Any, Any], list[Record]] = {}
    for record in kept:
        groups.setdefault((record.get("model"), record.get("data")), []).append(record)
    return Report(tuple(_group(model, data, members) for (model, data), members in groups.items()), kept)


def stat(values: Iterable[float | None]) -> Stat | None:
    """Mean and sample sd of the values that are known; None when none is."""
    known = [value for value in values if value is not None]
    if not known:
        return None
    return Stat(statistics.fmean(known), statistics.stdev(known) if len(known) > 1 else None, len(known))


def file_name(file: Mapping[str, Any] | None) -> str:
    """The last part of a record's path, for people."""
    return PurePath(str((file or {}).get("path") or "unnamed file")).name


def _group(model: str | None, data: str | None, records: Sequence[Record]) -> Group:
    notes: list[str] = []
    files: dict[tuple[Any, ...], list[Record]] = {}
    for record in records:
        files.setdefault(_identity(record), []).append(record)
    trials: dict[tuple[Any, ...], list[Trial]] = {}
    for members in files.values():
        said = next((record for record in members if record.get("layer") == POOLED), members[0])
        choice = (said.get("method"), said.get("scope"), (said.get("sparsity") or {}).get("requested"))
        trials.setdefault(choice, []).append(_trial(members, said, notes))
    scopes = {scope for method, scope, _ in trials if method is not None}
    runs = [run for choice, found in trials.items() for run in _runs(choice, found, len(scopes) > 1, notes)]
    order = {method: index for index, method in enumerate(dict.fromkeys(run.method for run in runs))}
    runs.sort(key=lambda run: (order[run.method], -1.0 if run.sparsity is None else run.sparsity))
    return Group(model, data, tuple(runs), _measures(records), tuple(dict.fromkeys(notes)))


def _identity(record: Record) -> tuple[Any, ...]:
    """What makes two records speak of the same pair of files."""
    files = [record.get(side) or {} for side in ("dense", "pruned")]
    return (*(file.get("sha256") or file.get("path") for file in files), record.get("seed"), record.get("mask_seed"))


def _trial(records: Sequence[Record], said: Record, notes: list[str]) -> Trial:
    layers = list(dict.fromkeys(record.get("layer") for record in records))
    chosen = POOLED if POOLED in layers else layers[0]
    if POOLED not in layers and len(layers) > 1:
        name = file_name(said.get("pruned"))
        notes.append(f"{name}: {len(layers)} layers and no pooled record (layer '*'), so no single AP for this file")
        chosen = ...
    values: dict[tuple[Key, int | None], float] = {}
    for record in records:
        known = list(_performance(record))
        if record.get("layer") == chosen:
            known.append((_key(record), record.get("value")))
        values |= {(key, record.get("epoch")): number for key, number in known if number is not None}
    return Trial(
        seed=said.get("seed"),
        mask_seed=said.get("mask_seed"),
        dense=said.get("dense") or {},
        pruned=said.get("pruned") or {},
        actual=(said.get("sparsity") or {}).get("actual"),
        layers=tuple(str(layer) for layer in layers if layer not in (POOLED, None)),
        values=values,
    )


def _performance(record: Record) -> Iterator[tuple[Key, float | None]]:
    metrics = record.get("metrics") or {}
    for split in SPLITS:
        for what in ("loss", "accuracy"):
            yield ("pd", split, what), ((record.get("pd") or {}).get(split) or {}).get(what)
            for state in ("dense", "before", "pruned"):
                yield (state, split, what), ((metrics.get(state) or {}).get(split) or {}).get(what)


def _runs(choice: tuple[Any, ...], trials: list[Trial], several_scopes: bool, notes: list[str]) -> list[Run]:
    """One run of all trials, or one for each where they cannot be told to differ in their seed alone."""
    method, scope, requested = choice
    label = f"{method}, {scope}" if several_scopes and scope is not None else str(method)
    known = method is not None and requested is not None
    if known and max(Counter((trial.seed, trial.mask_seed) for trial in trials).values()) == 1:
        return [Run(label, requested, tuple(sorted(trials, key=lambda t: (t.seed or 0, t.mask_seed or 0))))]
    if known:
        notes.append(
            f"{label} at {requested:g}: several files of the same seed, shown apart by name and not averaged; "
            "are they steps of the same network, or pruned in other layers?"
        )
    names = [trial.name for trial in trials]
    if len(set(names)) < len(names):
        names = [str(trial.pruned.get("path")) for trial in trials]
    labels = names if method is None else [f"{label} ({name})" for name in names]
    return [Run(name, requested, (trial,)) for name, trial in zip(labels, trials, strict=True)]


def _key(record: Record) -> Key:
    params = json.dumps(record.get("params") or {}, sort_keys=True)
    named = (record.get("dist"), record.get("measure"), record.get("estimator"))
    return ("ap", *(str(name or "unknown") for name in named), params)


def _measures(records: Sequence[Record]) -> tuple[Quantity, ...]:
    """The AP measures in order of appearance, labelled by what tells them apart."""
    found = {_key(record): dict(record.get("params") or {}) for record in records}
    measures = []
    for key, params in found.items():
        _, dist, measure, estimator, _ = key
        peers = [(k, p) for k, p in found.items() if k[1] == dist]
        apart = [f"{k}={v}" for k, v in params.items() if any(p.get(k, ...) != v for _, p in peers)]
        apart += [measure] if measure not in ("kl", "ap2") else []
        apart += [estimator] if any(k[3] != estimator for k, _ in peers) else []
        label = "AP2" if dist == "ap2" else f"AP3 {dist}"
        unit = "nats" if measure in NATS else "squared distance" if dist == "ap2" else measure
        measures.append(Quantity(key, f"{label} ({', '.join(apart)})" if apart else label, unit, params))
    return tuple(measures)
