"""Euclidean lengths that neither overflow nor underflow on the way."""

import math

import numpy as np


def euclidean(array: np.ndarray) -> float:
    """Euclidean length of a float64 array of any shape; it is scaled where its square is out of double's range."""
    flat = array.ravel()
    with np.errstate(over="ignore"):
        squared = float(flat @ flat)
    if 1e-280 < squared < math.inf:
        return math.sqrt(squared)
    largest = float(np.max(np.abs(flat), initial=0.0))
    return largest * float(np.linalg.norm(flat / largest)) if 0 < largest < math.inf else largest
