"""Divergence records, grouped into runs: numbers only.

A *trial* is a pruned file with its dense ancestor; a *run* consists of trials that differ in their dense network and
seeds alone; a *group* consists of the runs of one model on one data set, and only runs of one group are compared. A
number that is not known is None everywhere, and never counts as zero.
"""

import statistics
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import zip_longest
from pathlib import Path
from typing import Any, TypeVar

from apcli.errors import ApcliError
from apcli.records import POOLED
from apcli.records.behaviour import BehaviourRecord
from apcli.records.bound import BoundRecord
from apcli.records.checkpoint import CheckpointRecord
from apcli.records.divergence import DivergenceRecord
from apcli.records.exemplars import ExemplarsRecord
from apcli.records.json_objects import Record
from apcli.records.overlap import OverlapRecord
from apcli.stages.report.inputs import digests_of
from apcli.stages.report.runs.behaviours import values_of
from apcli.stages.report.runs.checkpoints_at_hand import with_files_at_hand
from apcli.stages.report.runs.labels import is_control, label_of, order_of, qualified
from apcli.stages.report.runs.quantities import PD_LOSS, ApKey, ApMeasure, BoundKey, Key, Quantity, measures_of
from apcli.stages.report.runs.trials import Trial, trials_of
from apcli.theory.statistics.means import sample_sd
from apcli.words import count, few

Beside = BoundRecord | BehaviourRecord | ExemplarsRecord | OverlapRecord  # what a group holds beside its runs
Kind = TypeVar("Kind", bound=Record)
ASKED = 0.01  # a share that differs by more from what was asked for stands where it is, as that of channels does


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


@dataclass(frozen=True, eq=False)
class Run:
    """The trials of one method at one sparsity. No two runs are equal.

    Attributes:
        method: a label: the method with its scope, and the file if needed.
        requested: the share that was asked for: of weights, or of channels.
        sparsity: the share of weights at which the run stands: ``requested``, or what it got if that clearly differs.
            Of a budget, the share of its cost.
    """

    method: str
    requested: float | None
    sparsity: float | None
    trials: tuple[Trial, ...]

    @property
    def name(self) -> str:
        return self.method if self.sparsity is None else f"{self.method} at {self.sparsity:g}"

    @property
    def actual(self) -> Stat | None:
        return stat(trial.actual for trial in self.trials)

    @property
    def is_control(self) -> bool:
        """Whether weights were removed at random."""
        return is_control(self.method)

    @property
    def networks(self) -> list[str]:
        """The identities of the dense networks, the clusters."""
        return list(dict.fromkeys(trial.network for trial in self.trials))

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

    def accuracy(self, state: str, split: str = "test") -> Stat | None:
        """Top-1 accuracy in percent; ``state`` is dense, before (fine-tuning) or pruned."""
        return stat(trial.accuracy(state, split) for trial in self.trials)


@dataclass(frozen=True, eq=False)
class Group:
    """The runs of one model on one data set, with the AP measures of their records. No two groups are equal.

    Attributes:
        bounds: the bound records about the same model and data; without a divergence record there is no run.
        behaviours: what the networks do, likewise; ``exemplars`` and ``overlaps`` are about several of them.
    """

    model: str | None
    data: str | None
    runs: tuple[Run, ...]
    measures: tuple[ApMeasure, ...]
    notes: tuple[str, ...]
    bounds: tuple[BoundRecord, ...] = ()
    behaviours: tuple[BehaviourRecord, ...] = ()
    exemplars: tuple[ExemplarsRecord, ...] = ()
    overlaps: tuple[OverlapRecord, ...] = ()

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
    """All groups, and the records they were made from.

    Attributes:
        records: the divergence records; ``bounds`` are the bound records, each once.
        given: the records of all kinds.
        checkpoints: by SHA-256, what files are, where it is known.
    """

    groups: tuple[Group, ...]
    records: tuple[DivergenceRecord, ...]
    given: tuple[Record, ...]
    checkpoints: Mapping[str, CheckpointRecord] = field(default_factory=dict)

    @property
    def title(self) -> str:
        return " · ".join(group.title for group in self.groups)

    @property
    def bounds(self) -> list[BoundRecord]:
        return [bound for group in self.groups for bound in group.bounds]

    @property
    def behaviours(self) -> list[BehaviourRecord]:
        return [record for group in self.groups for record in group.behaviours]

    @cached_property
    def digests(self) -> str:
        """The digests of the given records, by which a report is told from others."""
        return digests_of(self.given)


