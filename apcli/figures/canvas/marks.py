"""A figure as data: lines, areas, dots and words at places, and the numbers behind them.

A place is (x, y) in pixels of 1/96 inch from the upper left corner; a colour is a name of ``colors``.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

Place = tuple[float, float]
Dash = Literal["solid", "dashed", "dotted"]
Anchor = Literal["start", "middle", "end"]
Value = str | int | float | None


class Missing(Exception):
    """A figure has nothing to show; the message says why, as one line without a full stop."""


@dataclass(frozen=True)
class Line:
    """A line through places; ``name`` says what it stands for where a reader points at it."""

    places: Sequence[Place]
    color: str
    width: float = 1.6
    dash: Dash = "solid"
    name: str = ""


@dataclass(frozen=True)
class Area:
    """A filled polygon; ``opacity`` from 0 to 1."""

    places: Sequence[Place]
    color: str
    opacity: float = 1.0
    name: str = ""


@dataclass(frozen=True)
class Dots:
    """The same sign at several places: ``shape`` is one of ``colors.SHAPES``, ``size`` its radius."""

    places: Sequence[Place]
    color: str
    shape: str = "o"
    size: float = 3.2
    hollow: bool = False
    name: str = ""


@dataclass(frozen=True)
class Words:
    """One line of text whose middle is at the height of ``place``; ``turned`` reads upwards."""

    place: Place
    text: str
    color: str = "ink"
    anchor: Anchor = "start"
    bold: bool = False
    turned: bool = False


Mark = Line | Area | Dots | Words


@dataclass(frozen=True)
class Drawing:
    """A figure of a given size.

    Attributes:
        title: of one line.
        description: what is drawn, for who does not see it.
        columns: the numbers behind the marks, by the name of the column, all of one length.
    """

    title: str
    description: str
    width: float
    height: float
    marks: Sequence[Mark]
    columns: Mapping[str, Sequence[Value]]


def columns_of(names: Sequence[str], rows: Iterable[Sequence[Value]]) -> dict[str, tuple[Value, ...]]:
    """Columns from rows, all of the length of ``names``; columns of nothing if there is no row."""
    listed = list(rows)
    return {name: tuple(row[index] for row in listed) for index, name in enumerate(names)}
