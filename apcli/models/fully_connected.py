"""Fully connected ReLU networks: flattened image, narrowing hidden layers, one output per class."""

import math
from itertools import pairwise

from torch import Tensor, nn

FC5_HIDDEN = (1000, 600, 300, 100)
FC12_HIDDEN = (1000, 900, 800, 750, 700, 650, 600, 500, 400, 200, 100)


class FullyConnected(nn.Module):
    """Linear layers ``fc1`` … with ReLU between them; biases start at 0, weights Kaiming-normal (fan in).

    Takes images (n, channels, height, width) of ``input_size``; returns logits (n, num_classes).
    """

    def __init__(self, input_size: tuple[int, int, int], hidden: tuple[int, ...], num_classes: int) -> None:
        super().__init__()
        widths = (math.prod(input_size), *hidden, num_classes)
        self.depth = len(widths) - 1
        for index, (fan_in, fan_out) in enumerate(pairwise(widths), start=1):
            layer = nn.Linear(fan_in, fan_out)
            nn.init.kaiming_normal_(layer.weight)
            nn.init.zeros_(layer.bias)
            self.add_module(f"fc{index}", layer)

    def forward(self, images: Tensor) -> Tensor:
        out = images.flatten(1)
        for index in range(1, self.depth):
            out = self.get_submodule(f"fc{index}")(out).relu()
        logits: Tensor = self.get_submodule(f"fc{self.depth}")(out)
        return logits


def fc5(num_classes: int, input_size: tuple[int, int, int]) -> FullyConnected:
    """FC5 of arXiv:2306.05857: 3072-1000-600-300-100-10 on CIFAR-10, 3.883 M weights."""
    return FullyConnected(input_size, FC5_HIDDEN, num_classes)


def fc12(num_classes: int, input_size: tuple[int, int, int]) -> FullyConnected:
    """FC12 of arXiv:2306.05857: twelve layers, 7.263 M weights on CIFAR-10 (widths as in the authors' release)."""
    return FullyConnected(input_size, FC12_HIDDEN, num_classes)
