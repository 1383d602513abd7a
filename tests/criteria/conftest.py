"""Weights that the criteria for single weights share."""

import numpy as np
import pytest


@pytest.fixture(params=[np.float16, np.float32, np.float64], ids=["F16", "F32", "F64"])
def odd_weights(request: pytest.FixtureRequest) -> np.ndarray:
    """Both zeros, equal magnitudes, and both ends of what the type holds."""
    tiny, large = np.finfo(request.param).smallest_subnormal, np.finfo(request.param).max
    return np.array([[0, -0.0, 1, -1, 0.5], [tiny, -tiny, large, -large, 0.5]], request.param)
