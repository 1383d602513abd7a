"""Names and removal of saved states."""

import os
from pathlib import Path

import pytest

from apcli.checkpoints.files.saved_states import remove_left_over_states, remove_states, states_beside


@pytest.mark.parametrize("name", ["a.b.safetensors", "a.b.safetensors.index.json"])
def test_they_are_named_after_the_result(name):
    now, before = states_beside(Path("f") / name)
    assert (now, before) == (Path("f/a.b.resume.pt"), Path("f/a.b.resume.before.pt"))


@pytest.fixture
def result(tmp_path):
    path = tmp_path / "t.safetensors"
    for each in (path, *states_beside(path)):
        each.write_bytes(b"x")
    return path


def test_both_are_removed_once_and_again(result):
    remove_states(result)
    remove_states(result)
    assert [path.name for path in result.parent.iterdir()] == ["t.safetensors"]


def test_a_state_that_is_newer_than_the_result_is_of_another_run(result):
    now, before = states_beside(result)
    os.utime(before, ns=(0, result.stat().st_mtime_ns))
    os.utime(now, ns=(0, result.stat().st_mtime_ns + 1))
    remove_left_over_states(result)
    assert now.exists()
    assert not before.exists()
