"""Lay out a figure for a column of text: legend, panels in rows, notes; and draw data in a panel.

All text has the size at which it is shown, so a figure grows downwards and never gets smaller letters.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from apcli.figures.canvas.colors import Look
from apcli.figures.canvas.marks import Area, Dash, Dots, Drawing, Line, Mark, Place, Value, Words
from apcli.figures.canvas.scales import Scale
from apcli.figures.canvas.words import shortened, width_of, wrapped

WIDTH = 660.0  # pixels: 6.9 inches, a column of the page
NARROW = 350.0  # the column of a page on a telephone
ROW = 16.0  # of text
_SIGNS = 12  # on a line, at most
_SCALE, _MARGIN, _BELOW = 46.0, 16.0, 42.0  # beside a panel, and below for numbers and name


@dataclass(frozen=True)
class Key:
    """An entry of a legend: a line, a sign, or both."""

    name: str
    color: str
    shape: str | None = None
    dash: Dash | None = "solid"
    hollow: bool = False
    width: float = 1.6

    @classmethod
    def of(cls, name: str, look: Look) -> "Key":
        return cls(name, look.color, look.shape, look.dash)


@dataclass(frozen=True)
class Box:
    """The place of a panel's axes."""

    left: float
    top: float
    width: float
    height: float

    @property
    def right(self) -> float:
        return self.left + self.width

    @property
    def bottom(self) -> float:
        return self.top + self.height


@dataclass(frozen=True)
class Head:
    """The title of a panel, and below it the unit of its vertical axis, or whatever else it says, in lines."""

    title: str
    unit: str = ""

    def lines(self, width: float) -> list[tuple[str, bool]]:
        """Each line, and whether it is of the title."""
        return [(line, True) for line in wrapped(self.title, width)] + [
            (line, False) for line in self.unit.splitlines()
        ]


class Sheet:
    """A figure while it is drawn, from the top down."""

    def __init__(self, width: float = WIDTH) -> None:
        self.width = width
        self.marks: list[Mark] = []
        self.bottom = 4.0

    def legend(self, keys: Sequence[Key]) -> None:
        """Entries in as many rows as they need."""
        if not keys:
            return
        names = [shortened(key.name, self.width - 60) for key in keys]
        widths = [30 + width_of(name) + 18 for name in names]
        columns = math.floor(self.width / max(widths))
        if sum(widths) > 2 * self.width and columns > 1:  # easier to read than many ragged rows
            widths = [self.width / columns] * len(keys)
        left, middle = 0.0, self.bottom + ROW / 2
        for key, name, width in zip(keys, names, widths, strict=True):
            if left > 0 and left + width - 18 > self.width:
                left, middle = 0.0, middle + ROW + 2
            if key.dash:
                self.marks.append(Line([(left + 2, middle), (left + 24, middle)], key.color, key.width, key.dash))
            if key.shape:
                self.marks.append(Dots([(left + 13, middle)], key.color, key.shape, hollow=key.hollow))
            self.marks.append(Words((left + 30, middle), name))
            left += width
        self.bottom = middle + ROW / 2 + 6

    def note(self, text: str) -> None:
        """Sentences below what is drawn already."""
        for line in wrapped(text, self.width):
            self.marks.append(Words((0, self.bottom + ROW / 2), line, "soft"))
            self.bottom += ROW
        self.bottom += 2

    def lost(self, values: int) -> None:
        """Say how many values have no place on a logarithmic axis."""
        if values:
            self.note(f"A logarithmic axis has no place for values ≤ 0: {values} left out.")

    def row(
        self, heads: Sequence[Head], cells: Sequence[tuple[float, float]], height: float, left: float = 0.0
    ) -> list[Box]:
        """Places for panels beside each other from ``left``, their heads drawn.

        A cell is (width, of which free at the right of the axes).
        """
        texts = [head.lines(width - 10) for head, (width, _) in zip(heads, cells, strict=True)]
        lines = max(len(text) for text in texts)
        top = self.bottom + ROW * lines + 6
        boxes = []
        for text, (width, aside) in zip(texts, cells, strict=True):
            for number, (line, of_title) in enumerate(text, lines - len(text)):
                place = left + 4, self.bottom + ROW * (number + 0.5)
                self.marks.append(Words(place, line, "ink" if of_title else "soft", bold=of_title))
            boxes.append(Box(left + _SCALE, top, width - _SCALE - _MARGIN - aside, height))
            left += width
        self.bottom = top + height + _BELOW
        return boxes

    def rows(self, heads: Sequence[Head], columns: int, height: float) -> list[Box]:
        """Places for panels in rows of up to ``columns``."""
        columns = min(columns, len(heads))
        parts = [heads[start : start + columns] for start in range(0, len(heads), columns)]
        return [box for part in parts for box in self.row(part, [(self.width / columns, 0.0)] * len(part), height)]

    def drawing(self, title: str, description: str, columns: Mapping[str, Sequence[Value]]) -> Drawing:
        return Drawing(title, description, self.width, math.ceil(self.bottom), tuple(self.marks), columns)


