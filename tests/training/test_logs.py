"""TensorBoard logs: read back as they were written, and gone on with after a stop."""

import sys
from pathlib import Path

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from apcli.errors import ApcliError
from apcli.training.logs import Logs


def entry(epoch: int) -> dict:
    return {"epoch": epoch, "lr": 0.1 * epoch, "test": {"loss": 1 / epoch, "accuracy": 50.0, "top5": None}}


def scalars(folder: Path) -> dict[str, list[tuple[int, float]]]:
    events = EventAccumulator(str(folder))
    events.Reload()
    return {tag: [(event.step, event.value) for event in events.Scalars(tag)] for tag in events.Tags()["scalars"]}


def test_every_number_has_a_tag_and_the_rest_none(tmp_path):
    logs = Logs(str(tmp_path), "net")
    logs.write(entry(1))
    logs.close()
    found = scalars(tmp_path / "net")
    assert found == {
        "lr": [(1, pytest.approx(0.1))],
        "test/loss": [(1, 1.0)],
        "test/accuracy": [(1, 50.0)],
    }


def test_a_run_that_goes_on_replaces_what_was_logged_after_it_was_stopped(tmp_path):
    first = Logs(str(tmp_path), "net")
    for epoch in (1, 2, 3):
        first.write(entry(epoch))
    first.close()
    again = Logs(str(tmp_path), "net", epoch=1)
    again.write({**entry(2), "lr": 7.0})
    again.close()
    assert scalars(tmp_path / "net")["lr"] == [(1, pytest.approx(0.1)), (2, 7.0)]


def test_without_a_folder_nothing_is_written(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    logs = Logs(None, "net")
    logs.write(entry(1))
    logs.close()
    assert list(tmp_path.iterdir()) == []


def test_without_tensorboard_the_remedy_is_told(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    with pytest.raises(ApcliError, match=r"--log-dir needs .*, which is not installed: pip install tensorboard"):
        Logs(str(tmp_path), "net")
