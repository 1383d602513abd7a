"""Atomic writing of files, temporary folders, and removal of either after a killed process.

A writer holds a lock, which the system releases whenever the process ends. A file without a lock was therefore left
behind; a process number would not show that when containers share a disk. Standard library only.
"""

import atexit
import errno
import fcntl
import glob
import os
import secrets
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path

from apcli.errors import ApcliError

_PREFIX = "apcli-pipe-"


@contextmanager
def staged(path: Path) -> Iterator[Path]:
    """Yield a new file beside ``path`` that takes its name on success and is removed on any failure.

    Raises:
        ApcliError: the system refuses to write (full disk, no permission).
    """
    temporary, lock = None, None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary, lock = _claimed(path)
        remove_stale(path)  # after the own one is there, so that a trace of the killed process always is
        yield temporary
        os.replace(temporary, path)
    except OSError as error:
        full = error.errno in (errno.ENOSPC, errno.EFBIG, errno.EDQUOT)
        remedy = "free some space, or choose another --output" if full else "choose another --output"
        raise ApcliError(f"cannot write {path}: {error.strerror}: {remedy}") from None
    finally:
        if temporary is not None and lock is not None:
            with suppress(OSError):
                temporary.unlink()
            os.close(lock)


def remove_stale(path: Path) -> None:
    """Remove files that killed processes left beside ``path``, but none that another process is writing."""
    for part in _parts(path):
        _use_unheld(part, os.unlink)


def was_killed(path: Path) -> bool:
    """Whether a process was killed that was writing the file, and none has written it since."""
    found: list[Path] = []
    for part in _parts(path):
        _use_unheld(part, found.append)
    return bool(found)


def _parts(path: Path) -> Iterator[Path]:
    return path.parent.glob(f".{glob.escape(path.name)}.*.part")


@contextmanager
def temporary_folder() -> Iterator[Path]:
    """Yield a folder that is removed with its contents: afterwards, or at exit, or by the next process after a kill.

    Its removal is registered before it is made, since a signal may come at any moment.
    """
    place = Path(tempfile.gettempdir())
    for left in place.glob(f"{_PREFIX}{'[0-9a-f]' * 16}"):
        _use_unheld(left, shutil.rmtree)
    folder = place / f"{_PREFIX}{secrets.token_hex(8)}"
    remove = partial(shutil.rmtree, folder, ignore_errors=True)
    atexit.register(remove)
    lock = None
    try:
        lock = _claimed_folder(folder)
        yield folder
    finally:
        remove()
        atexit.unregister(remove)
        if lock is not None:
            os.close(lock)


def _claimed(path: Path) -> tuple[Path, int]:
    """A new, empty file beside ``path``, and a descriptor that holds its lock until it is closed."""
    while True:
        temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")
        lock = os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o666)
        _hold(lock)
        if os.fstat(lock).st_nlink:  # otherwise another process removed it as left behind
            return temporary, lock
        os.close(lock)


def _claimed_folder(folder: Path) -> int:
    """Make a folder; returns a descriptor that holds its lock until it is closed."""
    while True:
        folder.mkdir(mode=0o700, exist_ok=True)
        try:
            lock = os.open(folder, os.O_RDONLY)
        except FileNotFoundError:  # another process removed it as left behind
            continue
        _hold(lock)
        with suppress(FileNotFoundError):
            if os.path.samestat(os.fstat(lock), os.stat(folder)):
                return lock
        os.close(lock)


def _hold(lock: int) -> None:
    """Wait for the lock of what was just made, which another process may hold for a moment, to remove what is left."""
    with suppress(OSError):  # a file system without locks, where nothing is ever removed as left behind
        fcntl.flock(lock, fcntl.LOCK_EX)


def _use_unheld(path: Path, use: Callable[[Path], object]) -> None:
    with suppress(OSError):  # locked, gone meanwhile, another user's, or on a file system without locks
        lock = os.open(path, os.O_RDONLY if path.is_dir() else os.O_RDWR)  # NFS locks only writable files
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            use(path)
        finally:
            os.close(lock)
