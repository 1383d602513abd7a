"""Which files a pair is made of."""

from dataclasses import dataclass

from apcli.checkpoints.checkpoint import Checkpoint
from apcli.checkpoints.layers import Layer


@dataclass(frozen=True)
class Files:
    """The two files of a pair, and the layers that are compared."""

    dense: Checkpoint
    pruned: Checkpoint
    layers: tuple[Layer, ...]
