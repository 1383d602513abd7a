"""torchvision's sets on disk: missing, damaged, or not to be fetched."""

import pytest

from apcli.data import DATASETS
from apcli.data.datasets import load
from apcli.errors import ApcliError, UsageError


def test_cut_file_is_one_line_and_stdout_stays_empty(mnist_dir, capsys):
    data_dir, _ = mnist_dir
    file = data_dir / "MNIST" / "raw" / "train-images-idx3-ubyte"
    file.write_bytes(file.read_bytes()[:50])
    with pytest.raises(ApcliError, match=r"could not read mnist: .*--download") as error:
        load("mnist", data_dir)
    assert "\n" not in str(error.value)
    assert capsys.readouterr().out == ""


def test_damaged_cifar_is_refused_by_its_checksum(tmp_path):
    folder = tmp_path / "cifar-10-batches-py"
    folder.mkdir()
    for name in ("data_batch_1", "data_batch_2", "data_batch_3", "data_batch_4", "data_batch_5", "test_batch"):
        (folder / name).write_bytes(b"not what it should be")
    with pytest.raises(ApcliError, match=r"could not read cifar10: .*corrupted") as error:
        load("cifar10", tmp_path)
    assert error.value.exit_code == 1


@pytest.mark.parametrize("row", [row for row in DATASETS if row.needs], ids=lambda row: row.name)
def test_missing_data_says_what_brings_it(row, tmp_path):
    with pytest.raises(UsageError) as error:
        load(row.name, tmp_path / "data")
    message = str(error.value)
    assert all(need in message for need in row.needs)
    assert ("--download" in message) is row.downloads
    assert "--data-dir" in message
    assert not (tmp_path / "data").exists()


def test_failed_fetch_is_one_line(tmp_path, capsys):
    blocked = tmp_path / "file"
    blocked.write_text("a file where the data folder should be")
    with pytest.raises(ApcliError, match=r"could not download or read cifar10: .*--data-dir") as error:
        load("cifar10", blocked, download=True)
    assert "\n" not in str(error.value)
    assert capsys.readouterr().out == ""
