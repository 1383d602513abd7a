"""Refuse to prune layers that start all zero, as some networks' heads do: their masks could not be recognised."""

from collections.abc import Iterable

from apcli.checkpoints.checkpoint import Checkpoint
from apcli.checkpoints.files.entries import Entry
from apcli.checkpoints.layers import Layer, layer_name
from apcli.errors import UsageError
from apcli.words import MANY, few

_GLANCE = 4096  # elements that almost always show that a tensor is not all zero


def check_masks_can_be_told(layers: Iterable[Layer], source: Checkpoint, rewound: Checkpoint | None) -> None:
    """Refuse layers that are all zero though not pruned: zeros count as removed, so the kept weights would too.

    Args:
        layers: the layers to be masked.
        rewound: the file whose values the kept weights get; None: ``source``'s own.

    Raises:
        UsageError: there are such layers; the message says how to leave them out.
    """
    masked, pruned = [layer.tensor for layer in layers], source.lineage.pruned
    if rewound is not None:
        held = dict.fromkeys([*masked, *pruned])
        zero = [x for x in held if _is_zero(rewound.entries[x]) and not _is_zero(source.entries[x])]
        where, remedy = f"--rewind-to {rewound.label}", "rewind to a later file"
    elif source.lineage.is_known:  # without a lineage, a layer may have been pruned elsewhere
        zero = [x for x in masked if x not in pruned and _is_zero(source.entries[x])]
        where, remedy = source.label, "train it first, prune while training (finetune --sparsity)"
    else:
        return
    if zero:
        names = [layer_name(tensor) for tensor in zero]
        verb = "is" if len(names) == 1 else "are"
        raise UsageError(
            f"{where}: {few(names)} {verb} all zero, like layers that start at zero, so kept weights would count as "
            f"removed: {remedy}, or leave these layers dense with --exclude {','.join(names[:MANY])}"
        )


def _is_zero(entry: Entry) -> bool:
    glance = min(_GLANCE, entry.size)
    return entry.size > 0 and not (entry.run(0, glance) != 0).any() and entry.zeros == entry.size
