"""What the compared files are: as given, or of the files at hand that have the recorded bytes."""

from dataclasses import replace

import pytest
import torch
from safetensors.torch import save_file

from apcli.api.runs import file_describer
from apcli.progress import Progress
from apcli.records.divergence import DivergenceRecord
from apcli.records.pair import File
from apcli.stages.report.runs.checkpoints_at_hand import with_files_at_hand


@pytest.fixture
def describe():
    return file_describer(Progress())


@pytest.fixture
def compared(tmp_path, describe):
    """A file, its description, and a record of it as both sides of a pair."""
    path = tmp_path / "net.safetensors"
    save_file({"conv.weight": torch.ones(4, 3, 3, 3), "fc.weight": torch.eye(8)}, path)
    known = describe(path)
    return path, known, DivergenceRecord(layer="*", dist="ap2", dense=File(str(path), known.sha256))


def test_a_file_at_hand_is_described(compared, describe):
    _, known, record = compared
    assert with_files_at_hand([record], [], describe) == {known.sha256: known}
    assert with_files_at_hand([record], [], None) == {}


def test_a_given_record_is_taken_and_its_file_not_read(compared):
    _, known, record = compared

    def fail(path):
        raise AssertionError(path)

    assert with_files_at_hand([record], [known], fail) == {known.sha256: known}


@pytest.mark.parametrize("change", ["missing", "other bytes", "broken", "no name"])
def test_other_bytes_and_missing_files_are_left_out_in_one_line(compared, describe, caplog, change):
    path, _, record = compared
    if change == "missing":
        path.unlink()
    elif change == "no name":
        record = replace(record, dense=File("n" * 300, record.dense.sha256))  # longer than any file's
    else:
        path.write_bytes(path.read_bytes() + b" " if change == "broken" else b"no checkpoint")
    with caplog.at_level("INFO", "apcli"):
        assert with_files_at_hand([record], [], describe) == {}
    assert caplog.messages == [
        "1 compared file of 1 not at hand, or changed since: their sizes, costs and settings are left out"
    ]
