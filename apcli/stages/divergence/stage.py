"""Divergence: how far the pruned weights' distribution moved from the dense one's, beside performance."""

import logging
import math
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from apcli.checkpoints import traces
from apcli.checkpoints.checkpoint import Checkpoint
from apcli.checkpoints.files.entries import Entry
from apcli.checkpoints.files.kept_channels import expanded
from apcli.checkpoints.layers import Layer, prunable, select
from apcli.checkpoints.verification import check_input
from apcli.configs.divergence import FILTER, LAYER, NETWORK, DivergenceConfig
from apcli.errors import ApcliError, UsageError, VerificationError
from apcli.progress import Progress
from apcli.projections import Form
from apcli.projections.weights import Distribution, Tensors, WeightProjections, pair_of
from apcli.records import POOLED, name_of
from apcli.records.divergence import DivergenceRecord
from apcli.registry.tables import Choice
from apcli.stages.divergence.choices import check_choices, choices_of, is_on_data, what_is_defined
from apcli.stages.divergence.filters import check_filters, filters_of, with_rows
from apcli.stages.divergence.records import Compared, Pruning, Value, metrics_of, pruning_of, record_of, tv_bounds_of
from apcli.theory import ESTIMATORS, MEASURES, MeasureRow
from apcli.theory.distributions.shifts import Shift
from apcli.theory.measures import NoExactForm, Pair

if TYPE_CHECKING:  # it imports torch
    from apcli.projections.network import DataProjections, PairOnData

log = logging.getLogger("apcli")

Place = tuple[str, int | None]  # a layer's name, or ``POOLED``, and the number of its filter


