"""The command line in a folder of its own: in this process, or as the console script in real processes and pipes."""

import json
import os
import pty
import resource
import select
import shlex
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO, TextIOWrapper
from pathlib import Path
from typing import Any, TextIO

import numpy as np
import pytest
from safetensors import safe_open
from safetensors.numpy import load_file, save_file

from apcli.cli.main import run
from apcli.cli.streams.standard import Streams


class Screen(TextIOWrapper):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


_FOREIGN = ("APCLI_DEBUG", "APCLI_DATA_DIR", "NO_COLOR", "FORCE_COLOR", "COLUMNS", "PYTHONHASHSEED")


@dataclass(frozen=True)
class Result:
    code: int
    raw: bytes
    err: str

    @property
    def out(self) -> str:
        return self.raw.decode()

    @property
    def lines(self) -> list[str]:
        return self.out.splitlines()

    @property
    def complaints(self) -> list[str]:
        return self.err.splitlines()

    @property
    def records(self) -> list[dict[str, Any]]:
        """stdout as strict JSON Lines: NaN and Infinity are no JSON."""
        return [json.loads(line, parse_constant=_refuse) for line in self.lines]


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is not JSON")


class Shell:
    """Runs ``apcli`` in ``folder``, and looks at the files there.

    A call runs it in this process, on streams of its own: what is imported once serves all. ``bash`` and ``start`` are
    for what only processes show: pipes, terminals, signals.
    """

    def __init__(self, folder: Path, binaries: Path, temporary: Path) -> None:
        self.folder = folder
        self.temporary = temporary
        kept = {key: value for key, value in os.environ.items() if key not in _FOREIGN}
        self.environment = {
            **kept,
            "PATH": f"{binaries}{os.pathsep}{os.environ['PATH']}",
            "TMPDIR": str(temporary),
            "TERM": "xterm-256color",
            "OMP_NUM_THREADS": "1",  # the tests run side by side
        }

    def __call__(
        self, command: str, stdin: bytes | None = None, terminal: str = "", encoding: str = "utf-8", **environment: str
    ) -> Result:
        """Run ``apcli COMMAND`` (words as a shell splits them); ``stdin`` None is an empty one.

        ``terminal`` names the one stream that is a terminal; ``encoding`` is that of what is printed. Variables that
        Python reads when it starts need a process of their own, and get it.
        """
        if any(name.startswith("PYTHON") for name in environment):
            return self._finished(["apcli", *shlex.split(command)], stdin, environment)
        out, err = BytesIO(), BytesIO()
        kinds = {name: Screen if name == terminal else TextIOWrapper for name in ("stdin", "stdout", "stderr")}
        stdout = kinds["stdout"](out, encoding)
        stderr = kinds["stderr"](err, encoding, errors="backslashreplace")
        streams = Streams(kinds["stdin"](BytesIO(stdin or b"")), stdout, stderr)
        with pytest.MonkeyPatch.context() as patch, warnings.catch_warnings(), streams:
            warnings.resetwarnings()  # the interpreter's own: pytest shows more of them
            warnings.simplefilter("ignore", DeprecationWarning)
            patch.chdir(self.folder)
            patch.setattr(tempfile, "tempdir", str(self.temporary))
            patch.setattr(sys, "excepthook", sys.excepthook)  # typer sets its own
            for name in _FOREIGN:
                patch.delenv(name, raising=False)
            for name, value in ({"COLUMNS": "80"} | environment).items():
                patch.setenv(name, value)
            code = run(shlex.split(command), streams)
            stdout.flush()
            stderr.flush()
        return Result(code, out.getvalue(), err.getvalue().decode(encoding))

    @contextmanager
    def full_disk(self) -> Iterator[None]:
        """Let no file grow beyond 2 kB, of which a checkpoint of ``plain`` needs about 8: as on a disk that is full."""
        before = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (2048, before[1]))
        try:
            yield
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)

    def bash(self, script: str, stdin: bytes | None = None, **environment: str) -> Result:
        return self._finished(["bash", "-o", "pipefail", "-c", script], stdin, environment)

    def _finished(self, words: list[str], stdin: bytes | None, environment: dict[str, str]) -> Result:
        done = subprocess.run(
            words,
            input=stdin or b"",
            capture_output=True,
            cwd=self.folder,
            env={**self.environment, **environment},
            timeout=120,
            check=False,
        )
        return Result(done.returncode, done.stdout, done.stderr.decode(errors="backslashreplace"))

    def start(self, command: str, **streams: Any) -> subprocess.Popen[bytes]:
        words = ["apcli", *shlex.split(command)]
        environment = {**self.environment, **streams.pop("env", {})}
        return subprocess.Popen(words, cwd=self.folder, env=environment, **streams)

    def refuses(self, command: str, code: int, *words: str, stdin: bytes | None = None, **environment: str) -> None:
        """The contract of bad input: one line that says all ``words``, the exit code, and nothing written anywhere."""
        before = self.snapshot()
        result = self(command, stdin, **environment)
        self.check_refusal(result, code, *words)
        assert self.snapshot() == before

    def check_refusal(self, result: Result, code: int, *words: str) -> None:
        assert len(result.complaints) == 1, result.err
        assert result.err.startswith("apcli: error: ")
        assert result.code == code, result.err
        assert result.out == ""
        for word in words:
            assert word in result.err
        assert self.leftovers() == []

    def leftovers(self) -> list[str]:
        """What lies in the folder for temporary files; torch has one of its own there, which stays."""
        return [path.name for path in self.temporary.iterdir() if not path.name.startswith("torchinductor")]

    def snapshot(self) -> dict[str, tuple[bytes, int]]:
        """Every file below the folder: its bytes and when they were written."""
        files = (path for path in self.folder.rglob("*") if path.is_file())
        return {str(path.relative_to(self.folder)): (path.read_bytes(), path.stat().st_mtime_ns) for path in files}

    def save(self, name: str, tensors: dict[str, np.ndarray], metadata: dict[str, str] | None = None) -> Path:
        """A plain safetensors file."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        save_file({key: np.ascontiguousarray(tensor) for key, tensor in tensors.items()}, path, metadata)
        return path

    def tensors(self, name: str) -> dict[str, np.ndarray]:
        return load_file(self.folder / name)

    def lineage(self, name: str) -> dict[str, Any]:
        with safe_open(self.folder / name, "numpy") as file:
            return json.loads(file.metadata()["apcli"])


class Terminal:
    """A pseudo-terminal; ``slave`` goes to the child, and what it shows is read here."""

    def __init__(self) -> None:
        self.master, self.slave = pty.openpty()
        self.shown = ""

    def until(self, word: str | None, seconds: float = 300) -> str:
        """Read until ``word`` was shown, or with None until nobody holds the terminal."""
        end = time.monotonic() + seconds
        while word is None or word not in self.shown:
            assert time.monotonic() < end, f"{word!r} was not shown: {self.shown!r}"
            if not select.select([self.master], [], [], 0.2)[0]:
                continue
            try:
                chunk = os.read(self.master, 4096)
            except OSError:  # how Linux reports the end
                chunk = b""
            if not chunk:
                assert word is None, f"{word!r} was not shown: {self.shown!r}"
                break
            self.shown += chunk.decode(errors="replace")
        return self.shown

    def hand_over(self) -> None:
        """Close the child's end here, so that the end can be seen."""
        os.close(self.slave)


