"""Tables as the page shows them: rows of headings, cells with their parts aligned, and what is left out at first."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

from apcli.figures.canvas.words import width_of
from apcli.stages.report.tables.columns import CellText, Column, ReportTable
from apcli.stages.report.tables.notation import aligned

SHOWN = 9  # most columns that are shown at first
ROOM = 1036.0  # pixels that these may take: what is beside the contents in a window of 1300
MOST = 400  # rows in the page; the others are in the numbers behind the table
LONG = 30  # letters of a cell that may take several lines
_LONG, _BESIDE, _ARROW = (
    224.0,
    18.0,
    16.0,
)  # pixels of such a cell at least, beside every cell, and of a heading's arrow
_LARGER, _SMALLER = 13.44 / 12, 11.83 / 12  # letters of a table, and what stands beside a number, to those of figures


@dataclass(frozen=True)
class Head:
    """A heading over ``span`` columns; ``place`` of its column among the numbers behind the table."""

    text: str
    span: int = 1
    further: bool = False
    number: bool = False
    place: int = 0


@dataclass(frozen=True)
class GridCell:
    """A cell; ``kind`` is its class: number, long, or nothing."""

    text: CellText
    kind: str
    further: bool


@dataclass(frozen=True)
class Grid:
    """A table: two rows of headings (the first may be empty), and rows of cells."""

    table: ReportTable
    key: str
    groups: tuple[Head, ...]
    heads: tuple[Head, ...]
    rows: tuple[tuple[GridCell, ...], ...]

    @property
    def has_further(self) -> bool:
        return any(head.further for head in self.heads)

    @property
    def texts(self) -> Iterator[str]:
        """The words around the numbers, and those by which rows are told apart."""
        yield from (self.table.title, self.table.caption, self.table.constant)
        yield from (head.text for head in (*self.groups, *self.heads))
        keys = (column for column in self.table.columns[: self.table.keys] if not column.is_number)
        yield from dict.fromkeys(str(cell) for column in keys for cell in column.cells)

    @property
    def left_out(self) -> int:
        """The number of rows that are not in the page."""
        return len(self.table) - len(self.rows)


def grid(table: ReportTable, prefix: str = "") -> Grid:
    """The table as it is shown; ``prefix`` makes its key unique on a page of several studies."""
    columns = table.varying
    texts = [column.texts()[:MOST] for column in columns]
    further = _further(columns, texts)
    units = _shared_units(columns, further)
    parts = list(_runs(columns, further))
    heads = tuple(
        Head(_name(column, column.unit if shared is None else ""), 1, later, column.is_number, place)
        for column, later, shared, place in zip(columns, further, units, _places(table, columns), strict=True)
    )
    groups = tuple(Head(_group(group, units[start]), span, later, True) for group, later, start, span in parts)
    cells = list(map(_cells, columns, texts, further))
    rows = tuple(zip(*cells, strict=True))
    return Grid(table, f"{prefix}{table.name}", groups if any(h.text for h in groups) else (), heads, rows)


def _further(columns: Sequence[Column], texts: Sequence[Sequence[CellText]]) -> list[bool]:
    """Which columns are left out at first: those that say so, and of the others those for which there is no room."""
    made, shown, taken = [], 0, 0.0
    for column, cells in zip(columns, texts, strict=True):
        shown += not column.further
        taken += 0.0 if column.further else _width(column, cells)
        made.append(column.further or shown > SHOWN or (shown > 1 and taken > ROOM))
    return made


def _width(column: Column, texts: Sequence[CellText]) -> float:
    """About the pixels that a column takes; its heading may be broken between words."""
    number = max((width_of(text.main) for text in texts), default=0.0) * _LARGER
    beside = max((width_of(f" {text.spread} {text.interval}") for text in texts), default=0.0) * _SMALLER
    if any(len(text.main) > LONG for text in texts) and not column.is_number:
        number = _LONG
    words = (*column.name.split(" "), column.unit)
    heading = max(map(width_of, words)) * _LARGER
    return max(number + (beside if column.is_number else 0.0), heading + _ARROW) + _BESIDE


def _runs(columns: Sequence[Column], further: Sequence[bool]) -> Iterator[tuple[str, bool, int, int]]:
    """Neighbours of one group that are shown together: the group, whether they are further, the first, how many."""
    start = 0
    keyed = zip(columns, further, strict=True)
    for (group, later), members in groupby(keyed, key=lambda pair: (pair[0].group, pair[1])):
        span = len(list(members))
        yield group, later, start, span
        start += span


def _shared_units(columns: Sequence[Column], further: Sequence[bool]) -> list[str | None]:
    """For each column, the unit that its group's heading says for all of them; None if its own heading says it."""
    made: list[str | None] = []
    for group, _, start, span in _runs(columns, further):
        units = {column.unit for column in columns[start : start + span]}
        made += [units.pop() if group and len(units) == 1 else None] * span
    return made


def _group(group: str, unit: str | None) -> str:
    return f"{group}, {unit}" if group and unit else group


def _name(column: Column, unit: str) -> str:
    return ", ".join(filter(None, [column.name, unit]))


def _places(table: ReportTable, columns: Sequence[Column]) -> list[int]:
    """The place of each column among the numbers behind the table, where ± and intervals are columns of their own."""
    places, place = {}, 0
    for column in table.columns:
        places[id(column)] = place
        place += len(list(column.numbers()))
    return [places[id(column)] for column in columns]


def _cells(column: Column, texts: Sequence[CellText], later: bool) -> list[GridCell]:
    """The cells of the first rows; the parts of numbers padded, so that decimal points stand below each other."""
    if not column.is_number:
        return [GridCell(text, "long" if len(text.main) > LONG else "", later) for text in texts]
    parts = [aligned([text.main for text in texts])]
    spreads = [text.spread and f"± {text.spread}" for text in texts]
    for found in (spreads, [text.interval for text in texts]):
        numbers = aligned(["" if text[:1].isalpha() else text for text in found])
        padded = [text if text[:1].isalpha() else number for text, number in zip(found, numbers, strict=True)]
        widest = max(map(len, padded))
        parts.append([text.ljust(widest, "\u2007") if any(found) else "" for text in padded])
    return [GridCell(CellText(*cell), "number", later) for cell in zip(*parts, strict=True)]
