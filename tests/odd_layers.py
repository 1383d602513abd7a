"""Layers and networks that no library brings."""

import torch
from torch import nn


class Cube(torch.autograd.Function):
    """x^3, by rules of its own."""

    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x**3

    @staticmethod
    def backward(ctx, gradient):
        (x,) = ctx.saved_tensors
        return 3 * x**2 * gradient


class Odd(nn.Module):
    """What fast ways cannot do: a derivative written by hand, a branch on the data, and an unused layer."""

    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(6, 4)
        self.last = nn.Linear(4, 3)
        self.unused = nn.Linear(2, 2)

    def forward(self, x):
        out = Cube.apply(self.fc(x))
        return self.last(out if float(x.detach().sum()) > 0 else out + 0.0)
