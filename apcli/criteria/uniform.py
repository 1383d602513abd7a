"""The random control."""

import numpy as np


def random(weight: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """Score by independent uniform draws, so that scores compare across layers of any size.

    Ranks within a layer would not: under a global scope they empty the small layers first.
    """
    return generator.random(weight.shape)
