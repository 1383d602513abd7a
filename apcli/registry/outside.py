"""Functions of a user's own file, given as ``path/to/file.py:function`` where a name is expected.

Only the command line and Python's callers name such a file. What a checkpoint or a record says is never imported.
"""

import hashlib
import importlib.util
import inspect
import re
import sys
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache, wraps
from pathlib import Path
from types import ModuleType
from typing import Any

from apcli.errors import ApcliError, UsageError

FORM = "path/to/file.py:function"
_SPEC = re.compile(r"(?P<path>.*?\.py)(?::(?P<function>[^:/\\]*)(?P<rest>(?::.*)?))?$", re.DOTALL)
_DIGITS = 12  # of the SHA-256 in a function's name
_NAME = re.compile(rf"\.py:([^:@]+)@[0-9a-f]{{{_DIGITS}}}")


@dataclass(frozen=True)
class Place:
    """Where a function is, and what follows its name: ``:key=value:key=value``, or nothing."""

    path: Path
    function: str
    rest: str = ""

    @property
    def name(self) -> str:
        """What identifies the function wherever the file lies: ``file.py:function@`` and the file's SHA-256, cut."""
        return f"{self.path.name}:{self.function}@{sha256_of(self.path)[:_DIGITS]}"


def is_outside(spec: str) -> bool:
    """Whether ``spec`` names a file of Python code; of the names in tables none does."""
    return _SPEC.match(spec) is not None


def short(name: str) -> str:
    """A ``Place.name`` as a part of a file's name: ``file-function``; other names as they are."""
    return _NAME.sub(r"-\1", name)


def place_of(spec: str, what: str) -> Place:
    """Read ``path/to/file.py:function``; a path may have colons.

    Args:
        what: what is expected there, for messages: ``model``, ``method``.

    Raises:
        UsageError: it names no function, or there is no such file.
    """
    match = _SPEC.match(spec)
    if match is None or not (match["function"] or "").isidentifier():
        raise UsageError(f"{what} {spec!r} names no function of the file: give it as {FORM}")
    path = Path(match["path"])
    if not path.is_file():
        raise UsageError(f"{path}: no such file; a {what} of your own is given as {FORM}")
    return Place(path, match["function"], match["rest"])


def sha256_of(path: Path) -> str:
    """What the file is: its name alone does not tell its code."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def load(place: Place) -> Callable[..., Any]:
    """Import the file, as ``python FILE`` would see it (the files beside it are importable), and give its function.

    What goes wrong in a call of it is an ApcliError that names the file and the line.

    Raises:
        UsageError: the file has no such function.
        ApcliError: importing it fails.
    """
    with _blaming(place.path):
        function = getattr(_imported(place.path.resolve(), sha256_of(place.path)), place.function, None)
    if not callable(function):
        raise UsageError(f"{place.path} has no function {place.function!r}: give it as {FORM}")

    @wraps(function)
    def blaming(*args: Any, **given: Any) -> Any:
        with _blaming(place.path):
            return function(*args, **given)

    return blaming


def keywords_of(function: Callable[..., Any], takes: Sequence[str], label: str) -> dict[str, Any]:
    """The keyword-only arguments of a function, with their defaults; the others have to be ``takes``.

    Args:
        label: what messages call the function.

    Raises:
        UsageError: it cannot be called so, or a keyword has no number or word as its default.
    """
    signature = inspect.signature(function)
    keywords = {p.name: p.default for p in signature.parameters.values() if p.kind is p.KEYWORD_ONLY}
    label = f"{label}{signature}"
    for name, default in keywords.items():
        if type(default) not in (int, float, str):
            raise UsageError(f"{label}: expected a number or a word as the default of {name}")
    try:
        signature.bind(*takes, **keywords)
    except TypeError:
        raise UsageError(f"{label}: expected ({', '.join(takes)}), then keywords after a * if any") from None
    return keywords


@lru_cache(maxsize=64)
def _imported(path: Path, sha256: str) -> ModuleType:
    """The module, imported once: its code runs again only where the file is another one by then."""
    folder = str(path.parent)
    if folder not in sys.path:
        sys.path.insert(0, folder)
    name = f"apcli_user_{path.stem}"
    module_spec = importlib.util.spec_from_file_location(name, path)
    if module_spec is None or module_spec.loader is None:
        raise ImportError(f"{path} is not importable")
    module = importlib.util.module_from_spec(module_spec)
    sys.modules[name] = module
    module_spec.loader.exec_module(module)
    return module


@contextmanager
def _blaming(path: Path) -> Iterator[None]:
    """What the user's code raises becomes one line, which names its file; memory that runs out stays what it is."""
    try:
        yield
    except (ApcliError, MemoryError):
        raise
    except (Exception, SystemExit) as error:
        if type(error).__name__ == "OutOfMemoryError":
            raise
        first = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise ApcliError(f"{path}{_line(error, path)}: {type(error).__name__}: {first}") from error


def _line(error: BaseException, path: Path) -> str:
    """``:N``, where the user's file raised ``error``."""
    if isinstance(error, SyntaxError) and error.lineno:
        return f":{error.lineno}"
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if Path(frame.filename) == path.resolve()]
    return f":{frames[-1].lineno}" if frames else ""
