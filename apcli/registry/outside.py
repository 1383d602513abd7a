"""Functions of a user's own file, given as ``path/to/file.py:function`` instead of a name.

Only command lines and Python callers can give one: a name in a checkpoint or a record is never imported.
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
from importlib.machinery import SourceFileLoader
from pathlib import Path
from types import CodeType, ModuleType
from typing import Any

from apcli.errors import ApcliError, UsageError, first_line, is_out_of_memory

FORM = "path/to/file.py:function"
_SPEC = re.compile(r"(?P<path>.*?\.py)(?::(?P<function>[^:/\\]*)(?P<rest>(?::.*)?))?$", re.DOTALL)
_DIGITS = 12  # digits of the SHA-256 in a function's name
_NAME = re.compile(rf"\.py:([^:@]+)@[0-9a-f]{{{_DIGITS}}}")


@dataclass(frozen=True)
class Place:
    """The file and the name of a function, and the rest of its spec: ``:key=value:key=value``, or nothing."""

    path: Path
    function: str
    rest: str = ""

    @property
    def name(self) -> str:
        """The function's identity in any folder: ``file.py:function@`` and the first digits of the file's SHA-256."""
        return f"{self.path.name}:{self.function}@{sha256_of(self.path)[:_DIGITS]}"


def is_outside(spec: str) -> bool:
    """Whether ``spec`` names a file of Python code, which no name in a table does."""
    return _SPEC.match(spec) is not None


def short(name: str) -> str:
    """A ``Place.name`` for use in a file's name: ``file-function``; other names unchanged."""
    return _NAME.sub(r"-\1", name)


def place_of(spec: str, what: str) -> Place:
    """Read ``path/to/file.py:function``; a path may have colons.

    Args:
        what: the kind of function for messages: ``model``, ``method``.

    Raises:
        UsageError: the spec names no function, or the file does not exist.
    """
    match = _SPEC.match(spec)
    if match is None or not (match["function"] or "").isidentifier():
        raise UsageError(f"{what} {spec!r} names no function of the file: give it as {FORM}")
    path = Path(match["path"])
    if not path.is_file():
        raise UsageError(f"{path}: no such file; a {what} of your own is given as {FORM}")
    return Place(path, match["function"], match["rest"])


def sha256_of(path: Path) -> str:
    """The SHA-256 of a file: its name does not identify its code."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def load(place: Place) -> Callable[..., Any]:
    """Import the file as ``python FILE`` would (the files beside it are importable), and return its function.

    An error in a call of the function becomes an ApcliError that names the file and the line.

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
    """The keyword-only arguments of a function, with their defaults; its other arguments must be ``takes``.

    Args:
        label: the function's name in messages.

    Raises:
        UsageError: it has other arguments, or a default is no number and no word.
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


class _FromSource(SourceFileLoader):
    """Compiles a file's text each time: bytecode is found by time and size, which a quick edit leaves as they were."""

    def get_code(self, fullname: str) -> CodeType:
        path = self.get_filename(fullname)
        code: CodeType = self.source_to_code(self.get_data(path), path)
        return code


@lru_cache(maxsize=64)
def _imported(path: Path, sha256: str) -> ModuleType:
    """The module, imported once; its code runs again only if the file has changed."""
    folder = str(path.parent)
    if folder not in sys.path:
        sys.path.insert(0, folder)
    name = f"apcli_user_{path.stem}"
    module_spec = importlib.util.spec_from_file_location(name, path, loader=_FromSource(name, str(path)))
    if module_spec is None or module_spec.loader is None:
        raise ImportError(f"{path} is not importable")
    module = importlib.util.module_from_spec(module_spec)
    sys.modules[name] = module
    module_spec.loader.exec_module(module)
    return module


@contextmanager
def _blaming(path: Path) -> Iterator[None]:
    """Turn an error of the user's code into one line that names its file; running out of memory stays as it is."""
    try:
        yield
    except ApcliError:
        raise
    except (Exception, SystemExit) as error:
        if is_out_of_memory(error):
            raise
        first = first_line(error)
        raise ApcliError(f"{path}{_line(error, path)}: {type(error).__name__}: {first}") from error


def _line(error: BaseException, path: Path) -> str:
    """``:N``, the line at which the user's file raised ``error``."""
    if isinstance(error, SyntaxError) and error.lineno:
        return f":{error.lineno}"
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if Path(frame.filename) == path.resolve()]
    return f":{frames[-1].lineno}" if frames else ""
