"""Where training's draws come from: every epoch and every step has a seed of its own.

So what a step draws depends on its number alone: a run that is taken up again needs no state of a generator, and no
draw of one kind shifts those of another.
"""

from hashlib import blake2b

import torch
from torch import Generator, Tensor


def seed_of(*key: int | str) -> int:
    """A seed for what ``key`` names, unlike that of any other key."""
    return int.from_bytes(blake2b(repr(key).encode(), digest_size=4).digest(), "little")


def order_of(count: int, seed: int, epoch: int) -> Tensor:
    """The order in which an epoch takes ``count`` samples, on the CPU: the same whatever the device."""
    return torch.randperm(count, generator=Generator().manual_seed(seed_of("order", seed, epoch)))
