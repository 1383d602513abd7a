"""Layers that no library brings."""

import torch


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
