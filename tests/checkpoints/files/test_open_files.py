"""Files that others change while they are read: replaced, shortened, written into."""

import gc
import hashlib
import os
from pathlib import Path

import numpy as np
import pytest
from small_files import entry, saved

from apcli.checkpoints.files import open_files
from apcli.checkpoints.files.open_files import OpenFile
from apcli.checkpoints.reading import read
from apcli.errors import ApcliError


def test_parts_are_read_into_memory_of_their_own(tmp_path):
    (tmp_path / "x").write_bytes(bytes(range(100)))
    file = OpenFile(tmp_path / "x", "x")
    part = file.read(90, 10)
    assert (file.size, bytes(part), bytes(file.read(0, 0))) == (100, bytes(range(90, 100)), b"")
    part[:] = 0
    assert bytes(file.read(90, 10)) == bytes(range(90, 100))


def test_a_file_that_is_replaced_stays_what_it_was(tmp_path):
    """Its sum too, so that a lineage names the file that was read."""
    path = saved(tmp_path / "x.safetensors")
    before, content = read(path), path.read_bytes()
    (tmp_path / "new").write_bytes(b"another")
    os.replace(tmp_path / "new", path)
    assert before.entries["fc.weight"].values.tolist() == [[1, 0], [0, 2]]
    before.check_unchanged()
    assert before.sha256 == hashlib.sha256(content).hexdigest()


def test_a_file_that_is_shortened_is_a_short_read(tmp_path):
    """Of a file that is mapped into memory, the process would be killed (SIGBUS)."""
    path = saved(tmp_path / "x.safetensors")
    before = read(path)
    os.truncate(path, path.stat().st_size - 4)
    with pytest.raises(ApcliError, match=r"x\.safetensors was shortened while it was read, to \d+ bytes"):
        _ = [found.data for found in before.entries.values()]


def test_a_file_that_is_written_into_is_told_where_its_sum_is_wanted(tmp_path):
    path = saved(tmp_path / "x.safetensors")
    before = read(path)
    before.check_unchanged()
    whole = path.read_bytes()
    path.write_bytes(whole)
    os.utime(path, ns=(1, 1))  # clocks of file systems tick slowly
    with pytest.raises(ApcliError, match="was changed"):
        before.check_unchanged()


def test_the_sum_is_of_the_file_as_it_is(tmp_path):
    path = tmp_path / "x"
    for number, content in enumerate((b"one", b"two", b"", bytes(3 << 20))):
        path.write_bytes(content)
        os.utime(path, ns=(number, number))
        assert OpenFile(path, "x").sha256() == hashlib.sha256(content).hexdigest()


def test_a_file_that_changes_while_it_is_summed_has_no_sum(tmp_path, monkeypatch):
    path = tmp_path / "x"
    path.write_bytes(b"one")
    file, read_part = OpenFile(path, "x"), OpenFile.read

    def and_changed(*given):
        os.utime(path, ns=(7, 7))
        return read_part(*given)

    monkeypatch.setattr(OpenFile, "read", and_changed)
    with pytest.raises(ApcliError, match="x was changed while it was read"):
        file.sha256()
    monkeypatch.undo()
    assert OpenFile(path, "x").sha256() == hashlib.sha256(b"one").hexdigest()


def test_another_file_in_its_place_can_be_told(tmp_path):
    path = tmp_path / "x"
    path.write_bytes(b"one")
    file = OpenFile(path, "x")
    file.check_unchanged(path)
    (tmp_path / "y").write_bytes(b"one")
    os.replace(tmp_path / "y", path)
    file.check_unchanged()
    with pytest.raises(ApcliError, match="x was changed"):
        file.check_unchanged(path)


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="the system does not list open files")
def test_a_file_is_closed_with_its_last_entry(tmp_path):
    path = saved(tmp_path / "x.safetensors")

    def handles() -> list[str]:
        gc.collect()
        links = (os.path.realpath(one) for one in Path("/proc/self/fd").iterdir())
        return [link for link in links if link == str(path.resolve())]

    checkpoint = read(path)
    last = checkpoint.entries["fc.bias"]
    assert len(handles()) == 1
    del checkpoint
    assert len(handles()) == 1
    assert np.array_equal(last.values, entry([3, 4], "F64").values)
    del last
    assert handles() == []


def test_what_cannot_be_opened_is_named(tmp_path):
    for path in (tmp_path / "none", tmp_path / ("x" * 300)):
        with pytest.raises(ApcliError, match="cannot read it: "):
            OpenFile(path, "it")
    with pytest.raises(ApcliError, match="cannot read folder: Is a directory"):
        OpenFile(tmp_path, "folder").read(0, 1)


def test_of_many_files_the_sums_used_last_are_cached(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    paths = [tmp_path / str(number) for number in range(300)]
    for number, path in enumerate(paths):
        path.write_bytes(b"%d" % number)
    ancestor = paths[0]
    for path in paths[1:]:
        assert OpenFile(path, "x").sha256() == hashlib.sha256(path.read_bytes()).hexdigest()
        OpenFile(ancestor, "x").sha256()
    assert len(open_files._SUMS) <= 128
    monkeypatch.setattr(OpenFile, "read", None)  # what is cached is not read again
    assert OpenFile(ancestor, "x").sha256() == hashlib.sha256(b"0").hexdigest()
    with pytest.raises(TypeError):
        OpenFile(paths[1], "x").sha256()
