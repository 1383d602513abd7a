"""A pair of which half of the last two layers is removed, with its images, described once."""

import pytest
from measured_pairs import measured

from apcli.stages.bounds.probabilistic.subject import Settings, ball_of, subject

SETTINGS = Settings(eps=0.5, delta=0.05, beta=0.05, draws=20, radius=0.0, shuffles=19)


@pytest.fixture(scope="module")
def settings():
    return SETTINGS


@pytest.fixture(scope="module")
def pair(dense, pruned):
    return measured(dense, pruned, images=40)


@pytest.fixture(scope="module")
def found(pair):
    return subject(pair, SETTINGS, ball_of(pair.on_data, 0.0))
