"""Which lines of the readers the inputs of the fuzzer run, of those that a file can reach."""

import ast
import sys
import threading
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

from fuzz_targets import TARGETS

from apcli.checkpoints import lineage, network_layers, promises, reading, verification
from apcli.checkpoints.files import (
    bitmask,
    entries,
    headers,
    kept_channels,
    kinds,
    pickles,
    safetensors_files,
    shards,
)
from apcli.errors import ApcliError
from apcli.records import json_objects, lines

# What interprets bytes; ``open_files`` only fetches them, whatever they are.
READERS = (
    *(reading, lineage, promises, network_layers, verification),
    *(safetensors_files, shards, pickles, bitmask, kept_channels, headers, kinds, entries),
    *(lines, json_objects),
)
# Functions that no file reaches.
NOT_READ = {
    reading: {"listed", "_each"},  # what a caller of the API gives
    lines: {"_plain"},  # NumPy's numbers, of results
    json_objects: {"documented", "listed_in", "_members"},  # for the generated docs
}


def lines_of(module: Any) -> set[int]:
    """The lines of a module's functions that hold code and that a file can reach.

    Neither what runs at import is among them, as a function's definition does, nor the answer to an error of the system
    (``except OSError``), which no bytes of a file cause.
    """
    path = Path(module.__file__)
    text = path.read_text()
    found: set[int] = set()
    waiting: list[tuple[CodeType, bool]] = [(compile(text, str(path), "exec"), False)]
    while waiting:
        code, inside = waiting.pop()
        if code.co_qualname in NOT_READ.get(module, ()):
            continue
        inner = [one for one in code.co_consts if isinstance(one, CodeType)]
        waiting += [(one, inside or (not one.co_name.startswith("<") and one.co_flags & 2 != 0)) for one in inner]
        if inside:
            found |= {line for _, _, line in code.co_lines() if line and line != code.co_firstlineno}
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.ExceptHandler) and isinstance(node.type, ast.Name) and node.type.id == "OSError":
            found -= set(range(node.lineno, (node.end_lineno or node.lineno) + 1))
    return found


def not_run(inputs: Mapping[str, Iterable[bytes]]) -> dict[Any, set[int]]:
    """The lines of each reader that none of the inputs, by target, runs."""
    ran: dict[str, set[int]] = {module.__file__: set() for module in READERS}

    def trace(frame: FrameType, event: str, argument: object) -> Any:
        if frame.f_code.co_filename not in ran:
            return None
        ran[frame.f_code.co_filename].add(frame.f_lineno)
        return trace

    for known in (json_objects._fields_of, json_objects._columns):
        known.cache_clear()
    threading.settrace(trace)
    sys.settrace(trace)
    try:
        for target, contents in inputs.items():
            for content in contents:
                with suppress(ApcliError):
                    TARGETS[target](content)
    finally:
        sys.settrace(None)
        threading.settrace(None)
    return {module: lines_of(module) - ran[module.__file__] for module in READERS}


def shares(missing: Mapping[Any, set[int]]) -> dict[str, float]:
    """The share of the lines that were run, by the reader's name."""
    return {module.__name__: 1 - len(lines) / len(lines_of(module)) for module, lines in missing.items()}
