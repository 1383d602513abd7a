"""Layer-adaptive magnitude pruning."""

import numpy as np


def lamp(weight: np.ndarray) -> np.ndarray:
    """Score w_u^2 / sum over v with |w_v| >= |w_u|, v not before u, of w_v^2: in (0, 1], and 1 for the largest.

    Takes floats of any shape; gives float64 of the same. Of equal magnitudes the one with the lower index comes first,
    so the scores of a layer's nonzero weights all differ, and the last one of each layer has score 1.

    Source: Lee et al. 2021, arXiv:2010.07611, equation (4). Within one layer the order is that of magnitude: it differs
    from it only across layers.
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
