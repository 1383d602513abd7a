"""Three matrices of a network that anybody can write down."""

import math

import numpy as np
import pytest


@pytest.fixture(scope="session")
def weights() -> list[np.ndarray]:
    """W[i, j] = sin(c (i m + j + 1)^1.5) / sqrt(m) of shapes [n, m], in the order in which inputs meet them."""
    shapes = ((40, 30, 0.7), (40, 40, 1.1), (10, 40, 0.3))
    return [np.sin(c * np.arange(1.0, n * m + 1) ** 1.5).reshape(n, m) / math.sqrt(m) for n, m, c in shapes]
