"""The layers of runs: what each lost and how far it moved, and what each does when pruned alone."""

import statistics
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from apcli.figures.study import LayerValues
from apcli.stages.report.runs.experiment import Group, Run
from apcli.stages.report.runs.labels import label_of
from apcli.stages.report.runs.quantities import PD_LOSS
from apcli.stages.report.runs.trials import Trial

_LAYERS = 3


def layers_of(group: Group) -> tuple[LayerValues, ...]:
    """Sparsity and final divergences of each layer, means over the networks of a run; runs of several layers only."""
    made = []
    for run in group.runs:
        layers = dict.fromkeys(layer for trial in run.trials for layer in trial.by_layer)
        for layer in layers if len(layers) > 1 else ():
            values = [_of_layer(group, trial, layer) for trial in run.trials if layer in trial.by_layer]
            made.append(LayerValues(run.method, run.sparsity, layer, means_of(values)))
    return tuple(made)


def pruned_each(group: Group) -> tuple[Run, ...]:
    """The runs of networks that were pruned in one layer alone, of methods that did so in at least three layers."""
    trials = [trial for run in group.runs for trial in run.trials if trial.alone]
    methods = Counter(label for label, _ in {(label_of(trial, with_layers=False), trial.alone) for trial in trials})
    return tuple(
        run
        for run in group.runs
        if all(trial.alone and methods[label_of(trial, with_layers=False)] >= _LAYERS for trial in run.trials)
    )


def single_layers_of(group: Group, runs: Sequence[Run]) -> tuple[LayerValues, ...]:
    """The share of each layer in the sums of PD and divergences over the layers that a method pruned, each alone.

    A method is here without the layer in its name, and its sparsity is that of the layer.
    """
    found: dict[tuple[str, float | None], dict[str, list[Mapping[str, float]]]] = {}
    for trial in (trial for run in runs for trial in run.trials):
        key = str(label_of(trial, with_layers=False)), trial.requested
        found.setdefault(key, {}).setdefault(str(trial.alone), []).append(_of_network(group, trial))
    made = []
    for (label, sparsity), layers in found.items():
        means = {layer: means_of(values) for layer, values in layers.items()}
        sums = {name: sum(values.get(name, 0.0) for values in means.values()) for name in _names(means.values())}
        for layer, values in means.items():
            shares = {f"share of {name}": value / sums[name] for name, value in values.items() if sums[name] > 0}
            made.append(LayerValues(label, sparsity, layer, shares))
    return tuple(made)


def _of_layer(group: Group, trial: Trial, layer: str) -> dict[str, float]:
    known = trial.by_layer[layer]
    values = {measure.label: known.values.get(measure.key) for measure in group.measures}
    return {name: value for name, value in {"sparsity": known.actual, **values}.items() if value is not None}


def _of_network(group: Group, trial: Trial) -> dict[str, float]:
    values = {quantity.label: trial.final(quantity.key) for quantity in (*PD_LOSS, *group.measures)}
    return {name: value for name, value in values.items() if value is not None}


def means_of(values: Iterable[Mapping[str, float]]) -> dict[str, float]:
    """The mean of each name's values, over those that have it."""
    listed = list(values)
    return {name: statistics.fmean(v[name] for v in listed if name in v) for name in _names(listed)}


def _names(values: Iterable[Mapping[str, float]]) -> list[str]:
    return list(dict.fromkeys(name for one in values for name in one))
