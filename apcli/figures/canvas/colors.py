"""The colours and signs of all figures, by name: on white paper, and on a dark page.

Methods have the hues of Okabe & Ito, "Color Universal Design", which are told apart with any colour vision; those that
are too pale for lines on white are darker here. Signs and dashes repeat what a colour says.
"""

import cmath
import math
from collections.abc import Sequence
from dataclasses import dataclass

from apcli.figures.canvas.marks import Dash, Place

_METHODS = (
    ("#0072b2", "#56b4e9"),
    ("#c84e00", "#ff8f4d"),
    ("#00805c", "#2fc79a"),
    ("#a6478c", "#e394c8"),
    ("#8a6a00", "#e0b62e"),
    ("#5a4fcf", "#a9a2ff"),
)
_CONTROLS = (("#1b1f24", "#e6e9ed"), ("#6b7580", "#a8b2bc"))
_SHADES = (  # of an ordered quantity: viridis without the ends that vanish on the paper
    ("#6d9e1b", "#fde725"),
    ("#34935f", "#a0da39"),
    ("#1f8a82", "#4ac16d"),
    ("#277f8e", "#1fa187"),
    ("#2f6d8e", "#2ca3b5"),
    ("#39568c", "#5b9bd5"),
    ("#46327e", "#8e8be8"),
    ("#440154", "#c58af0"),
)
_HEAT = (  # of a cell: from next to nothing to all
    ("#eef3f8", "#1d2833"),
    ("#d3e3f1", "#223c55"),
    ("#b0cfe8", "#274c6b"),
    ("#84b6dc", "#2c5c81"),
    ("#5699cb", "#326d96"),
    ("#2f7ab5", "#5a9fcb"),
    ("#155d97", "#84bfe3"),
    ("#0b4273", "#b3daf2"),
    ("#082a4d", "#e2f2fc"),
)
_PAGE = {
    "ink": ("#1b1f24", "#e6e9ed"),
    "soft": ("#59636e", "#9aa5b1"),
    "line": ("#d8dee4", "#343c46"),
    "paper": ("#ffffff", "#14181d"),
}


def _turned(x: float, y: float, degrees: float) -> Place:
    """A place turned about the middle."""
    turned = complex(x, y) * cmath.rect(1.0, math.radians(degrees))
    return turned.real, turned.imag


def _named(stem: str, pairs: Sequence[tuple[str, str]]) -> dict[str, tuple[str, str]]:
    return {f"{stem}-{number}": pair for number, pair in enumerate(pairs, 1)}


_ALL = {
    **_PAGE,
    **_named("method", _METHODS),
    **_named("control", _CONTROLS),
    **_named("shade", _SHADES),
    **_named("heat", _HEAT),
}
LIGHT = {name: light for name, (light, _) in _ALL.items()}
DARK = {name: dark for name, (_, dark) in _ALL.items()}
SHAPES: dict[str, tuple[Place, ...]] = {  # outlines of radius 1, by matplotlib's names; a disc has no corners
    "o": (),
    "s": ((-0.9, -0.9), (0.9, -0.9), (0.9, 0.9), (-0.9, 0.9)),
    "^": ((0.0, -1.2), (1.15, 0.9), (-1.15, 0.9)),
    "D": ((0.0, -1.25), (1.25, 0.0), (0.0, 1.25), (-1.25, 0.0)),
    "v": ((0.0, 1.2), (1.15, -0.9), (-1.15, -0.9)),
    "<": ((-1.2, 0.0), (0.9, -1.15), (0.9, 1.15)),
}
_CORNERS = ((-0.42, -1.2), (0.42, -1.2), (0.42, -0.42))  # of a quarter of a cross
_CROSS = tuple(corner for turn in range(4) for corner in (_turned(x, y, turn * 90) for x, y in _CORNERS))
CONTROL_SHAPES = {"X": tuple(_turned(x, y, 45) for x, y in _CROSS), "P": _CROSS}


@dataclass(frozen=True)
class Look:
    """The colour, sign and dash of a method: the same in all figures of a page."""

    color: str
    shape: str
    dash: Dash = "solid"


def looks(methods: Sequence[str], controls: Sequence[str]) -> dict[str, Look]:
    """A look for each method and each control; a pair of colour and sign comes again only after all pairs."""
    made = {}
    for index, name in enumerate(methods):
        turn, place = divmod(index, len(_METHODS))
        shapes = list(SHAPES)
        made[name] = Look(f"method-{place + 1}", shapes[(place + turn) % len(shapes)])
    for index, name in enumerate(controls):
        turn, place = divmod(index, len(_CONTROLS))
        shapes = list(CONTROL_SHAPES)
        made[name] = Look(f"control-{place + 1}", shapes[(place + turn) % len(shapes)], "dotted")
    return made


def shade(place: float) -> str:
    """The colour of a place from 0 to 1 in an order, for lines and signs."""
    return f"shade-{1 + round(place * (len(_SHADES) - 1))}"


def ordered(place: int, of: int) -> Look:
    """The look of the member of an order at a place, from 0: pale to dark, with signs that come again."""
    signs = list(SHAPES)
    return Look(shade(place / max(of - 1, 1)), signs[place % len(signs)])


def heat(place: float) -> tuple[str, str]:
    """The colour of a cell for a share from 0 to 1, and that of text on it."""
    number = 1 + round(place * (len(_HEAT) - 1))
    return f"heat-{number}", "paper" if number > (len(_HEAT) + 1) // 2 else "ink"


def variables(values: dict[str, str]) -> str:
    """``LIGHT`` or ``DARK`` as declarations of a style sheet: ``--ink: #1b1f24; …``."""
    return " ".join(f"--{name}: {value};" for name, value in values.items())
