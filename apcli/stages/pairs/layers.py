"""The layers of a pair that are compared, and their tensors."""

from dataclasses import replace

from apcli.checkpoints.checkpoint import Checkpoint
from apcli.checkpoints.files.entries import Entry
from apcli.checkpoints.files.kept_channels import expanded
from apcli.checkpoints.layers import Layer, prunable, select
from apcli.errors import ApcliError, UsageError
from apcli.words import by


def compared_layers(dense: Checkpoint, pruned: Checkpoint, names: str | None, exclude: str | None) -> list[Layer]:
    """The layers to compare, by ``--layers`` and ``--exclude``; by default the lineage's pruned layers, or all.

    A layer of a compact file gets its shape in the dense file.

    Raises:
        UsageError: the dense file is pruned and the other is not, or a layer is unknown.
        ApcliError: a layer is missing in one file or has another shape; the message names the first difference.
    """
    if dense.lineage.pruned and not pruned.lineage.pruned:
        raise UsageError(f"{dense.label} is pruned and {pruned.label} is not: give the dense file first")
    layers = select(pruned, names or "all", exclude)
    promised = pruned.lineage.pruned
    if names is None and promised:
        layers = [layer for layer in layers if layer.tensor in promised]
    elif names is None and exclude is None:
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
            shapes = f"{by(entry.shape)} in {dense.label}, {by(layer.shape)} in {pruned.label}"
            hint = (
                "; the rows that the smaller layer has kept are not known" if _smaller(layer.shape, entry.shape) else ""
            )
            raise _mismatch(f"{layer.name} is {shapes}{hint}")
    return layers


def in_dense_shape(pruned: Checkpoint, layer: Layer, entry: Entry) -> Entry:
    """A layer's tensor in the dense shape, with zeros for channels that a compact file lacks."""
    if entry.shape == layer.shape:
        return entry
    try:
        return expanded(entry, pruned.lineage.kept[layer.tensor], layer.shape)
    except ApcliError as error:
        raise ApcliError(f"{pruned.label}: {layer.name}: {error}") from None


def _mismatch(difference: str) -> ApcliError:
    return ApcliError(f"layers do not match: {difference}: give two files of one network, or name layers with --layers")


def _smaller(shape: tuple[int, ...], dense: tuple[int, ...]) -> bool:
    return len(shape) == len(dense) and all(own <= full for own, full in zip(shape, dense, strict=True))
