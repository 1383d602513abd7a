"""Criteria of single weights' magnitudes. They give ranks, see ``apcli.selection``: lower goes first, 0 is a zero."""

import numpy as np


def lowest(magnitude: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """Rank by |w|: the weights nearest to zero go first (Han et al. 2015, arXiv:1506.02626).

    Takes the bits of |w| as unsigned integers of any shape, and returns ranks of the same type and shape.
    """
    return magnitude


def highest(magnitude: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """Rank by -|w|: the largest weights go first (arXiv:2403.00155, section 5), every other weight stays bit-identical.

    The paper's released code also overwrites the weights it keeps; this does not.
    """
    largest = magnitude.dtype.type(np.iinfo(magnitude.dtype).max >> 1)  # above the bits of every finite number
    ranks: np.ndarray = (largest - magnitude) * (magnitude != 0)
    return ranks


def random(magnitude: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """Rank by independent uniform draws, uint32, so that ranks compare across layers of any size.

    Order numbers within a layer would not: under a global scope they empty the small layers first.
    """
    draws = generator.integers(1, 1 << 32, magnitude.shape, np.uint32)
    ranks: np.ndarray = draws * (magnitude != 0)
    return ranks
