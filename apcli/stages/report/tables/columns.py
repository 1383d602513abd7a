"""The tables of a report, by columns: numbers with what stands beside them, under headings that neighbours share."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from apcli.stages.report.tables.notation import Notation, notation_of
from apcli.stages.report.words import UNKNOWN, is_point

Cell = str | float | int | None
Interval = tuple[float, float] | None


@dataclass(frozen=True)
class CellText:
    """A cell as text: the number or the words, what stands behind ±, and an interval in brackets."""

    main: str
    spread: str = ""
    interval: str = ""

    @property
    def whole(self) -> str:
        return " ".join(filter(None, [self.main, f"± {self.spread}" if self.spread else "", self.interval]))


@dataclass(frozen=True)
class Column:
    """A column: words, or numbers of one unit.

    Attributes:
        name: without its unit.
        cells: by row; None where a number is not known.
        group: the heading that neighbouring columns share.
        unit: of the numbers.
        spread: by row, what stands behind ± unless it is 0, named ``spread_is``; empty if nothing does.
        interval: by row, an interval; empty if there is none.
        networks: by row, how many networks the interval is of; empty: not known. One without width says that the number
            is the same in all of them.
        decimals: of all numbers; None: three significant digits.
        floor: of a smaller number it is said that it is smaller; None: no number is.
        further: whether the column is left to those who ask for all columns.
    """

    name: str
    cells: tuple[Cell, ...]
    group: str = ""
    unit: str = ""
    spread: tuple[float | None, ...] = ()
    spread_is: str = "sd"
    interval: tuple[Interval, ...] = ()
    networks: tuple[int | None, ...] = ()
    decimals: int | None = None
    floor: float | None = None
    further: bool = False

    @property
    def is_number(self) -> bool:
        """Whether all known cells are numbers, and one is known."""
        known = [cell for cell in self.cells if cell is not None]
        return bool(known) and not any(isinstance(cell, str) for cell in known)

    @property
    def is_constant(self) -> bool:
        """Whether every row says the same."""
        return all(len(set(values)) <= 1 for values in (self.cells, self.spread, self.interval))

    @property
    def heading(self) -> str:
        """Group, name and unit: ``test accuracy, final, %``."""
        return ", ".join(filter(None, [self.group, self.name, self.unit]))

    def texts(self) -> list[CellText]:
        """The cells; numbers in one notation."""
        numbers = [cell for cell in self.cells if isinstance(cell, int | float)]
        notation = notation_of(numbers, self.decimals)
        return [self._text(row, cell, notation) for row, cell in enumerate(self.cells)]

    def numbers(self) -> Iterator[tuple[str, tuple[Cell, ...]]]:
        """The heading and the cells of the column in full precision, and those of what stands beside."""
        yield self.heading, self.cells
        if self.spread:
            yield f"{self.heading}, {self.spread_is}", self.spread
        if self.interval:
            for end, name in enumerate(("low", "high")):
                yield f"{self.heading}, {name}", tuple(None if pair is None else pair[end] for pair in self.interval)

    def _text(self, row: int, cell: Cell, notation: Notation) -> CellText:
        if cell is None:
            return CellText(UNKNOWN)
        if isinstance(cell, str):
            return CellText(cell)
        if self.floor is not None and cell < self.floor:
            return CellText(f"< {notation.text(self.floor)}")
        spread = self.spread[row] if self.spread else None
        pair = self.interval[row] if self.interval else None
        around = "" if pair is None else f"[{notation.text(pair[0])}, {notation.text(pair[1])}]"
        if is_point(pair) and self.networks:
            around = f"same in all {self.networks[row]}"
        return CellText(notation.text(cell), notation.spread(spread) if spread else "", around)


@dataclass(frozen=True)
class ReportTable:
    """A table: its name (for files), title, caption and columns; the first ``keys`` columns tell rows apart."""

    name: str
    title: str
    caption: str
    columns: tuple[Column, ...]
    keys: int = 1

    def __len__(self) -> int:
        """The number of rows."""
        return len(self.columns[0].cells) if self.columns else 0

    @property
    def varying(self) -> tuple[Column, ...]:
        """The columns that are worth a place: keys, and those whose rows differ."""
        if len(self) < 2:
            return self.columns
        return tuple(c for place, c in enumerate(self.columns) if place < self.keys or not c.is_constant)

    @property
    def constant(self) -> str:
        """A sentence on the columns that say the same in every row; empty if there is none."""
        same = [column for column in self.columns if column not in self.varying]
        known = [column for column in same if column.cells[0] is not None]
        said = [f"{_named(column)} {column.texts()[0].whole}{_unit(column)}" for column in known]
        return f"The same in every row: {', '.join(said)}." if said else ""


def table_of(name: str, title: str, columns: Sequence[Column | None], caption: str = "", keys: int = 1) -> ReportTable:
    """A table of the columns that there are and in which something is known."""
    kept = [c for c in columns if c is not None and any(cell is not None for cell in c.cells)]
    return ReportTable(name, title, caption, tuple(kept), keys)


def _named(column: Column) -> str:
    return f"{column.group} {column.name}".strip()


def _unit(column: Column) -> str:
    return f" {column.unit}" if column.unit else ""
