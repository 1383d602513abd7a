"""Decide which zeros of a file are a mask that training keeps: those promised; elsewhere all, unless few by chance.

A pruned network comes from anywhere: a safetensors file with or without a lineage, a state dict taken in by
``train --weights``, published weights, or a file of which one layer was pruned further here. All go by one rule.
"""

import logging

from apcli.checkpoints.checkpoint import Checkpoint
from apcli.checkpoints.layers import prunable
from apcli.checkpoints.promises import Promise
from apcli.words import few

log = logging.getLogger("apcli")

CHANCE = 0.01  # below this share of every layer's weights, zeros are taken for chance: those of rounding are far fewer


def promises_of(source: Checkpoint) -> dict[str, Promise]:
    """The pruned tensors and what is promised of each: what the lineage says, and of other layers their zeros.

    Where all of these have fewer than ``CHANCE``, they are none of a mask, and neither is a layer that is all zeros, as
    some networks begin: it would never learn. Both are said.
    """
    promised = dict(source.lineage.pruned)
    others = [layer for layer in prunable(source) if not promised.keys() & set(layer.tensors)]
    zeros = {layer: source.entries[layer.tensor].zeros for layer in others}
    blank = [layer.name for layer, count in zeros.items() if count == layer.size]
    masked = {layer: count for layer, count in zeros.items() if 0 < count < layer.size}
    if blank:
        log.info(
            "%s: all of %s is zero, which is taken for how it begins and not for a mask: it learns",
            source.label,
            few(blank),
        )
    if not masked:
        return promised
    total = f"{sum(masked.values()):,} zeros of {few([layer.name for layer in masked])}"
    if all(count < CHANCE * layer.size for layer, count in masked.items()):
        log.info(
            "%s: %s are taken for chance and not held (below %g %% of each layer): apcli prune --sparsity 0 holds them",
            source.label,
            total,
            100 * CHANCE,
        )
        return promised
    log.info("%s: %s are its mask, and stay", source.label, total)
    return promised | {layer.tensor: Promise(count, layer.size) for layer, count in masked.items()}
