"""Layers that start all zero, as some networks' heads do: zeros count as removed, so a mask could not be recognised."""

from collections.abc import Iterable

from apcli.checkpoints.checkpoint import Checkpoint
from apcli.checkpoints.files.entries import Entry
from apcli.checkpoints.layers import Layer, layer_name
from apcli.errors import UsageError
from apcli.words import MANY, few

_GLANCE = 4096  # elements that almost always show that a tensor is not all zero


def check_masks_can_be_told(layers: Iterable[Layer], source: Checkpoint, rewound: Checkpoint | None) -> None:
    """Refuse layers whose values are all zero without having been pruned: zeros are removed, and all of it would be.

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
    elif source.lineage.is_known:  # what a file without one holds may have been pruned anywhere
        zero = [x for x in masked if x not in pruned and _is_zero(source.entries[x])]
        where, remedy = source.label, "train it first, prune while training (finetune --sparsity)"
    else:
        return
    if zero:
        names = [layer_name(tensor) for tensor in zero]
        raise UsageError(
            f"{where}: {few(names)} {'is' if len(names) == 1 else 'are'} all zero there, as layers that start at zero "
            f"are, so that kept weights would count as removed: {remedy}, or leave dense what starts at zero, with "
            f"--exclude {','.join(names[:MANY])}"
        )


def _is_zero(entry: Entry) -> bool:
    glance = min(_GLANCE, entry.size)
    return entry.size > 0 and not (entry.run(0, glance) != 0).any() and entry.zeros == entry.size
