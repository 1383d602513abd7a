"""Layer-adaptive magnitude pruning."""

import numpy as np


def lamp(weight: np.ndarray) -> np.ndarray:
    """Score w_u^2 / (sum of w_v^2 over all v not before u in ascending order of magnitude): in (0, 1], 1 the largest.

    Takes floats of any shape and returns float64 of the same shape. Equal magnitudes are ordered by index, so the
    scores of a layer's nonzero weights all differ, and the last weight of each layer has score 1.

    Source: Lee et al. 2021, arXiv:2010.07611, equation (4). Within a layer the order is that of magnitude; it differs
    only across layers.
    """
    squares = (
        weight.astype(np.float64).ravel() / max(float(np.abs(weight).max(initial=0)), np.finfo(np.float64).tiny)
    ) ** 2
    order = np.argsort(squares, kind="stable")
    rising = squares[order]
    at_least = np.cumsum(rising[::-1])[::-1]
    scores = np.empty_like(squares)
    with np.errstate(invalid="ignore"):
        scores[order] = np.where(rising > 0, rising / at_least, 0.0)
    return scores.reshape(weight.shape)
