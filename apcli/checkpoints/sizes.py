"""The numbers of a checkpoint's parameters and of those removed: the only definition of *compression*.

Parameters are all numbers of the file except buffers; the zeros of layers' weights are the removed ones. A bias that
happens to be zero, like every bias of a new batch norm, was not removed and counts as kept, so a network that was never
pruned has compression 1. (ShrinkBench, Blalock et al. 2020, arXiv:2003.03033, uses the same ratio of all parameters to
the remaining ones, but counts every zero as removed.)
"""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from apcli.checkpoints.checkpoint import Checkpoint
from apcli.checkpoints.files.entries import Entry
from apcli.checkpoints.layers import every_layer, prunable
from apcli.checkpoints.tensor_names import is_auxiliary

# Types of indices, counters and switches, which no optimiser updates.
_COUNTING = ("BOOL", "I64")
# Buffers by the last part of their name: running statistics of norms; vectors of power iteration; masks; indices;
# observed ranges of activations; precomputed tables.
_BUFFER = re.compile(
    r"running_(mean|var)|num_batches_tracked|_u|_v|weight_u|(\w+_)?(mask|idxs?|ids|index|indices)"
    r"|(in|out)put_(min|max)|relative_coords_table|inv_freq|masked_bias"
)


@dataclass(frozen=True)
class Sizes:
    """The numbers of a model's parameters and of those removed."""

    parameters: int
    removed: int

    @property
    def kept(self) -> int:
        return self.parameters - self.removed

    @property
    def sparsity(self) -> float | None:
        """The removed share of all parameters; None without parameters."""
        return self.removed / self.parameters if self.parameters else None

    @property
    def compression(self) -> float | None:
        """All parameters divided by the kept ones; None if none is kept."""
        return self.parameters / self.kept if self.kept else None


def is_buffer(name: str, dtype: str) -> bool:
    """Whether a tensor of this name and safetensors dtype is a buffer instead of a parameter.

    Name and type decide, so the answer is the same whether or not the network is known.
    """
    return dtype in _COUNTING or _BUFFER.fullmatch(name.rpartition(".")[2]) is not None


def weights_of(checkpoint: Checkpoint) -> set[str]:
    """The tensors whose zeros count as removed: the layers' weights, and everything else that was pruned."""
    return {layer.tensor for layer in prunable(checkpoint)} | checkpoint.lineage.pruned.keys()


def counted(checkpoint: Checkpoint, entries: Mapping[str, Entry]) -> dict[str, Entry]:
    """The entries under a parameter's first name: tied weights are one parameter and count once.

    Auxiliary heads do not count (``tensor_names.is_auxiliary``) unless the network is known to use them.
    """
    if checkpoint.network_layers is None:
        entries = {name: entry for name, entry in entries.items() if not is_auxiliary(name)}
    again = {name for layer in every_layer(checkpoint) for name in layer.tied}
    return {name: entry for name, entry in entries.items() if name not in again}


def sizes(entries: Mapping[str, Entry], weights: Collection[str]) -> Sizes:
    """The sizes of the model with tensors ``entries``, of which ``weights`` may have lost parameters."""
    parameters = {name: entry for name, entry in entries.items() if not is_buffer(name, entry.dtype)}
    removed = sum(entry.zeros for name, entry in parameters.items() if name in weights and entry.is_float)
    return Sizes(sum(entry.size for entry in parameters.values()), removed)
