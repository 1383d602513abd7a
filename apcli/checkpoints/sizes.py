"""How many parameters a checkpoint has, and how many of them were removed: what *compression* is, here only.

Parameters are all numbers of the file but buffers, and removed are the zeros of layers' weights. A bias that is zero by
itself, as every bias of a new batch norm is, was not removed: it counts as kept. So a network that nobody pruned has
compression 1 from its first day on. (ShrinkBench, Blalock et al. 2020, arXiv:2003.03033, has the same ratio of all
parameters to those that are left, and takes any zero for a removed one.)
"""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from apcli.checkpoints.checkpoint import Checkpoint
from apcli.checkpoints.files.entries import Entry
from apcli.checkpoints.layers import every_layer, prunable
from apcli.checkpoints.tensor_names import is_auxiliary

# Types of indices, counters and switches: no optimiser steps through them.
_COUNTING = ("BOOL", "I64")
# What modules keep beside their parameters, by the last part of its name: running statistics of norms; vectors of power
# iteration; masks; indices; observed ranges of activations; tables that are computed once.
_BUFFER = re.compile(
    r"running_(mean|var)|num_batches_tracked|_u|_v|weight_u|(\w+_)?(mask|idxs?|ids|index|indices)"
    r"|(in|out)put_(min|max)|relative_coords_table|inv_freq|masked_bias"
)


@dataclass(frozen=True)
class Sizes:
    """The number of a model's parameters, and of those that were removed."""

    parameters: int
    removed: int

    @property
    def kept(self) -> int:
        return self.parameters - self.removed

    @property
    def sparsity(self) -> float | None:
        """The removed share of all parameters; None where there is none."""
        return self.removed / self.parameters if self.parameters else None

    @property
    def compression(self) -> float | None:
        """Parameters over those that are kept; None where none is."""
        return self.parameters / self.kept if self.kept else None


def is_buffer(name: str, dtype: str) -> bool:
    """Whether a tensor of this name and safetensors dtype is no parameter but what a module keeps beside them.

    Told by name and type, so a file alone and a file whose network is known say the same.
    """
    return dtype in _COUNTING or _BUFFER.fullmatch(name.rpartition(".")[2]) is not None


def weights_of(checkpoint: Checkpoint) -> set[str]:
    """The tensors whose zeros are removed parameters: the layers' weights, and whatever else was pruned."""
    return {layer.tensor for layer in prunable(checkpoint)} | checkpoint.lineage.pruned.keys()


def counted(checkpoint: Checkpoint, entries: Mapping[str, Entry]) -> dict[str, Entry]:
    """Those of ``entries`` that are a parameter's first name: tied weights are one parameter, and count once.

    Auxiliary heads are no part of the network (``tensor_names.is_auxiliary``) unless it is known to use them.
    """
    if checkpoint.network_layers is None:
        entries = {name: entry for name, entry in entries.items() if not is_auxiliary(name)}
    again = {name for layer in every_layer(checkpoint) for name in layer.tied}
    return {name: entry for name, entry in entries.items() if name not in again}


def sizes(entries: Mapping[str, Entry], weights: Collection[str]) -> Sizes:
    """The sizes of the model whose tensors are ``entries``, of which ``weights`` can have lost parameters."""
    parameters = {name: entry for name, entry in entries.items() if not is_buffer(name, entry.dtype)}
    removed = sum(entry.zeros for name, entry in parameters.items() if name in weights and entry.is_float)
    return Sizes(sum(entry.size for entry in parameters.values()), removed)
