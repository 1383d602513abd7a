"""What the layers of both networks compute, as records say it."""

import logging
from collections.abc import Sequence

from apcli.checkpoints.checkpoint import Checkpoint
from apcli.checkpoints.layers import Layer
from apcli.records.behaviour import Compared, Features, LayerFeatures
from apcli.stages.behaviour.networks import Runs
from apcli.words import few

log = logging.getLogger("apcli")


def features(runs: Runs, dense: Checkpoint, pruned: Checkpoint, layers: Sequence[Layer]) -> Features | None:
    """Compare the outputs of these layers; None where none can be.

    Raises:
        UsageError: there are fewer than 4 images.
    """
    found = runs.features(dense, pruned, [layer.tensor for layer in layers])
    names = {layer.tensor: layer.name for layer in layers}
    if found.left_out:
        said = few([f"{names[tensor]} {reason}" for tensor, reason in found.left_out.items()])
        log.warning("features of %s leave out layers: %s", pruned.label, said)
    if not found.layers:
        return None
    dependence, count = found.minibatches.nhsic, len(found.layers)
    before, after = slice(2, 2 + count), slice(2 + count, None)
    rows = []
    for place, (tensor, layer) in enumerate(found.layers.items()):
        own, other = 2 + place, 2 + count + place
        rows.append(
            LayerFeatures(
                layer=names[tensor],
                cka=float(dependence[own, other]),
                change=layer.relative,
                dead_units=Compared(layer.dense.dead_units, layer.pruned.dead_units),
                dead_channels=Compared(layer.dense.dead_channels, layer.pruned.dead_channels),
                with_images=Compared(float(dependence[own, 0]), float(dependence[other, 0])),
                with_labels=Compared(float(dependence[own, 1]), float(dependence[other, 1])),
                dense_layers=tuple(dependence[own, before].tolist()),
                pruned_layers=tuple(dependence[other, after].tolist()),
            )
        )
    return Features(found.images, found.size, tuple(rows))
