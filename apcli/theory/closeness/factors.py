"""Steps of a network that are the same in its pruned copy: activations and pools.

A step whose Lipschitz constant depends on the data, as of layer norm or attention, has none.
"""

import math
from collections.abc import Sequence

import numpy as np

from apcli.theory.closeness.propagation import Layer

# Lipschitz constants and values at 0, with the default parameters of PyTorch's functions of these names.
ACTIVATIONS = {
    "identity": (1.0, 0.0),
    "relu": (1.0, 0.0),
    "relu6": (1.0, 0.0),
    "leaky_relu": (1.0, 0.0),
    "elu": (1.0, 0.0),
    "selu": (1.7580993408473769, 0.0),
    "tanh": (1.0, 0.0),
    "hardtanh": (1.0, 0.0),
    "softsign": (1.0, 0.0),
    "sigmoid": (0.25, 0.5),
    "hardsigmoid": (1 / 6, 0.5),
    "softplus": (1.0, math.log(2)),
    "gelu": (1.1290, 0.0),
    "silu": (1.0999, 0.0),
    "mish": (1.0885, 0.0),
    "hardswish": (1.5, 0.0),
}


def activation(name: str, width: int) -> Layer:
    """An activation function of ``width`` numbers, by its name in ``torch.nn.functional``.

    Raises:
        ValueError: its Lipschitz constant is not known here.
    """
    if name not in ACTIVATIONS:
        raise ValueError(f"no Lipschitz constant is known of {name}: expected one of {', '.join(ACTIVATIONS)}")
    lipschitz, at_zero = ACTIVATIONS[name]
    return Layer(1.0, 1.0, 0.0, lipschitz=lipschitz, at_zero=at_zero * math.sqrt(width))


def max_pool(copies: int) -> Layer:
    """Maxima over windows, of which each pixel is in ``copies`` or fewer: sqrt(copies).

    ``copies`` are those of ``Sliding``: 1 where windows do not overlap. Proof: two maxima over one window are no
    further apart than the window's pixels are.
    """
    return Layer.fixed(math.sqrt(copies))


def average_pool(
    image: Sequence[int],
    window: Sequence[int],
    stride: Sequence[int],
    padding: Sequence[int],
    padding_counts: bool = True,
) -> Layer:
    """Means over windows, the exact norm: 1 / sqrt(pixels of a window) where windows do not overlap.

    Args:
        image: input size in pixels, in each dimension.
        window: size, in each dimension; ``stride`` and ``padding`` likewise. The last windows do not run over the end.
        stride: step between windows.
        padding: zeros at either end.
        padding_counts: whether the zeros are part of the mean.
    """
    matrices = []
    for n, k, s, p in zip(image, window, stride, padding, strict=True):
        starts = np.arange(0, n + 2 * p - k + 1, s)[:, None] - p
        inside = (np.arange(n) >= starts) & (np.arange(n) < starts + k)
        matrices.append(inside / (k if padding_counts else inside.sum(axis=1, keepdims=True)))
    return _of_each_dimension(matrices)


def adaptive_average_pool(image: Sequence[int], output: Sequence[int]) -> Layer:
    """Means over windows from floor(i n / m) to ceil((i + 1) n / m), output i of m, the exact norm."""
    matrices = []
    for n, m in zip(image, output, strict=True):
        places = np.arange(m)[:, None]
        inside = (np.arange(n) >= places * n // m) & (np.arange(n) < -(-(places + 1) * n // m))
        matrices.append(inside / inside.sum(axis=1, keepdims=True))
    return _of_each_dimension(matrices)


def _of_each_dimension(matrices: Sequence[np.ndarray]) -> Layer:
    """The map that is a product of one for each dimension, and has the product of their norms."""
    return Layer.fixed(math.prod(float(np.linalg.norm(matrix, 2)) for matrix in matrices))