def build(records: Iterable[Record], describe: Callable[[Path], CheckpointRecord] | None = None) -> Report:
    """Group divergence records into runs, and records of other kinds with them; a repeated record counts once.

    Args:
        records: of all kinds.
        describe: describes the compared files that no checkpoint record describes; None: they are not looked for.

    Raises:
        ApcliError: there is no record of a kind that makes a group.
    """
    given = tuple(records)
    kept = [record for record in given if isinstance(record, DivergenceRecord)]
    described = [record for record in given if isinstance(record, CheckpointRecord)]
    beside = list({digests_of([record]): record for record in given if isinstance(record, Beside)}.values())
    if not kept and not beside:
        raise ApcliError("no divergence record to report on: expected JSON Lines from 'apcli divergence'")
    known = with_files_at_hand(kept, described, describe)
    groups: dict[tuple[str | None, str | None], list[DivergenceRecord | Beside]] = {}
    for record in (*kept, *beside):
        groups.setdefault((record.model, record.data), []).append(record)
    made = tuple(_group(model, data, members, known) for (model, data), members in groups.items())
    return Report(made, tuple(kept), given, known)


def stat(values: Iterable[float | None], errors: Iterable[float | None] = ()) -> Stat | None:
    """Mean and sample sd of the known values, with their standard errors if any; None if no value is known."""
    pairs = [(value, error) for value, error in zip_longest(values, errors) if value is not None]
    if not pairs:
        return None
    known = [value for value, _ in pairs]
    error = statistics.fmean(error or 0.0 for _, error in pairs) or None
    return Stat(statistics.fmean(known), sample_sd(known) if len(known) > 1 else None, len(known), error)


def _group(
    model: str | None, data: str | None, members: Sequence[Record], known: Mapping[str, CheckpointRecord]
) -> Group:
    notes: list[str] = []
    records, bounds = _of(DivergenceRecord, members), _of(BoundRecord, members)
    behaviours = _of(BehaviourRecord, members)
    further = values_of(behaviours, bounds)
    trials = [trial.with_values(further) for trial in trials_of(records, known, notes)]
    named = [trial for trial in trials if trial.method is not None]
    several_layers = len({trial.subject for trial in named}) > 1
    alike: dict[tuple[Any, ...], list[Trial]] = {}
    for trial in trials:
        alike.setdefault((label_of(trial, several_layers), trial.requested), []).append(trial)
    runs = [run for (label, _), members in alike.items() for run in _runs(label, members, notes)]
    runs.sort(key=_order)
    whole = [record for record in records if record.filter is None]
    shown = [record for record in whole if record.layer == POOLED] or whole
    if len(whole) < len(records):
        layers = few(list(dict.fromkeys(record.layer for record in records if record.filter is not None)))
        left = count(len(records) - len(whole), "record")
        notes.append(f"{left} of single filters ({layers}) are not shown here: --format csv has them")
    beside = (bounds, behaviours, _of(ExemplarsRecord, members), _of(OverlapRecord, members))
    return Group(model, data, tuple(runs), measures_of(shown), tuple(dict.fromkeys(notes)), *beside)


def _of(kind: type[Kind], members: Iterable[Record]) -> tuple[Kind, ...]:
    return tuple(record for record in members if isinstance(record, kind))


def _order(run: Run) -> tuple[int, int, str, float]:
    """A sort key by what was run, whatever the order of the records, so that a study always has the same colours.

    Runs of most layers are first, then methods as the tables list them.
    """
    trial = run.trials[0]
    return -len(trial.subject), order_of(trial.method), run.method, -1.0 if run.sparsity is None else run.sparsity


def _runs(label: str | None, trials: Sequence[Trial], notes: list[str]) -> list[Run]:
    """One run of all trials, or a run for each unless they clearly differ in their dense network and seeds alone."""
    requested = trials[0].requested
    known = label is not None and requested is not None
    if known and max(Counter(trial.replicate for trial in trials).values()) == 1:
        ordered = sorted(trials, key=lambda t: (t.dense.path or "", t.network, t.seed or 0, t.mask_seed or 0))
        return [Run(str(label), requested, _place(requested, trials), tuple(ordered))]
    if known:
        notes.append(
            f"{label} at {requested:g}: several files of the same dense network and seed, shown separately by name and "
            "not averaged; are they steps of the same network, or fine-tuned with other settings?"
        )
    names = [trial.name for trial in trials]
    if len(set(names)) < len(names):
        names = [str(trial.pruned.path) for trial in trials]
    labels = names if label is None else [qualified(label, name) for name in names]
    return [
        Run(name, requested, _place(requested, [trial]), (trial,)) for name, trial in zip(labels, trials, strict=True)
    ]


def _place(requested: float | None, trials: Sequence[Trial]) -> float | None:
    """The sparsity at which a run stands: what was asked for, unless its share of weights clearly differs from it.

    Runs of a budget stand at the share of the cost that was to go, whatever their share of weights: there they compare.
    """
    got = stat(trial.actual for trial in trials)
    if requested is None or got is None or trials[0].budget or abs(got.mean - requested) <= ASKED:
        return requested
    return round(got.mean, 3)
