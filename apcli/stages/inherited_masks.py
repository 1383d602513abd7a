"""Decide which zeros of a file are a mask that training keeps: the promised ones, and others unless they are few.

A pruned network may be a safetensors file with or without a lineage, a state dict given to ``train --weights``,
published weights, or a file of which one layer was pruned further by apcli. One rule serves all of them.
"""

import logging

from apcli.checkpoints.checkpoint import Checkpoint
from apcli.checkpoints.layers import prunable
from apcli.checkpoints.promises import Promise
from apcli.words import few

log = logging.getLogger("apcli")

CHANCE = 0.01  # of a layer's weights: fewer zeros are taken for chance, although rounding causes far fewer


def promises_of(source: Checkpoint) -> dict[str, Promise]:
    """The promises of the pruned tensors: the lineage's, and for other layers the zeros that they have.

    Zeros are no mask if every such layer has fewer than ``CHANCE``. Neither is a layer of zeros alone, as some networks
    start: it would never learn. Both cases are logged.
    """
    promised = dict(source.lineage.pruned)
    others = [layer for layer in prunable(source) if not promised.keys() & set(layer.tensors)]
    zeros = {layer: source.entries[layer.tensor].zeros for layer in others}
    blank = [layer.name for layer, count in zeros.items() if count == layer.size]
    masked = {layer: count for layer, count in zeros.items() if 0 < count < layer.size}
    if blank:
        log.info(
            "%s: all of %s is zero, which is taken for its initial value and not for a mask: it learns",
            source.label,
            few(blank),
        )
    if not masked:
        return promised
    total = f"{sum(masked.values()):,} zeros of {few([layer.name for layer in masked])}"
    if all(count < CHANCE * layer.size for layer, count in masked.items()):
        log.info(
            "%s: %s are taken for chance and not kept (below %g %% of each layer): apcli prune --sparsity 0 keeps them",
            source.label,
            total,
            100 * CHANCE,
        )
        return promised
    log.info("%s: %s are its mask, and are kept", source.label, total)
    return promised | {layer.tensor: Promise(count, layer.size) for layer, count in masked.items()}