class Divergences:
    """Measures a stream of pairs; what depends on the dense file alone is cached for its next pruned file.

    Args:
        on_data: makes the projections that need the network; None if ``choices.needs_data`` is false.
        tell: shows a line of progress.

    Raises:
        UsageError: a name is unknown, or a parameter is out of range.
    """

    def __init__(
        self,
        config: DivergenceConfig,
        on_data: "DataProjections | None" = None,
        tell: Progress | None = None,
    ) -> None:
        self.config = config
        self.tell = tell or Progress()
        self.choices = choices_of(config)
        self.measures = MEASURES.parse_list(config.measure)
        self.estimator = ESTIMATORS.row(config.estimator)
        self.on_data = on_data
        check_choices(self.choices, self.measures, config)
        if on_data is None and any(map(is_on_data, self.choices)):
            raise ValueError(f"{config.dist} is measured on the network: pass DataProjections(config, tell)")
        weights = [choice for choice in self.choices if not is_on_data(choice)]
        drawn = config.estimator != "exact"
        self.on_weights = WeightProjections(weights, self.measures, keep=drawn, levels=config.levels)
        self.on_filters = WeightProjections(weights, self.measures, keep=drawn, levels=(LAYER,))
        self._threads = ThreadPoolExecutor(2)
        self._said: set[tuple[str, str]] = set()  # distributions and measures that were warned of

    def records(self, dense: Checkpoint, pruned: Checkpoint) -> Iterator[DivergenceRecord]:
        """Yield a record for every distribution and measure, by level, for the file and every traced epoch.

        Raises:
            UsageError: the dense file is pruned, a layer is unknown, or a distribution or measure does not suit.
            ApcliError: the two files' layers do not match, or a weight is NaN or Inf.
        """
        if dense.lineage.pruned and not pruned.lineage.pruned:
            raise UsageError(f"{dense.label} is pruned and {pruned.label} is not: give the dense file first")
        self.tell(f"comparing {pruned.label} with {dense.label}")
        hashes = self._threads.map(lambda checkpoint: checkpoint.sha256, (dense, pruned))
        check_input(pruned)
        layers = compared_layers(dense, pruned, self.config)
        if FILTER in self.config.levels:
            check_filters(layers, self.choices)
        list(hashes)  # wait until both are computed
        on_data = None
        if self.on_data is not None:
            on_data = self.on_data.of(dense, pruned, [layer.tensor for layer in layers])
        pruning = _prunings(pruned, layers)
        for epoch, after in _steps(pruned, layers):
            tensors = [
                Tensors(layer, dense.entries[layer.tensor], _whole(pruned, layer, after), (dense.label, pruned.label))
                for layer in layers
                if layer.tensor in after
            ]
            whole = len(tensors) == len(layers)
            by_rows = [with_rows(t) for t in tensors]
            by_filter: dict[str, dict[Place, Shift | Pair]] = {}
            if FILTER in self.config.levels:
                by_filter = self._projected_by_filter(by_rows, dense.sha256)
                if epoch is None:
                    pruning |= _filter_prunings(pruned, by_rows)
            projected = self.on_weights.of(by_rows, dense.sha256, whole=whole)
            if on_data is not None:
                projected |= self._projected_on_data(on_data, tensors, after if epoch is not None else {}, whole=whole)
            metrics = metrics_of(dense, pruned, epoch)
            for choice in self.choices:
                evaluated = on_data.dense.evaluated if on_data and is_on_data(choice) else None
                by_layer = {(name, None): projection for name, projection in projected[choice.spec].items()}
                for (name, number), projection in (by_filter.get(choice.spec, {}) | by_layer).items():
                    how = pruning[name, number]
                    compared = Compared(dense, pruned, how, name, number, epoch, metrics, evaluated)
                    yield from self._measured(choice, projection, compared)

    def _projected_by_filter(self, tensors: Sequence[Tensors], origin: str) -> dict[str, dict[Place, Shift | Pair]]:
        """Project each filter of the layers, by spec; ``tensors`` have their outputs as rows."""
        projected: dict[str, dict[Place, Shift | Pair]] = {choice.spec: {} for choice in self.choices}
        for t in tensors:
            self.tell(f"filters of {t.layer.name}")
            for spec, found in self.on_filters.of(filters_of(t), origin, whole=False).items():
                projected[spec] |= {(t.layer.name, number): own for number, own in enumerate(found.values())}
            t.release(0, t.layer.size)  # a filter may be less than a page
        return projected

    def _projected_on_data(
        self, on_data: "PairOnData", tensors: Sequence[Tensors], replaced: Mapping[str, Entry], *, whole: bool
    ) -> dict[str, dict[str, Shift | Pair]]:
        """Project on the network and its data, by spec and layer; ``replaced`` are a traced epoch's tensors.

        An epoch whose trace lacks a layer has no pooled projection and no predictions.
        """
        levels = self.config.levels
        projected = {}
        for choice in filter(is_on_data, self.choices):
            mine: dict[str, Shift | Pair] = {}
            if choice.row.form is Form.ELLIPTICAL:
                if LAYER in levels:
                    mine |= {t.layer.name: on_data.shift(choice, [t]) for t in tensors}
                if NETWORK in levels and whole:
                    alone = mine.get(tensors[0].layer.name) if len(tensors) == 1 else None
                    mine[POOLED] = alone or on_data.shift(choice, tensors)
            elif not replaced or (whole and _only_pruned_learnt(on_data.pruned, tensors)):
                mine[POOLED] = on_data.predictive(choice, replaced)
            projected[choice.spec] = mine
        return projected

    def _measured(
        self, choice: Distribution, projection: Shift | Pair, compared: Compared
    ) -> Iterator[DivergenceRecord]:
        """Yield a record for each measure of one pair of distributions."""
        if choice.row.form is Form.NUMBER:
            value = choice.row.load()(projection)
            self._warn(choice, choice.name, value)
            yield record_of(compared, choice, None, projection.dim, Value(value))
            return
        pair = pair_of(choice, projection)
        for measure in self.measures:
            try:
                yield record_of(compared, choice, measure, pair.dim, self._estimated(choice, measure, pair))
            except ValueError as error:
                name = name_of(compared.layer, compared.filter)
                where = f"--dist {choice.spec}: measure {measure.spec} of layer {name}"
                defined = what_is_defined(pair, error) if self.estimator.name == "exact" else ""
                raise UsageError(f"{where}: {error}{defined}") from None

    def _estimated(self, choice: Distribution, measure: Choice[MeasureRow], pair: Any) -> Value:
        """The measure's value by the requested estimator, or by Monte Carlo if there is no exact form."""
        bounded = measure.row.bounds_tv
        exact = choice.row.form is Form.PREDICTIONS  # where there is nothing to draw
        row = ESTIMATORS.row("exact") if exact else self.estimator
        if row.name == "exact":
            try:
                value = row.load()(pair, measure)
            except NoExactForm:
                row = ESTIMATORS.row("mc")
            else:
                self._warn(choice, measure.spec, value)
                bounds = tv_bounds_of(pair, value) if bounded else None
                # A mean over data has the standard error of that mean; all else has none.
                return Value(value, pair.std_error(measure) if exact else 0.0, tv_bounds=bounds)
        how = {"samples": self.config.samples, "repeats": self.config.repeats, "seed": self.config.seed}
        self.tell(f"{measure.spec} of {choice.spec}: {how['samples'] * how['repeats']} draws")
        drawn = row.load()(pair, measure, device=self.config.device, **how)
        self._warn(choice, measure.spec, drawn.value)
        return Value(drawn.value, drawn.std_error, row.name, how, tv_bounds_of(pair, pair.kl()) if bounded else None)

    def _warn(self, choice: Distribution, measure: str, value: float) -> None:
        """Warn, once for each distribution and measure, that a value is no finite number."""
        if not math.isfinite(value) and (choice.spec, measure) not in self._said:
            self._said.add((choice.spec, measure))
            what = "infinite" if math.isinf(value) else "beyond Monte Carlo (a few draws carry the average)"
            log.warning("%s of %s is %s for some layers: their records hold null", measure, choice.spec, what)


