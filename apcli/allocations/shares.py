"""One sparsity for every layer, or one for all together: exactly round(s * n) weights go, n the size in scope."""

from collections.abc import Sequence

import numpy as np

from apcli.masks import keep_highest


def per_layer(scores: Sequence[np.ndarray], sparsity: float) -> list[np.ndarray]:
    """Rank within each layer. ``scores``: one [n_l] array per layer; returns bool masks of the same shapes."""
    return [keep_highest(layer, round(sparsity * layer.size)) for layer in scores]


def over_all(scores: Sequence[np.ndarray], sparsity: float) -> list[np.ndarray]:
    """Rank the layers as one vector, in the given order."""
    pooled = np.concatenate(scores)
    mask = keep_highest(pooled, round(sparsity * pooled.size))
    return np.split(mask, np.cumsum([layer.size for layer in scores])[:-1])
