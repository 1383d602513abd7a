"""Panels with a row for each name: the names stand at the left, the first one on top."""

from collections.abc import Sequence
from dataclasses import dataclass

from apcli.figures.canvas.marks import Words
from apcli.figures.canvas.panels import ROW, WIDTH, Head, Panel, Sheet
from apcli.figures.canvas.scales import Scale
from apcli.figures.canvas.words import shortened, width_of

_SCALE, _GAP = 46.0, 8.0  # pixels that a panel leaves for numbers, which rows have none of; and behind a name


@dataclass(frozen=True)
class Rows:
    """Rows of these names; they have a place of ``width`` pixels, and longer ones are shortened."""

    names: tuple[str, ...]
    width: float

    @classmethod
    def of(cls, names: Sequence[str], most: float) -> "Rows":
        """As much place as the names need, at most ``most`` pixels."""
        return cls(tuple(names), min(max(map(width_of, names)), most))

    def only(self, names: Sequence[str]) -> "Rows":
        """Some of the rows, with the place of all."""
        return Rows(tuple(names), self.width)

    def height(self, name: str) -> float:
        """The value of a panel's vertical scale at which a row stands."""
        return float(len(self.names) - 1 - self.names.index(name))

    def panels(self, sheet: Sheet, heads: Sequence[Head], x: Scale, axis: str, abreast: int = 1) -> list[Panel]:
        """A panel for each head beside each other, as wide as if there were ``abreast`` of them."""
        y = Scale(-0.6, len(self.names) - 0.4, ())
        beside = self.width + 2 * _GAP
        each = (WIDTH - beside) / abreast
        boxes = sheet.row(heads, [(each, 0.0)] * len(heads), len(self.names) * (ROW + 4), left=beside - _SCALE)
        panels = [Panel(sheet, box, x, y, axis) for box in boxes]
        for name in self.names:
            place = boxes[0].left - _GAP, panels[0].at(0.0, self.height(name))[1]
            sheet.marks.append(Words(place, shortened(name, self.width), "ink", "end"))
        return panels
