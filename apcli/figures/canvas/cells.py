"""Heat maps: blocks of cells, a row for each layer and a column for each run."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from apcli.figures.canvas.colors import Look, heat
from apcli.figures.canvas.marks import Area, Dots, Mark, Place, Words
from apcli.figures.canvas.panels import ROW, WIDTH, Sheet
from apcli.figures.canvas.scales import text_of
from apcli.figures.canvas.words import shortened, width_of, wrapped

_NAMES, _BLOCK, _GAP = 170.0, 160.0, 16.0  # pixels of the rows' names, at most, of a block, at least, and between
_CELL, _NARROW, _LOW = 15.0, 11.0, 7.0  # pixels of a cell; of a narrow one, and of a row where there are many
_MANY = 60  # rows


@dataclass(frozen=True)
class Column:
    """A run: its method's sign stands above the column, unless it has no look, and ``name`` below."""

    look: Look | None
    name: str


@dataclass(frozen=True)
class Block:
    """A quantity: values by row and column index; ``log`` colours by the logarithm of what is positive."""

    title: str
    values: Mapping[tuple[int, int], float]
    log: bool = False

    def places(self) -> tuple[dict[tuple[int, int], float], str, str]:
        """From 0 to 1, the place of each value between the ends, and the ends as text."""
        shown = {at: value for at, value in self.values.items() if value > 0} if self.log else dict(self.values)
        low = min(shown.values(), default=0.0) if self.log else 0.0
        high = max(shown.values(), default=1.0)
        if high <= low:
            return {at: float(value > 0) for at, value in self.values.items()}, text_of(low, 3), text_of(high, 3)
        places = {at: math.log(v / low) / math.log(high / low) if self.log else v / high for at, v in shown.items()}
        return {**dict.fromkeys(self.values, 0.0), **places}, text_of(low, 3), text_of(high, 3)


def cells(sheet: Sheet, blocks: Sequence[Block], rows: Sequence[str], columns: Sequence[Column]) -> None:
    """Draw blocks beside each other, as many as fit, then below."""
    names = min(max(width_of(row) for row in rows) + 8, _NAMES)
    room = WIDTH - names - 4
    abreast = math.floor((room + _GAP) / (max(len(columns) * _NARROW, _BLOCK) + _GAP))
    abreast = max(1, min(len(blocks), abreast))
    width = min(_CELL, (room - (abreast - 1) * _GAP) / (abreast * len(columns)))
    across = max(len(columns) * width, _BLOCK)
    height = _CELL if len(rows) <= _MANY else _LOW
    for start in range(0, len(blocks), abreast):
        beside = [(block, wrapped(block.title, across)) for block in blocks[start : start + abreast]]
        above = max(len(title) for _, title in beside)
        top = sheet.bottom + (above + 2) * ROW + 6
        bottom = top + len(rows) * height
        for index in range(0, len(rows), math.ceil(ROW * 0.9 / height)):
            name = shortened(rows[index], names)
            sheet.marks.append(Words((names - 6, top + (index + 0.5) * height), name, "soft", "end"))
        for number, (block, title) in enumerate(beside):
            left = names + number * (across + _GAP)
            sheet.marks += _block(block, title, (left, top), (width, height))
            sheet.marks += _about(columns, left, top - ROW / 2, width, bottom)
        sheet.bottom = bottom + max(width_of(column.name) for column in columns) + 14


def _block(block: Block, title: Sequence[str], place: Place, cell: tuple[float, float]) -> list[Mark]:
    """The lines of the title, the scale, and the cells from ``place`` on."""
    (left, top), (width, height) = place, cell
    places, low, high = block.places()
    scale = top - 1.5 * ROW
    marks: list[Mark] = [Words((left, scale - ROW * up), line, bold=True) for up, line in enumerate(reversed(title), 1)]
    marks += _scale((left, scale), low, high)
    for (row, column), share in places.items():
        x, y = left + column * width, top + row * height
        corners = [(x, y), (x + width - 1, y), (x + width - 1, y + height - 1), (x, y + height - 1)]
        marks.append(Area(corners, heat(share)[0], name=text_of(block.values[row, column])))
    return marks


def _scale(place: Place, low: str, high: str) -> list[Mark]:
    """The colours from the least value to the largest, with both as text."""
    left, middle = place
    marks: list[Mark] = [Words(place, low, "soft")]
    left += width_of(low) + 5
    for step in range(9):
        x = left + 5 * step
        corners = [(x, middle - 4), (x + 5, middle - 4), (x + 5, middle + 4), (x, middle + 4)]
        marks.append(Area(corners, heat(step / 8)[0]))
    marks.append(Words((left + 50, middle), high, "soft"))
    return marks


def _about(columns: Sequence[Column], left: float, above: float, width: float, bottom: float) -> list[Mark]:
    """The signs above the columns, one in the middle of those of a method, and the names below."""
    marks: list[Mark] = []
    for look in dict.fromkeys(column.look for column in columns if column.look is not None):
        members = [index for index, column in enumerate(columns) if column.look == look]
        middle = left + (members[0] + members[-1] + 1) / 2 * width
        marks.append(Dots([(middle, above)], look.color, look.shape))
    if width >= _NARROW:
        for index, column in enumerate(columns):
            place = left + (index + 0.5) * width, bottom + 6
            marks.append(Words(place, column.name, "soft", "end", turned=True))
    return marks
