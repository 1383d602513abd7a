"""Files that are read by parts while other programs may change them: what they do meanwhile is told, never guessed at.

Parts are read, not mapped into memory: where a mapped file is shortened, the system kills the process that reads on
(SIGBUS), and no Python code can prevent it. A file that is replaced stays whole for whoever has it open. Standard
library and NumPy only.
"""

import hashlib
import os
import threading
import weakref
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from apcli.errors import ApcliError

_REMEDY = "run the command again when no other program writes it"
_AT_ONCE = 1 << 20  # bytes
_MOST_SUMS = 128  # files whose SHA-256 is cached: many checkpoints share an ancestor
_SUMS: dict["FileState", str] = {}  # those used last at the end
_SUMS_LOCK = threading.Lock()


@dataclass(frozen=True)
class FileState:
    """What tells a file from what it was before, without reading it."""

    device: int
    inode: int
    size: int
    modified: int  # nanoseconds

    @classmethod
    def of(cls, file: Path | int) -> "FileState":
        """The state of a file, or of a descriptor, at this moment."""
        found = os.stat(file)
        return cls(found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns)


class OpenFile:
    """A file to read parts of, from several threads; ``label`` names it in messages. It is closed with its last part.

    Raises:
        ApcliError: it cannot be opened.
    """

    def __init__(self, path: Path, label: str) -> None:
        self.label = label
        try:
            self._descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        except OSError as error:
            raise unreadable(label, error) from None
        weakref.finalize(self, os.close, self._descriptor)
        self._state = FileState.of(self._descriptor)

    @property
    def size(self) -> int:
        """The bytes that it had when it was opened."""
        return self._state.size

    def check_unchanged(self, path: Path | None = None) -> None:
        """Raise ApcliError if another program has written into it since it was opened, or ``path`` is another file."""
        if FileState.of(self._descriptor if path is None else path) != self._state:
            raise ApcliError(f"{self.label} was changed while it was read: {_REMEDY}")

    def sha256(self) -> str:
        """The SHA-256, cached while the file is unchanged.

        Raises:
            ApcliError: the file cannot be read, or was changed meanwhile.
        """
        known = _SUMS.get(self._state) or self._summed()
        self.check_unchanged()
        with _SUMS_LOCK:
            _SUMS[self._state] = known = _SUMS.pop(self._state, known)
            if len(_SUMS) > _MOST_SUMS:
                del _SUMS[next(iter(_SUMS))]
        return known

    def _summed(self) -> str:
        digest = hashlib.sha256()
        for start in range(0, self.size, _AT_ONCE):
            digest.update(self.read(start, min(_AT_ONCE, self.size - start)).data)
        return digest.hexdigest()

    def read(self, start: int, count: int) -> np.ndarray:
        """The ``count`` bytes from ``start`` on, uint8 [count].

        Raises:
            ApcliError: the file has become shorter, or the system cannot read it.
        """
        whole = np.empty(count, np.uint8)
        left = whole.data
        while left:
            try:
                got = os.preadv(self._descriptor, [left], start)
            except OSError as error:
                raise unreadable(self.label, error) from None
            if not got:
                raise ApcliError(f"{self.label} was shortened while it was read, to {start} bytes: {_REMEDY}")
            left, start = left[got:], start + got
        return whole


def unreadable(label: str, error: OSError) -> ApcliError:
    """The error for a file that the system does not let read."""
    return ApcliError(f"cannot read {label}: {error.strerror or error}")