@pytest.fixture
def terminal() -> Iterator[Terminal]:
    made = Terminal()
    yield made
    os.close(made.master)


@pytest.fixture
def screen() -> Iterator[tuple[int, TextIO]]:
    """The reading end of a pseudo-terminal, and the stream that writes to it."""
    master, slave = pty.openpty()
    with os.fdopen(slave, "w", encoding="utf-8") as stream:
        yield master, stream
    os.close(master)


@pytest.fixture(scope="session")
def open_shell(tmp_path_factory: pytest.TempPathFactory, binaries: Path) -> Callable[[Path], Shell]:
    return lambda folder: Shell(folder, binaries, tmp_path_factory.mktemp("tmp"))


@pytest.fixture
def shell(tmp_path: Path, open_shell: Callable[[Path], Shell]) -> Shell:
    folder = tmp_path / "work"
    folder.mkdir()
    return open_shell(folder)


@pytest.fixture
def plain() -> dict[str, np.ndarray]:
    """A small network's tensors, of the kind that any library writes: no lineage."""
    draw = np.random.default_rng(7)
    shapes = {"conv.weight": (8, 1, 3, 3), "fc1.weight": (30, 40), "fc2.weight": (10, 30)}
    weights = {name: draw.standard_normal(shape).astype(np.float32) for name, shape in shapes.items()}
    return {**weights, "fc1.bias": np.ones(30, np.float32), "steps": np.array(3)}


@pytest.fixture
def a(shell: Shell, plain: dict[str, np.ndarray]) -> Path:
    """``a.safetensors`` in the shell's folder."""
    return shell.save("a.safetensors", plain)
