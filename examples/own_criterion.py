"""A criterion of one's own: apcli prune model.safetensors --method own_criterion.py:for_its_unit --sparsity 0.5"""

import numpy as np


def for_its_unit(weight: np.ndarray, *, power: float = 1.0) -> np.ndarray:
    """Score |w| divided by the mean |w| of its output unit, to a power; larger = keep."""
    size = np.abs(weight)
    mean = size.mean(axis=tuple(range(1, weight.ndim)), keepdims=True)
    return (size / (mean + 1e-12)) ** power
