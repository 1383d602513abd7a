"""Seeds of training's random draws: every epoch and every step has its own.

A step's draws depend on its number alone, so a resumed run needs no generator's state, and draws of one kind do not
shift those of another.
"""

from hashlib import blake2b

import torch
from torch import Generator, Tensor


def seed_of(*key: int | str) -> int:
    """A seed for ``key``, different from other keys' (32 bits of a hash)."""
    return int.from_bytes(blake2b(repr(key).encode(), digest_size=4).digest(), "little")


def order_of(count: int, seed: int, epoch: int) -> Tensor:
    """The order of ``count`` samples in an epoch, drawn on the CPU and so independent of the device."""
    return torch.randperm(count, generator=Generator().manual_seed(seed_of("order", seed, epoch)))
