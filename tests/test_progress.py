"""The line of progress, by a clock of its own."""

import pytest

from apcli import progress
from apcli.progress import Pace, in_time


@pytest.fixture
def clock(monkeypatch):
    now = [100.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    return now


def test_rate_and_time_left_are_of_the_steps_since_the_first(clock):
    said = []
    line = Pace(lambda text, share=None: said.append((text, share)), "a.safetensors", epochs=4)
    for step in range(1, 5):
        line.step(0, step / 10, 50)
        clock[0] += 0.5
    assert said[0] == ("a.safetensors: epoch 1/4", 0.025)
    # three steps of 50 images took 1.5 s until the last was over; 36 of 40 are left at three in 1.5 s
    assert said[-1] == ("a.safetensors: epoch 1/4, 100 images/s, 18 s left", 0.1)


def test_it_speaks_now_and_then_only(clock):
    said = []
    line = Pace(lambda text, share=None: said.append(text), "a", epochs=1)
    for step in range(1, 1001):
        line.step(0, step / 1000, 1)
        clock[0] += 0.001
    assert 4 <= len(said) <= 7


def test_without_a_listener_nothing_is_done(monkeypatch):
    monkeypatch.setattr(progress.time, "monotonic", None)
    assert Pace().step(0, 0.5, 10) is None
    assert Pace().say("nobody hears") is None


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.4, "0 s"), (59, "59 s"), (61, "1 min 01 s"), (3599.7, "1 h 00 min"), (7500, "2 h 05 min")]
)
def test_time_in_words(seconds, text):
    assert in_time(seconds) == text
