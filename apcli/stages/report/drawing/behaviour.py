"""What pruned networks do otherwise, as figures draw it."""

import statistics
from collections.abc import Callable, Sequence

from apcli.figures.study import PlottedBehaviour
from apcli.records.behaviour import BehaviourRecord, Confidence, NetworkCalibration
from apcli.stages.report.comparisons.behaviour import Behaved, behaved
from apcli.stages.report.drawing.layers import means_of
from apcli.stages.report.runs.experiment import Group


def plotted_behaviours(group: Group) -> tuple[PlottedBehaviour, ...]:
    """The files of each method and sparsity; of several splits, those of the first."""
    found = behaved(group)
    return tuple(_plotted(one) for one in found if one.split == found[0].split)


def _plotted(one: Behaved) -> PlottedBehaviour:
    mapped = next((record for record in one.records if record.features), None)
    layers = mapped.features.layers if mapped and mapped.features else ()
    return PlottedBehaviour(
        one.method,
        one.sparsity,
        means_of(
            {c.name or str(c.label): c.change.value for c in record.predictions.classes} for record in one.records
        ),
        _errors(one.records, lambda network: network.own),
        _errors(one.records, lambda network: network.scaled),
        means_of({layer.layer: layer.cka for layer in r.features.layers} for r in one.records if r.features),
        tuple(layer.dense_layers for layer in layers),
        tuple(layer.pruned_layers for layer in layers),
    )


def _errors(
    records: Sequence[BehaviourRecord], of: Callable[[NetworkCalibration], Confidence | None]
) -> tuple[float, float] | None:
    known = [(of(r.calibration.dense), of(r.calibration.pruned)) for r in records if r.calibration]
    pairs = [(dense.ece.value, pruned.ece.value) for dense, pruned in known if dense and pruned]
    if not pairs:
        return None
    dense, pruned = zip(*pairs, strict=True)
    return statistics.fmean(dense), statistics.fmean(pruned)