class Panel:
    """Axes in a box of a sheet; what is drawn goes to the sheet's marks."""

    def __init__(self, sheet: Sheet, box: Box, x: Scale, y: Scale, name: str = "") -> None:
        """Draw the grid, the numbers and the name of the horizontal axis."""
        self.marks, self.box, self.x, self.y = sheet.marks, box, x, y
        for value, text in y.ticks:
            height = self._down(value)
            self.marks.append(Line([(box.left, height), (box.right, height)], "line", 0.8))
            self.marks.append(Words((box.left - 6, height), text, "soft", "end"))
        self.marks.append(Line([(box.left, box.bottom), (box.right, box.bottom)], "soft", 0.8))
        self._numbers_below()
        if name:
            half = width_of(name) / 2  # a name wider than its panel stays within the figure
            middle = max(half, min(box.left + box.width / 2, sheet.width - half))
            self.marks.append(Words((middle, box.bottom + 30), name, "soft", "middle"))

    def _numbers_below(self) -> None:
        """Ticks, and their numbers where there is room; the last one always."""
        taken = math.inf
        for value, text in reversed(self.x.ticks):
            place, half = self._right(value), width_of(text) / 2
            self.marks.append(Line([(place, self.box.bottom), (place, self.box.bottom + 4)], "soft", 0.8))
            if place + half + 3 <= taken:
                self.marks.append(Words((place, self.box.bottom + 13), text, "soft", "middle"))
                taken = place - half

    def _right(self, value: float) -> float:
        return self.box.left + self.x.place(value) * self.box.width

    def _down(self, value: float) -> float:
        return self.box.bottom - self.y.place(value) * self.box.height

    def at(self, x: float, y: float) -> Place:
        return self._right(x), self._down(y)

    def line(
        self,
        xs: Sequence[float],
        ys: Sequence[float | None],
        color: str,
        *,
        width: float = 1.6,
        dash: Dash = "solid",
        name: str = "",
    ) -> None:
        """A line through the known points, with gaps at the others."""
        for part in _unbroken(xs, ys):
            if len(part) > 1:
                self.marks.append(Line([self.at(*point) for point in part], color, width, dash, name))

    def band(self, spread: Sequence[tuple[float, float, float]], color: str, opacity: float = 0.16) -> None:
        """An area through (x, low, high)."""
        if len(spread) > 1:
            below = [self.at(x, low) for x, low, _ in spread]
            self.marks.append(Area([*below, *(self.at(x, high) for x, _, high in reversed(spread))], color, opacity))

    def bars(self, bars: Iterable[tuple[float, float, float]], color: str, width: float = 1.2) -> None:
        """Vertical bars: (x, low, high)."""
        for x, low, high in bars:
            self.marks.append(Line([self.at(x, low), self.at(x, high)], color, width))

    def dots(
        self, xs: Sequence[float], ys: Sequence[float | None], look: Look, *, hollow: bool = False, name: str = ""
    ) -> None:
        """A method's sign at each known point, or at every k-th and the last of many."""
        places = [self.at(x, y) for x, y in zip(xs, ys, strict=True) if y is not None]
        places = places[::-1][:: math.ceil(len(places) / _SIGNS)][::-1] if places else []
        if places:
            self.marks.append(Dots(places, look.color, look.shape, hollow=hollow, name=name))

    def level(self, y: float, name: str, dash: Dash = "solid") -> None:
        """A horizontal line across the panel."""
        ends = [(self.box.left, self._down(y)), (self.box.right, self._down(y))]
        self.marks.append(Line(ends, "soft", 1.2, dash, name))

    def ends(self, labels: Iterable[tuple[float, float, str, str]], width: float) -> None:
        """Names at the right of the axes, near the heights of the ends of lines: (x, y, name, colour)."""
        ends = [(*self.at(x, y), wrapped(name, width - 14), color) for x, y, name, color in labels]
        ends.sort(key=lambda end: end[1])
        heights = _apart([(aim, ROW * len(lines)) for _, aim, lines, _ in ends], self.box.bottom + 8)
        for (end, aim, lines, color), height in zip(ends, heights, strict=True):
            self.marks.append(Line([(end + 6, aim), (self.box.right + 10, height)], color, 0.8))
            for number, line in enumerate(lines):
                place = self.box.right + 14, height + ROW * (number - (len(lines) - 1) / 2)
                self.marks.append(Words(place, line))


def _unbroken(xs: Sequence[float], ys: Sequence[float | None]) -> list[list[tuple[float, float]]]:
    """The points between gaps."""
    parts: list[list[tuple[float, float]]] = [[]]
    for x, y in zip(xs, ys, strict=True):
        if y is None:
            parts.append([])
        else:
            parts[-1].append((x, y))
    return [part for part in parts if part]


def _apart(wanted: Sequence[tuple[float, float]], lowest: float) -> list[float]:
    """Middles near those of ascending (middle, height), which do not overlap or, if there is room, pass ``lowest``."""
    places: list[float] = []
    for index, (middle, height) in enumerate(wanted):
        least = places[-1] + (wanted[index - 1][1] + height) / 2 if places else middle
        places.append(max(middle, least))
    limit = lowest
    for index in reversed(range(len(places))):
        height = wanted[index][1]
        places[index] = min(places[index], limit - height / 2)
        limit = places[index] - height / 2
    return places
