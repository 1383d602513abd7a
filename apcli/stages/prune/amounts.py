"""How sparse: of the weights in scope, and of the whole model."""

import logging
from collections.abc import Mapping, Sequence

import numpy as np

from apcli.checkpoints.checkpoint import Checkpoint
from apcli.checkpoints.files.entries import Entry
from apcli.checkpoints.layers import Layer
from apcli.checkpoints.network_layers import WEIGHT_NORM
from apcli.checkpoints.promises import Promise
from apcli.checkpoints.sizes import counted, sizes, weights_of
from apcli.errors import UsageError
from apcli.words import count

log = logging.getLogger("apcli")


def share_of_compression(source: Checkpoint, layers: Sequence[Layer], compression: float) -> float:
    """The sparsity of ``layers`` that leaves 1 of ``compression`` of the model's parameters (``checkpoints.sizes``).

    Raises:
        UsageError: the layers cannot give that compression.
    """
    found = sizes(counted(source, source.entries), weights_of(source))
    total, scope = found.parameters, sum(layer.size for layer in layers)
    outside = found.removed - sum(source.entries[layer.tensor].zeros for layer in layers)
    wanted = total - round(total / compression) - outside
    if not 0 <= wanted < scope:
        most = total / max(1, total - outside - scope + 1)
        raise UsageError(
            f"--compression {compression:g} cannot be reached: the chosen layers of {source.label} have {scope} of its "
            f"{total} parameters, so at most {most:.4g}: choose less, or more layers"
        )
    return wanted / scope


def check_lengths(label: str, layers: Sequence[Layer], entries: Mapping[str, Entry]) -> None:
    """Refuse to take all weights of a row that weight norm divides by its length, which would be 0.

    Raises:
        UsageError: a row would be all zeros.
    """
    for layer in layers:
        if layer.through != WEIGHT_NORM:
            continue
        stem = layer.tensor.removesuffix("1")
        lengths = entries[f"{stem}0" if stem != layer.tensor else f"{layer.tensor.removesuffix('_v')}_g"]
        dims = tuple(dim for dim in range(len(layer.shape)) if lengths.size == 1 or lengths.shape[dim] == 1)
        empty = int(np.count_nonzero(~entries[layer.tensor].values.any(axis=dims)))
        if empty:
            raise UsageError(
                f"{label}: {count(empty, 'row')} of {layer.name} would lose all weights, and weight norm divides by "
                "the length of each: choose a lower sparsity, --scope output, or --structure n:m"
            )


def tell(label: str, promises: Mapping[str, Promise], entries: Mapping[str, Entry], source: Checkpoint) -> None:
    """Both ways to say how sparse the result is: over the weights in scope, and over the whole model."""
    zeros = sum(p.zeros for p in promises.values())
    size = sum(p.size for p in promises.values())
    found = sizes(counted(source, entries), weights_of(source) | promises.keys())
    log.info(
        "%s: %d of %d weights in %s are zero (sparsity %.6g); of the model's %d parameters %d are kept "
        "(sparsity %.6g, compression %s)",
        *(label, zeros, size, count(len(promises), "layer"), zeros / max(1, size)),
        *(found.parameters, found.kept, found.sparsity or 0),
        "infinite" if found.compression is None else f"{found.compression:.4g}",
    )
