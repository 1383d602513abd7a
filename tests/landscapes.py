"""The last layer of a small network as a landscape of its own, beside its matrices: fixtures for conftest.py."""

import pytest
from last_layers import LastLayer
from measured_pairs import measured
from short_trainings import quiet

from apcli.stages.bounds.limit.theory import trained_of
from apcli.stages.limits.limits import Limits, Settings

SETTINGS = {"eps": "abs-0.02", "curvature": "gauss-newton", "steps": 40, "probes": 2}
SETTINGS |= {"damping": 1e-3, "adjust": 500, "within": 0.0}
OPTIONS = {"layers": "fc5", "split": "train", "images": 100}


@pytest.fixture(scope="module")
def pair(dense):
    """The dense file with itself."""
    return measured(dense, dense, **OPTIONS)


@pytest.fixture(scope="module")
def subject(pair):
    return trained_of(pair)


@pytest.fixture(scope="module")
def oracle(pair):
    return LastLayer(pair.on_data.dense, pair.on_data.dense.fc5, pair.on_data.batches)


@pytest.fixture(scope="module")
def limits_for(subject):
    """A function: the limits for some settings."""
    return lambda **changed: Limits(subject, Settings(**SETTINGS | changed), 0, quiet)


@pytest.fixture(scope="module")
def limits(limits_for):
    return limits_for()
