"""Divergence: how far the pruned weights' distribution moved from the dense one's, beside performance."""

import logging
import math
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from apcli.checkpoints.checkpoint import Checkpoint
from apcli.checkpoints.files.entries import Entry
from apcli.checkpoints.verification import check_input
from apcli.configs.divergence import FILTER, LAYER, NETWORK, DivergenceConfig
from apcli.errors import UsageError
from apcli.progress import Progress
from apcli.projections import Form
from apcli.projections.weights import Distribution, Tensors, WeightProjections, pair_of
from apcli.records import POOLED, name_of
from apcli.records.divergence import DivergenceRecord
from apcli.registry.tables import Choice
from apcli.stages.divergence.choices import check_choices, choices_of, is_on_data, what_is_defined
from apcli.stages.divergence.filters import check_filters, filters_of, with_rows
from apcli.stages.divergence.records import Compared, Value, record_of, tv_bounds_of
from apcli.stages.pairs.epochs import epochs_of
from apcli.stages.pairs.layers import compared_layers, in_dense_shape
from apcli.stages.pairs.pruning import Place, Pruning, metrics_of, pruning_of, prunings_of
from apcli.theory import ESTIMATORS, MEASURES, MeasureRow
from apcli.theory.distributions.shifts import Shift
from apcli.theory.measures import NoExactForm, Pair

if TYPE_CHECKING:  # it imports torch
    from apcli.projections.network import DataProjections, PairOnData

log = logging.getLogger("apcli")


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
        layers = compared_layers(dense, pruned, self.config.layers, self.config.exclude)
        self.tell(f"comparing {pruned.label} with {dense.label}")
        hashes = self._threads.map(lambda checkpoint: checkpoint.sha256, (dense, pruned))
        check_input(pruned)
        if FILTER in self.config.levels:
            check_filters(layers, self.choices)
        list(hashes)  # wait until both are computed
        on_data = None
        if self.on_data is not None:
            on_data = self.on_data.of(dense, pruned, [layer.tensor for layer in layers])
        pruning = prunings_of(pruned, layers)
        for epoch, after in epochs_of(pruned, layers):
            tensors = [
                Tensors(
                    layer,
                    dense.entries[layer.tensor],
                    in_dense_shape(pruned, layer, after[layer.tensor]),
                    (dense.label, pruned.label),
                )
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


def _filter_prunings(pruned: Checkpoint, tensors: Sequence[Tensors]) -> dict[Place, Pruning]:
    """How each filter was pruned; ``tensors`` are those of the file, with their outputs as rows."""
    return {
        (t.layer.name, number): pruning_of(pruned, {own.layer: own.pruned.zeros})
        for t in tensors
        for number, own in enumerate(filters_of(t))
    }


def _only_pruned_learnt(pruned: Checkpoint, tensors: Sequence[Tensors]) -> bool:
    """Whether a trace gives the whole network of each epoch: fine-tuning changed traced layers alone."""
    how = pruned.lineage.last_settings.options
    alone = how.get("update") == "pruned" or how.get("epochs") == 0
    return alone and set(pruned.lineage.pruned) <= {t.layer.tensor for t in tensors}
