"""A part of a set's training images, the same number of each class: whole studies with less computing."""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Generator, Tensor

from apcli.errors import UsageError


@dataclass(frozen=True, eq=False)
class Subset:
    """Stands in for a source of (image, label) pairs, with some of them.

    Args:
        source: all pairs, by index.
        chosen: the indices of those in the part, in its order.
        targets: their labels.
    """

    source: Any
    chosen: list[int]
    targets: list[int]

    def __len__(self) -> int:
        return len(self.chosen)

    def __getitem__(self, index: int) -> Any:
        return self.source[self.chosen[index]]


def balanced(labels: Tensor, images: int, name: str) -> Tensor:
    """The indices of ``images`` samples, in the order of ``labels``, the same number of each class that has enough.

    They are drawn by a seed of their own, so that runs of several seeds train on the same images; a smaller part lies
    within a larger one. What a class lacks, the others give.

    Args:
        labels: int64, [N].
        images: 0: all.
        name: the set's, for messages.

    Raises:
        UsageError: there are fewer images, or more classes.
    """
    if not images:
        return torch.arange(len(labels))
    counts = labels.bincount()
    classes = int(counts.count_nonzero())
    if images > len(labels):
        raise UsageError(f"--images {images}: {name} has {len(labels)} to train: give no more, or 0 for all")
    if images < classes:
        raise UsageError(f"--images {images}: {name} has {classes} classes: give at least one image for each")
    order = torch.randperm(len(labels), generator=Generator().manual_seed(0))
    by_class = order[labels[order].argsort(stable=True)]
    first = counts.cumsum(0) - counts
    turn = torch.arange(len(labels)) - first[labels[by_class]]  # 0 for the first image of each class, and so on
    return by_class[turn.argsort(stable=True)[:images]].sort().values
