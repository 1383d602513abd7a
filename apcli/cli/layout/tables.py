"""A table in the columns of a terminal: one rule for all that the command line prints.

A number is never broken or cut. Where a table is wider than the terminal, names and headings are narrowed, then columns
go by their rank, and where the essential ones are still too wide, each row becomes a record of several lines.
"""

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from typing import Literal

from apcli.cli.layout.text import cells, shortened, wrapped

_GAP = "  "
_LEAST = {"name": 32, "text": 32}  # columns to which a cell that may break is narrowed before a column goes
_ESSENTIAL = {"name": 16, "text": 20}  # and for the essential ones
_BLANK = ("", "-")
_STEP = 2  # columns by which what belongs to a name is indented


@dataclass(frozen=True)
class Column:
    """A column of a table.

    Attributes:
        kind: a ``number`` stands at the right, and neither it nor a ``word`` is broken; a ``name`` loses its middle, or
            is broken if that would make two names one; a ``text`` is broken between words.
        rank: 0 if the table is of no use without the column; of the others that with the highest goes first.
    """

    title: str
    kind: Literal["number", "word", "name", "text"] = "number"
    rank: int = 0


@dataclass(frozen=True)
class Grid:
    """A table: its columns, and its rows with a cell for each; the first column that is no number names the row."""

    columns: Sequence[Column]
    rows: Sequence[Sequence[str]]
    title: str = ""
    caption: str = ""


def lines_of(grid: Grid, width: int | None) -> list[str]:
    """The table in lines of at most ``width`` columns, a rule below the heading; None: as wide as it is."""
    widths = _widths(grid, math.inf if width is None else width)
    if widths is None:
        body = [line for row in grid.rows for line in _record(grid.columns, row, width)]
    else:
        head, rows = _aligned(grid, widths)
        rule = "─" * _total(widths)
        body = [*head, *([rule] if width is not None else []), *rows]
    title = [*wrapped(grid.title, width), ""] if grid.title else []
    gone = [] if widths is None else [grid.columns[i].title for i in _told(grid) if i not in widths]
    missed = ", ".join(filter(None, gone))  # a column without a title is not named
    notes = [*grid.caption.splitlines(), *([f"no room for: {missed}"] if missed else [])]
    below = [line for note in notes for line in wrapped(note, width, _indent(note) + _STEP)]
    return [*title, *body, *([""] if below and width is not None else []), *below]


def _told(grid: Grid) -> list[int]:
    """The columns that say something, or are essential."""
    columns = enumerate(grid.columns)
    return [i for i, column in columns if column.rank == 0 or any(row[i] not in _BLANK for row in grid.rows)]


def _widths(grid: Grid, width: float) -> dict[int, int] | None:
    """The columns to show and the width of each; None: the essential ones are wider than ``width``."""
    natural, words, widest = {}, {}, {}
    for i, column in enumerate(grid.columns):
        widest[i] = max((cells(row[i]) for row in grid.rows), default=0)
        words[i] = max((cells(word) for word in column.title.split()), default=0)
        natural[i] = max(cells(column.title), widest[i])

    def least(columns: Iterable[int], floor: dict[str, int]) -> dict[int, int]:
        return {i: max(words[i], min(widest[i], floor.get(grid.columns[i].kind, widest[i]))) for i in columns}

    if _total(natural) <= width:
        return natural
    kept = least(_told(grid), _LEAST)
    optional = sorted((i for i in kept if grid.columns[i].rank), key=lambda i: grid.columns[i].rank)
    while optional and _total(kept) > width:
        del kept[optional.pop()]
    if _total(kept) > width:
        kept = least(kept, _ESSENTIAL)
    if _total(kept) > width:
        return None
    for breaks in (True, False):  # names and texts get what is left, then headings
        for _ in range(int(width) - _total(kept)):
            narrow = [i for i in kept if kept[i] < natural[i] and (grid.columns[i].kind in _LEAST) == breaks]
            if narrow:
                kept[min(narrow, key=lambda i: kept[i])] += 1
    return kept


def _total(widths: dict[int, int]) -> int:
    return sum(widths.values()) + len(_GAP) * (len(widths) - 1)


def _aligned(grid: Grid, widths: dict[int, int]) -> tuple[list[str], list[str]]:
    """The lines of the heading and those of the rows, their cells padded to ``widths``."""
    columns = [grid.columns[i] for i in widths]
    heads = [wrapped(column.title, width) for column, width in zip(columns, widths.values(), strict=True)]
    tall = max(map(len, heads))
    head = list(_side_by_side(columns, [[""] * (tall - len(lines)) + lines for lines in heads], widths))
    broken = [_broken(grid.columns[i], [row[i] for row in grid.rows], width) for i, width in widths.items()]
    rows = [line for row in zip(*broken, strict=True) for line in _side_by_side(columns, row, widths)]
    return head, rows


def _side_by_side(columns: Sequence[Column], row: Sequence[list[str]], widths: dict[int, int]) -> Iterator[str]:
    """The lines of one row, whose cells may have several."""
    for line in zip_longest(*row, fillvalue=""):
        padded = []
        for column, cell, width in zip(columns, line, widths.values(), strict=True):
            space = " " * (width - cells(cell))
            padded.append(f"{space}{cell}" if column.kind == "number" else f"{cell}{space}")
        yield _GAP.join(padded).rstrip()


def _broken(column: Column, texts: Sequence[str], width: int) -> list[list[str]]:
    """The lines of each cell of a column."""
    if column.kind == "name":
        short = [shortened(text, width) for text in texts]
        if len(set(short)) == len(set(texts)):
            return [[text] for text in short]
    if column.kind in _LEAST:
        return [wrapped(text, width, _indent(text) + _STEP * (column.kind == "name")) for text in texts]
    return [[text] for text in texts]


def _record(columns: Sequence[Column], row: Sequence[str], width: int | None) -> Iterator[str]:
    """A row as lines: its name, and below it what the other cells say, each with its column's title but for texts."""
    first = next((i for i, column in enumerate(columns) if column.kind != "number"), 0)
    yield from wrapped(row[first], width, _indent(row[first]) + 2 * _STEP)
    for i, (column, cell) in enumerate(zip(columns, row, strict=True)):
        if i != first and cell not in _BLANK:
            title = f"{column.title}: " if column.title and column.kind != "text" else ""
            lead = _indent(row[first]) + _STEP
            yield from wrapped(f"{' ' * lead}{title}{cell}", width, lead + _STEP)


def _indent(text: str) -> int:
    return len(text) - len(text.lstrip())
