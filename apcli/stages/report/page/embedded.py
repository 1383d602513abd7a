"""The numbers behind a page's tables and figures, embedded once: by column, compressed, as text in a script element.

The text is base64 of deflated JSON (RFC 1950), ``{"columns": [...], "tables": {name: [[heading, place], ...]}}``, where
a place is one of ``columns``. A column is its list of cells or, if few of them differ, ``{"of": cells, "at": places}``.
``page.js`` reads it.
"""

import base64
import json
import math
import zlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

Columns = Iterable[tuple[str, Sequence[Any]]]


def packed(tables: Mapping[str, Columns]) -> str:
    """The columns of all tables; columns that are the same stand there once."""
    columns: list[Any] = []
    places: dict[tuple[Any, ...], int] = {}
    listed: dict[str, list[tuple[str, int]]] = {}
    for name, named in tables.items():
        listed[name] = []
        for heading, cells in named:
            key = tuple(map(_cell, cells))
            if key not in places:
                places[key] = len(columns)
                columns.append(_column(key))
            listed[name].append((heading, places[key]))
    text = json.dumps({"columns": columns, "tables": listed}, separators=(",", ":"), allow_nan=False)
    return base64.b64encode(zlib.compress(text.encode(), 9)).decode()


def _column(cells: tuple[Any, ...]) -> Any:
    of = list(dict.fromkeys(cells))
    if len(of) > len(cells) / 2:
        return cells
    places = {cell: place for place, cell in enumerate(of)}
    return {"of": of, "at": [places[cell] for cell in cells]}


def _cell(value: Any) -> Any:
    """Numbers that are not finite are not known."""
    return None if isinstance(value, float) and not math.isfinite(value) else value
