"""Criteria by the magnitudes of single weights. They return ranks (``apcli.selection``): lowest are removed first."""

import numpy as np


def lowest(magnitude: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """Rank by |w|: remove the weights nearest to zero first (Han et al. 2015, arXiv:1506.02626).

    Takes the bits of |w| as unsigned integers of any shape, and returns ranks of the same type and shape.
    """
    return magnitude


def highest(magnitude: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """Rank by -|w|: remove the largest weights first (arXiv:2403.00155, section 5); the others stay bit-identical.

    The paper's released code also overwrites the weights that it keeps.
    """
    largest = magnitude.dtype.type(np.iinfo(magnitude.dtype).max >> 1)  # above the bits of every finite number
    ranks: np.ndarray = (largest - magnitude) * (magnitude != 0)
    return ranks


def random(magnitude: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """Rank by independent uniform draws, uint32, which compare across layers of any size.

    A random order within each layer would not: under a global scope it would empty the small layers first.
    """
    draws = generator.integers(1, 1 << 32, magnitude.shape, np.uint32)
    ranks: np.ndarray = draws * (magnitude != 0)
    return ranks
