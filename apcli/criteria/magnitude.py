"""Magnitude criteria."""

import numpy as np


def lowest(weight: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """Score |w|: the weights nearest to zero go first (Han et al. 2015, arXiv:1506.02626).

    The sign never matters. Takes and returns float arrays of any one shape; ``weight`` is left as it is.
    """
    return np.abs(weight)


def highest(weight: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """Score -|w|: the largest weights go first (arXiv:2403.00155, section 5), every other weight stays bit-identical.

    The paper's released code also overwrites the weights it keeps; this does not.
    """
    return -np.abs(weight)
