"""Where a command's files go, and how they leave: as paths, or as bytes with ``-o -``."""

from io import BytesIO, TextIOWrapper
from pathlib import Path
from typing import Any

import pytest

from apcli.cli.results import outputs
from apcli.cli.streams import standard
from apcli.cli.streams.standard import Streams
from apcli.errors import UsageError


@pytest.fixture
def stdout(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    """A run in a folder of its own; what it printed so far."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("WORLD_SIZE", raising=False)
    out = BytesIO()
    with Streams(None, TextIOWrapper(out), None) as streams:
        standard.begin(streams)
        yield out.getvalue


def test_a_finished_file_leaves_as_its_path(stdout):
    with outputs("out/", False, ["a", "b"]) as (places, send):
        target = places.place("a.pruned")
        send(target)
    assert target == Path("out/a.pruned.safetensors")
    assert stdout() == b"out/a.pruned.safetensors\n"


def test_one_file_for_several_inputs_is_refused(stdout):
    with pytest.raises(UsageError, match="one file but several"), outputs("one.safetensors", False, ["a", "b"]):
        pytest.fail("it was not refused")


def test_bytes_leave_and_nothing_stays(stdout):
    with outputs("-", False, ["a"]) as (places, send):
        target = places.place("a.pruned")
        target.write_bytes(b"whole")
        send(target)
        assert not target.exists()
    assert stdout() == b"whole"
    assert not target.parent.exists()
    assert list(Path().iterdir()) == []


def test_bytes_are_of_one_process(stdout, monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(UsageError, match="--output - needs a single process"), outputs("-", False, []):
        pytest.fail("it was not refused")
