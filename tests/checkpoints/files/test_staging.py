"""Files whole or not at all, and folders for a while: on success, on errors, and after a kill."""

import os
import signal
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from apcli.checkpoints.files.staging import remove_stale, staged, temporary_folder
from apcli.errors import ApcliError


def leftovers(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def fail_half_way(path: Path, error: type[BaseException]) -> None:
    with staged(path) as temporary:
        temporary.write_bytes(b"half")
        raise error


def test_a_staged_file_appears_whole_or_not_at_all(tmp_path):
    path = tmp_path / "new" / "x.bin"
    with staged(path) as temporary:
        temporary.write_bytes(b"whole")
        assert temporary.parent == path.parent
        assert not path.exists()
    assert (path.read_bytes(), leftovers(path.parent)) == (b"whole", ["x.bin"])
    for error in (KeyboardInterrupt, ValueError, SystemExit):
        with pytest.raises(error):
            fail_half_way(path, error)
        assert (path.read_bytes(), leftovers(path.parent)) == (b"whole", ["x.bin"])


def fill(path: Path) -> None:
    with staged(path) as temporary:
        temporary.unlink()
        temporary.symlink_to("/dev/full")
        temporary.write_bytes(b"\0" * 100_000)


def test_a_full_disk_leaves_no_file(tmp_path):
    with pytest.raises(ApcliError, match="No space left"):
        fill(tmp_path / "x")
    assert leftovers(tmp_path) == []


def left_by_a_kill(folder: Path, script: str) -> None:
    """Run ``script``, which begins to write below ``folder`` and says so, and kill it."""
    program = f"import time\nfrom pathlib import Path\nfrom apcli.checkpoints.files.staging import *\n{script}"
    environment = {**os.environ, "TMPDIR": str(folder)}
    command = [sys.executable, "-c", program, str(folder)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=environment, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "writing\n"
        process.send_signal(signal.SIGKILL)


def test_what_a_killed_process_left_goes_and_what_another_one_writes_stays(tmp_path):
    path = tmp_path / "x.bin"
    left_by_a_kill(
        tmp_path,
        "with staged(Path(__import__('sys').argv[1]) / 'x.bin') as new:\n"
        "    new.write_bytes(b'half')\n    print('writing', flush=True)\n    time.sleep(60)\n",
    )
    assert len(leftovers(tmp_path)) == 1
    (tmp_path / ".y.bin.1.part").write_bytes(b"of another file")
    with staged(path) as temporary:
        assert leftovers(tmp_path) == sorted([temporary.name, ".y.bin.1.part"])
        remove_stale(path)
        with staged(path) as second:
            second.write_bytes(b"second")
        temporary.write_bytes(b"whole")
    assert path.read_bytes() == b"whole"
    assert leftovers(tmp_path) == [".y.bin.1.part", "x.bin"]


def test_a_folder_that_a_killed_process_left_goes_and_no_other(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    left_by_a_kill(
        tmp_path,
        "with temporary_folder() as new:\n"
        "    (new / 'a').write_bytes(b'half')\n    print('writing', flush=True)\n    time.sleep(60)\n",
    )
    (tmp_path / "apcli-pipe-mine").mkdir()
    assert len(leftovers(tmp_path)) == 2
    with temporary_folder() as one, temporary_folder() as two:
        (one / "a").write_bytes(b"1")
        assert leftovers(tmp_path) == sorted(["apcli-pipe-mine", one.name, two.name])
    assert leftovers(tmp_path) == ["apcli-pipe-mine"]


def test_what_several_make_at_the_same_time_stays(tmp_path, monkeypatch):
    """Each looks for leftovers of killed processes, and what another one has just made is none."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))

    def make(number: int) -> None:
        for turn in range(150):
            with temporary_folder() as folder, staged(tmp_path / "product") as product:
                for path in (folder / "a", product):
                    path.write_text(f"{number} {turn}")
                    assert path.read_text() == f"{number} {turn}"

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(make, range(4)))
    assert [path.name for path in tmp_path.iterdir()] == ["product"]