def compared_layers(dense: Checkpoint, pruned: Checkpoint, config: DivergenceConfig) -> list[Layer]:
    """The layers to compare, by ``--layers``; by default the pruned layers in the lineage, otherwise all.

    A layer of a compact file gets its shape in the dense file.

    Raises:
        ApcliError: a layer is missing in one file or has another shape; the message names the first difference.
    """
    layers = select(pruned, config.layers or "all", config.exclude)
    promised = pruned.lineage.pruned
    if config.layers is None and promised:
        layers = [layer for layer in layers if layer.tensor in promised]
    elif config.layers is None and config.exclude is None:
        for layer in prunable(dense):
            if layer.tensor not in pruned.entries:
                raise _mismatch(f"{dense.label} has {layer.name}, {pruned.label} does not")
    if not layers:
        raise UsageError(f"no layer of {pruned.label} is left to compare: choose other --layers and --exclude")
    kept = pruned.lineage.kept
    for number, layer in enumerate(layers):
        entry = dense.entries.get(layer.tensor)
        if entry is None:
            raise _mismatch(f"{pruned.label} has {layer.name}, {dense.label} does not")
        if layer.tensor in kept and entry.is_float and _smaller(layer.shape, entry.shape):
            layers[number] = replace(layer, shape=entry.shape)
        elif entry.shape != layer.shape or not entry.is_float:
            shapes = f"{_size(entry.shape)} in {dense.label}, {_size(layer.shape)} in {pruned.label}"
            hint = (
                "; the rows that the smaller layer has kept are not known" if _smaller(layer.shape, entry.shape) else ""
            )
            raise _mismatch(f"{layer.name} is {shapes}{hint}")
    return layers


def _steps(pruned: Checkpoint, layers: Sequence[Layer]) -> list[tuple[int | None, Mapping[str, Entry]]]:
    """The file's weights (epoch None), then those of each epoch in its trace.

    Raises:
        VerificationError: a traced tensor has another type or shape than its layer.
        ApcliError: a traced weight is NaN or Inf.
    """
    file = {layer.tensor: pruned.entries[layer.tensor] for layer in layers}
    steps: list[tuple[int | None, Mapping[str, Entry]]] = [(None, file)]
    trace = traces.of(pruned)
    if trace is not None:
        shapes = {tensor: entry.shape for tensor, entry in file.items()}
        trace.check_finite()
        for epoch, names in traces.epochs(trace, shapes).items():
            weights = {name: trace.entries[traces.tensor_name(name, epoch)] for name in names}
            for name, entry in weights.items():
                if entry.shape != shapes[name] or not entry.is_float:
                    what = f"{traces.tensor_name(name, epoch)} as {entry.dtype} {_size(entry.shape)}"
                    wanted = f"expected floats, {_size(shapes[name])}: fine-tune again, or remove it"
                    raise VerificationError(f"{trace.label} holds {what}: {wanted}")
            if weights:
                steps.append((epoch, weights))
    return steps


def _prunings(pruned: Checkpoint, layers: Sequence[Layer]) -> dict[Place, Pruning]:
    """How each layer was pruned, and all of them."""
    zeros = {layer: _zeros(pruned.entries[layer.tensor], layer) for layer in layers}
    by_layer = {layer.name: pruning_of(pruned, {layer: count}) for layer, count in zeros.items()}
    return {(name, None): pruning for name, pruning in (by_layer | {POOLED: pruning_of(pruned, zeros)}).items()}


def _filter_prunings(pruned: Checkpoint, tensors: Sequence[Tensors]) -> dict[Place, Pruning]:
    """How each filter was pruned; ``tensors`` are those of the file, with their outputs as rows."""
    return {
        (t.layer.name, number): pruning_of(pruned, {own.layer: own.pruned.zeros})
        for t in tensors
        for number, own in enumerate(filters_of(t))
    }


def _whole(pruned: Checkpoint, layer: Layer, after: Mapping[str, Entry]) -> Entry:
    """A layer's tensor in the dense shape, with zeros for channels that a compact file lacks."""
    entry = after[layer.tensor]
    if entry.shape == layer.shape:
        return entry
    try:
        return expanded(entry, pruned.lineage.kept[layer.tensor], layer.shape)
    except ApcliError as error:
        raise ApcliError(f"{pruned.label}: {layer.name}: {error}") from None


def _zeros(entry: Entry, layer: Layer) -> int:
    """The zeros of a layer's tensor in the dense shape."""
    return entry.zeros + layer.size - entry.size


def _only_pruned_learnt(pruned: Checkpoint, tensors: Sequence[Tensors]) -> bool:
    """Whether a trace gives the whole network of each epoch: fine-tuning changed traced layers alone."""
    how = pruned.lineage.last_settings.options
    alone = how.get("update") == "pruned" or how.get("epochs") == 0
    return alone and set(pruned.lineage.pruned) <= {t.layer.tensor for t in tensors}


def _mismatch(difference: str) -> ApcliError:
    return ApcliError(f"layers do not match: {difference}: give two files of one network, or name layers with --layers")


def _smaller(shape: tuple[int, ...], dense: tuple[int, ...]) -> bool:
    return len(shape) == len(dense) and all(own <= full for own, full in zip(shape, dense, strict=True))


def _size(shape: tuple[int, ...]) -> str:
    return "x".join(map(str, shape))
