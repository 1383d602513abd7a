"""PyTorch files of strangers: no code runs, and what is wrong is said in one line, in memory of the file's size."""

import resource
from pathlib import Path

import hostile_pickles
import pytest
import torch

from apcli.checkpoints.reading import read
from apcli.errors import ApcliError

NAMES = list(hostile_pickles.files(Path("marker")))


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    marker = tmp_path_factory.mktemp("marker") / "code was run"
    return hostile_pickles.files(marker), marker


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("ending", [".pth", ".safetensors", ".bin"])
def test_a_file_that_is_wrong_is_refused_in_one_line(tmp_path, files, name, ending):
    path = tmp_path / f"x{ending}"
    path.write_bytes(files[0][name])
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(ApcliError) as error:
        _ = [entry.data for entry in read(path).entries.values()]
    grown = 1024 * (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
    assert not files[1].exists()
    assert str(error.value).startswith(str(path))
    assert len(str(error.value)) < 1000
    assert "\n" not in str(error.value)
    assert grown < 40 * len(files[0][name]) + (32 << 20)


def test_a_file_that_is_shortened_is_a_short_read(tmp_path):
    path = tmp_path / "x.pth"
    torch.save({"w": torch.ones(1000)}, path)
    entry = read(path).entries["w"]
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(ApcliError, match=r"x\.pth was shortened while it was read"):
        _ = entry.data
