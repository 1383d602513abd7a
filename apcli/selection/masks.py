"""Masks: bool arrays, True = kept."""

import numpy as np


def keep_highest(scores: np.ndarray, removed: int) -> np.ndarray:
    """Remove exactly the ``removed`` lowest scores; equal scores are removed in the order of their index.

    Args:
        scores: [n], no NaN; larger means keep.
        removed: 0 <= removed <= n.

    Returns:
        bool [n], True = kept. One partial selection, O(n), never a full sort.
    """
    if not 0 <= removed <= scores.size:
        raise ValueError(f"cannot remove {removed} of {scores.size} weights")
    if removed == 0:
        return np.ones(scores.size, bool)
    threshold = np.partition(scores, removed - 1)[removed - 1]
    kept = scores >= threshold
    ties = np.flatnonzero(scores == threshold)
    kept[ties[: removed - (scores.size - np.count_nonzero(kept))]] = False
    return kept
