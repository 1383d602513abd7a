"""The line of progress, by a clock of its own."""

import pytest

from apcli import progress
from apcli.progress import Pace, Progress, Status, in_time


@pytest.fixture
def clock(monkeypatch):
    now = [100.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    return now


def test_rate_and_time_left_are_of_the_steps_since_the_first(clock):
    said = []
    line = Pace(lambda *status: said.append(status), "a.safetensors", epochs=4)
    for step in range(1, 5):
        line.step(0, step / 10, 50, lambda: ("loss 0.3",))
        clock[0] += 0.5
    assert said[0] == ("a.safetensors: epoch 1/4", 0.025)
    # three steps of 50 images took 1.5 s until the last was over; 36 of 40 are left at three in 1.5 s
    assert said[-1] == ("a.safetensors: epoch 1/4", 0.1, ("loss 0.3", "18 s left", "100 images/s"))
    line.say("evaluating")
    assert said[-1] == ("a.safetensors: evaluating", 0.1)


def test_it_speaks_now_and_then_only(clock):
    said = []
    line = Pace(lambda *status: said.append(status), "a", epochs=1)
    for step in range(1, 1001):
        line.step(0, step / 1000, 1)
        clock[0] += 0.001
    assert 4 <= len(said) <= 7


def test_a_stage_says_which_result_of_how_many_is_made(clock):
    said = []
    stage = Progress(said.append, inputs=3)
    stage.expect(2)
    assert stage.total == 6
    stage("pruning a", 0.5)
    assert said[-1] == Status("pruning a", 0.5, ("all 6: 0 s left",), (1, 6))
    stage.finished()
    assert said[-1] == Status("")
    stage("pruning b")
    assert said[-1].place == (2, 6)
    assert stage.done == 1


def test_the_time_left_is_of_results_made_in_this_run(clock):
    said = []
    stage = Progress(said.append, inputs=5)
    clock[0] += 1000
    stage.finished(made=False)
    stage.finished(made=False)
    clock[0] += 10
    stage.finished()
    stage("c")
    assert said[-1].facts == ("all 5: 20 s left",)


def test_how_many_come_through_a_pipe_is_not_known(clock):
    said = []
    stage = Progress(said.append)
    stage.finished()
    stage("b")
    assert (said[-1].place, said[-1].facts) == ((2, 0), ())


def test_lines_are_kept_where_nothing_is_shown():
    kept = []
    Progress(note=kept.append).note("epoch 1/3")
    Progress(show=kept.append).note("epoch 2/3")
    Progress().note("epoch 3/3")
    assert kept == ["epoch 1/3"]


def test_without_a_listener_nothing_is_done(monkeypatch):
    monkeypatch.setattr(progress.time, "monotonic", None)
    assert Pace().step(0, 0.5, 10) is None
    assert Pace().say("nobody hears") is None


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.4, "0 s"), (59, "59 s"), (61, "1 min 01 s"), (3599.7, "1 h 00 min"), (7500, "2 h 05 min")]
)
def test_time_in_words(seconds, text):
    assert in_time(seconds) == text
