"""From two files to pairs of distributions, streamed: a few blocks of weights in memory for models of any size."""

import os
from collections.abc import Collection, Iterator, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np

from apcli.checkpoints.checkpoint import not_finite
from apcli.checkpoints.files.entries import BLOCK, Entry
from apcli.checkpoints.layers import Layer
from apcli.configs.divergence import LAYER, NETWORK
from apcli.errors import UsageError
from apcli.projections import COVARIANCES, ELLIPTICAL, DistributionRow, Form
from apcli.records import POOLED
from apcli.registry.tables import Choice, Parameter
from apcli.theory import MeasureRow
from apcli.theory.covariances.families import Covariances
from apcli.theory.covariances.row_samples import Rows
from apcli.theory.distributions.shifts import Shift
from apcli.theory.measures import Pair
from apcli.theory.reductions import Distances, GroupMeans, Reduction

_LONG_ROWS = 8  # blocks at a time
_THREADS = 8  # each holds a few blocks; more would only wait for memory

Distribution = Choice[DistributionRow]
ChoiceKey = tuple[tuple[str, Parameter], ...]  # choices of one key need the same numbers of the weights
_Made = dict[tuple[str, ChoiceKey], Covariances]  # by tensor


@dataclass(frozen=True)
class Tensors:
    """A layer's weights in the dense and in the pruned file; ``labels`` name the files in messages.

    Of one filter ``layer`` is its row, a layer of its own, and ``of`` the layer's tensors: their rows are the sample
    from which the covariance of a row is estimated.
    """

    layer: Layer
    dense: Entry
    pruned: Entry
    labels: tuple[str, str]
    of: "Tensors | None" = None

    @property
    def whole(self) -> "Tensors":
        """The layer's tensors, also of a filter."""
        return self.of or self

    @property
    def columns(self) -> int:
        return self.layer.size // self.layer.shape[0]

    def runs(self, start: int, stop: int) -> list[np.ndarray]:
        """The elements from ``start`` up to ``stop`` of both files.

        Raises:
            ApcliError: an element is NaN or Inf.
        """
        return [self._run(entry, start, stop) for entry in (self.dense, self.pruned)]

    def rows(self, entry: Entry) -> Rows:
        """The layer's rows (output units) in one of the files, as a stream of blocks.

        Raises:
            ApcliError: while streaming, if a weight is NaN or Inf.
        """
        step = max(1, BLOCK // self.columns) * self.columns

        def blocks() -> Iterator[np.ndarray]:
            for start in range(0, entry.size, step):
                stop = min(start + step, entry.size)
                yield self._run(entry, start, stop).astype(np.float64).reshape(-1, self.columns)

        return Rows(blocks, self.layer.shape[0], self.columns)

    def _run(self, entry: Entry, start: int, stop: int) -> np.ndarray:
        run = entry.run(start, stop)
        if not np.isfinite(run).all():
            after = entry is self.pruned
            whole = self.whole.pruned if after else self.whole.dense
            raise not_finite(self.labels[after], self.layer.tensor, whole.not_finite)
        return run


class _Noted:
    """Rows that record whether they were read."""

    def __init__(self, rows: Rows) -> None:
        self._rows = rows
        self.were_read = False

    def blocks(self) -> Iterator[np.ndarray]:
        self.were_read = True
        return self._rows.blocks()


class WeightProjections:
    """Reduces the differences of weights to the numbers that the distributions of each choice depend on.

    Args:
        choices: distributions that need the weights alone.
        measures: the measures to compute from the pairs; families of independent weights keep sums for these.
        keep: whether Monte Carlo will be used.
        levels: ``layer``, ``network``, or both.
    """

    def __init__(
        self,
        choices: Sequence[Distribution],
        measures: Sequence[Choice[MeasureRow]],
        *,
        keep: bool,
        levels: Collection[str],
    ) -> None:
        self.choices = choices
        self.measures = measures
        self.keep = keep
        self.by_layer, self.network = LAYER in levels, NETWORK in levels
        self._origin = ""
        self._covariances: _Made = {}
        self._threads: Executor = ThreadPoolExecutor(min(_THREADS, os.cpu_count() or 1))

    def of(self, tensors: Sequence[Tensors], origin: str, *, whole: bool) -> dict[str, dict[str, Shift | Pair]]:
        """Reduce each choice, by its spec, to a ``Shift`` (with a scale matrix) or a pair, by layer and ``POOLED``.

        ``origin`` identifies the dense file: results for the dense weights alone are cached until it changes.
        ``whole`` false: these are not all layers, so nothing is pooled.

        Raises:
            UsageError: a distribution does not suit a layer.
            ApcliError: a weight is NaN or Inf.
        """
        if origin != self._origin:
            self._origin, self._covariances = origin, {}
        keys = {choice.spec: key_of(choice) for choice in self.choices}
        distinct = {keys[choice.spec]: choice for choice in self.choices}
        size = sum(t.layer.size for t in tensors)
        pooled = self.network and whole
        if not (self.by_layer or pooled):
            return {spec: {} for spec in keys}
        together = {key: _grouped(c, size, POOLED) for key, c in distinct.items() if pooled and _groups(c)}
        by_layer: dict[ChoiceKey, list[Reduction]] = {key: [] for key in distinct}
        of_pair: _Made = {}
        offset = 0
        for t in tensors:
            own = {k: self._reduction(c, t, of_pair) for k, c in distinct.items() if self.by_layer or not _groups(c)}
            by_rows = any(isinstance(r, Distances) and r.covariances.by_rows for r in own.values())
            self._stream(t, [(r, 0) for r in own.values()] + [(r, offset) for r in together.values()], by_rows)
            for key, reduction in own.items():
                by_layer[key].append(reduction)
            offset += t.layer.size
        results: dict[ChoiceKey, dict[str, Shift | Pair]] = {}
        for key, members in by_layer.items():
            results[key] = {
                t.layer.name: r.joined([r]) for t, r in zip(tensors, members, strict=False) if self.by_layer
            }
            if pooled:
                joint: list[Reduction] = [together[key]] if key in together else members
                results[key][POOLED] = joint[0].joined(joint)
        return {spec: results[key] for spec, key in keys.items()}

    def _reduction(self, choice: Distribution, t: Tensors, of_pair: _Made) -> Reduction:
        if _groups(choice):
            return _grouped(choice, t.layer.size, t.layer.name)
        try:
            if choice.row.form is Form.INDEPENDENT:
                reduction: Reduction = choice().reduction(self.measures, self.keep)
                return reduction
            covariances = self._covariances_of(choice, t, of_pair)
        except ValueError as error:
            name = t.whole.layer.name
            raise UsageError(f"--dist {choice.spec}: layer {name} {error}; or give --exclude {name}") from None
        return Distances(covariances, t.layer.shape[0], t.columns)

    def _covariances_of(self, choice: Distribution, t: Tensors, of_pair: _Made) -> Covariances:
        """The covariances of one layer, cached for all pruned files if they read the dense weights alone.

        Those that read the pruned weights are kept in ``of_pair``, for the other filters of the layer.
        """
        parameters = {**ELLIPTICAL, **choice.parameters}
        row = COVARIANCES.row(str(parameters["cov"]))
        given = {key: parameters[key] for key in ("scale", "pruned_scale", *row.parameters)}
        key = (t.layer.tensor, (("cov", row.name), *given.items()))
        for known in (self._covariances, of_pair):
            if key in known:
                return known[key]
        sample = t.whole if "weights" in row.needs else t
        pruned = _Noted(sample.rows(sample.pruned))
        made: Covariances = row.load()(
            sample.rows(sample.dense), Rows(pruned.blocks, sample.layer.shape[0], sample.columns), **given
        )
        (of_pair if pruned.were_read else self._covariances)[key] = made
        return made

    def _stream(self, t: Tensors, reductions: Sequence[tuple[Reduction, int]], by_rows: bool) -> None:
        """Stream every block of the layer once through all reductions, on all cores; absorb results in order."""
        unit = t.columns if by_rows else 1
        # A covariance of rows longer than their number is applied by reading all of them, hence more rows at a time.
        size = _LONG_ROWS * BLOCK if by_rows and t.columns > t.layer.shape[0] else BLOCK
        step = max(1, size // unit) * unit

        def work(start: int) -> list[Any]:
            stop = min(start + step, t.layer.size)
            dense, pruned = t.runs(start, stop)
            difference = dense.astype(np.float64)
            with np.errstate(over="ignore"):  # the distance is infinite in that case
                difference -= pruned
            return [reduction.reduce(offset + start, difference) for reduction, offset in reductions]

        starts = range(0, t.layer.size, step)  # a single block needs no thread
        blocks = self._threads.map(work, starts) if len(starts) > 1 else (work(start) for start in starts)
        try:
            for partials in blocks:
                for (reduction, _), partial in zip(reductions, partials, strict=True):
                    reduction.absorb(partial)
        finally:
            blocks.close()  # type: ignore[attr-defined]  # closing the generator cancels blocks that have not begun


def key_of(choice: Distribution) -> ChoiceKey:
    """The parameters of a choice that affect the numbers to which layers are reduced."""
    if choice.row.form is Form.INDEPENDENT:
        return (("family", choice.spec),)
    own = set(choice.row.parameters) - set(ELLIPTICAL)
    return tuple(sorted({**ELLIPTICAL, **{k: v for k, v in choice.parameters.items() if k not in own}}.items()))


def check_groups(choice: Distribution) -> None:
    """Raise ValueError if a choice has a negative number of groups, or groups with a covariance of single weights."""
    if _groups(choice) < 0:
        raise ValueError(f"groups is {_groups(choice)}: expected 0 (none) or a number of groups")
    if _groups(choice) and choice.parameters.get("cov", ELLIPTICAL["cov"]) != ELLIPTICAL["cov"]:
        raise ValueError("groups goes with cov=identity: the published grouping keeps one scale for all groups")


def pair_of(choice: Distribution, projected: Shift | Pair) -> Pair:
    """The pair of distributions that a family makes from the reduced weights."""
    if not isinstance(projected, Shift):
        return projected
    own = {key: choice.parameters[key] for key in choice.row.parameters if key not in ELLIPTICAL}
    pair: Pair = choice.row.load()(projected, **own)
    return pair


def _groups(choice: Distribution) -> int:
    return int(choice.parameters.get("groups", 0))


def _grouped(choice: Distribution, size: int, layer: str) -> GroupMeans:
    if _groups(choice) > size:
        raise UsageError(f"--dist {choice.spec}: layer {layer} has only {size} weights: choose fewer groups")
    parameters = {**ELLIPTICAL, **choice.parameters}
    return GroupMeans(size, _groups(choice), float(parameters["scale"]), parameters["pruned_scale"])
