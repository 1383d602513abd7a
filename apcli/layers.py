"""Which tensors of a checkpoint are prunable layers, and which of them an option selects."""

import fnmatch
import re
from collections.abc import Iterable
from dataclasses import dataclass

from apcli.checkpoints import Checkpoint
from apcli.errors import UsageError
from apcli.registry import split_list
from apcli.words import few

# Matched against the module that owns a ``.weight`` (``word_embeddings``, ``norm1``), or the parameter's own name
# (``pos_embed``, ``cls_token``): so ``patch_embed.proj.weight``, a convolution, stays prunable.
_NOT_PRUNABLE = re.compile(
    r"(^|_)(bias|gamma|beta|scale|(\w*_)?tokens?|embed|embeddings?|shared|wte|wpe|pos|position(_ids)?|bn|ln)\d*(_|$)"
    r"|(^|_)(\w*)norm\d*(_|$)|^running_|_bias_table$"
)


@dataclass(frozen=True)
class Layer:
    """A prunable weight: ``name`` as a user says it (``fc``), ``tensor`` as the file has it (``fc.weight``)."""

    name: str
    tensor: str
    shape: tuple[int, ...]

    @property
    def size(self) -> int:
        size = 1
        for extent in self.shape:
            size *= extent
        return size


def layer_name(tensor: str) -> str:
    return tensor.removesuffix(".weight")


def is_prunable(tensor: str, dimensions: int) -> bool:
    """Whether a floating-point tensor is a weight of two or more dimensions that is no norm and no embedding."""
    return dimensions >= 2 and not _NOT_PRUNABLE.search(layer_name(tensor).rpartition(".")[2].lower())


def prunable(checkpoint: Checkpoint) -> list[Layer]:
    """The prunable layers, in the file's order."""
    return [
        Layer(layer_name(name), name, entry.shape)
        for name, entry in checkpoint.entries.items()
        if entry.is_float and entry.size and is_prunable(name, len(entry.shape))
    ]


def select(checkpoint: Checkpoint, include: str, exclude: str | None = None, option: str = "--layers") -> list[Layer]:
    """The layers that ``--layers`` and ``--exclude`` mean: comma lists of ``all``, ``last``, names and globs.

    Raises:
        UsageError: a pattern matches no prunable layer, nothing is left, or the last layer is not known.
    """
    layers = prunable(checkpoint)
    if not layers:
        raise UsageError(
            f"{checkpoint.label} has no prunable layer: expected a floating-point weight of 2 or more dimensions"
        )
    chosen = _matching(checkpoint, layers, include, option)
    if exclude is not None:
        unwanted = _matching(checkpoint, layers, exclude, "--exclude")
        chosen = chosen - unwanted
    if not chosen:
        raise UsageError(f"--exclude {exclude} leaves no layer of {option} {include}: expected at least one")
    return [layer for layer in layers if layer in chosen]


def _matching(checkpoint: Checkpoint, layers: list[Layer], patterns: str, option: str) -> set[Layer]:
    chosen: set[Layer] = set()
    for pattern in split_list(patterns, "layer"):
        if pattern == "all":
            found = set(layers)
        elif pattern == "last":
            found = {_last(checkpoint, layers, option)}
        else:
            found = {layer for layer in layers if _matches(layer, pattern)}
        if not found:
            raise UsageError(f"{option} {pattern}: no such layer in {checkpoint.label}: it has {listing(layers)}")
        chosen |= found
    return chosen


def _matches(layer: Layer, pattern: str) -> bool:
    return any(name == pattern or fnmatch.fnmatchcase(name, pattern) for name in (layer.name, layer.tensor))


def _last(checkpoint: Checkpoint, layers: list[Layer], option: str) -> Layer:
    """The layer that the lineage calls last: a file alone does not say in which order its tensors are used."""
    named = ((checkpoint.lineage or {}).get("model") or {}).get("last")
    for layer in layers:
        if layer.tensor == named:
            return layer
    if len(layers) == 1:
        return layers[0]
    raise UsageError(
        f"{option} last: {checkpoint.label} does not say which layer is last: name one of {listing(layers)}"
    )


def listing(layers: Iterable[Layer]) -> str:
    return few([layer.name for layer in layers], 10)
