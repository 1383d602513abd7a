"""Write a drawing as SVG: text stays text, and on a page the colours are the page's."""

import functools
import re
from collections.abc import Callable, Sequence
from html import escape

from apcli.figures.canvas.colors import CONTROL_SHAPES, LIGHT, SHAPES
from apcli.figures.canvas.marks import Area, Dots, Drawing, Line, Mark, Place, Words

SIZE = 12  # pixels, 9 points
_FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, 'DejaVu Sans', sans-serif"
_DASHES = {"solid": "", "dashed": "5 3", "dotted": "1.5 3"}
_FORBIDDEN = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")  # in XML


def svg(drawing: Drawing) -> str:
    """A file that needs no other: the colours of white paper."""
    head = '<?xml version="1.0" encoding="UTF-8"?>\n'
    return head + _element(drawing, "figure", LIGHT.__getitem__, 'xmlns="http://www.w3.org/2000/svg" ')


def element(drawing: Drawing, key: str) -> str:
    """The element for a page that declares the colours' names as variables; ``key`` makes its identifiers unique."""
    return _element(drawing, key, lambda name: f"var(--{name})")


def _element(drawing: Drawing, key: str, paint: Callable[[str], str], attributes: str = "") -> str:
    width, height = _number(drawing.width), _number(drawing.height)
    key = escape(key)
    return "\n".join(
        [
            f'<svg {attributes}viewBox="0 0 {width} {height}" width="{width}" height="{height}" role="img" '
            f'aria-labelledby="{key}-title" aria-describedby="{key}-words" font-family="{_FONT}" font-size="{SIZE}">',
            f'<title id="{key}-title">{_text(drawing.title)}</title>',
            f'<desc id="{key}-words">{_text(drawing.description)}</desc>',
            *(_mark(mark, paint) for mark in drawing.marks),
            "</svg>\n",
        ]
    )


def _mark(mark: Mark, paint: Callable[[str], str]) -> str:
    color = paint(mark.color)
    if isinstance(mark, Words):
        return _words(mark, color)
    if isinstance(mark, Area):
        style, path = f"fill:{color}", f"{_path(mark.places)}z"
        style += f";fill-opacity:{_number(mark.opacity, 2)}" if mark.opacity < 1 else ""
    elif isinstance(mark, Line):
        style, path = f"fill:none;stroke:{color};stroke-width:{_number(mark.width)}", _path(mark.places)
        style += f";stroke-dasharray:{_DASHES[mark.dash]}" if mark.dash != "solid" else ""
    else:
        style, path = _dots(mark, color, paint("paper"))
    name = f"<title>{_text(mark.name)}</title>" if mark.name else ""
    return f'<path d="{path}" style="{style}">{name}</path>' if name else f'<path d="{path}" style="{style}"/>'


def _dots(mark: Dots, color: str, paper: str) -> tuple[str, str]:
    sign = _sign(mark.shape, mark.size)
    path = "".join(f"M{_number(x)} {_number(y)}{sign}" for x, y in mark.places)
    if mark.hollow:
        return f"fill:{paper};stroke:{color};stroke-width:1.4", path
    return f"fill:{color};stroke:{paper};stroke-width:.6", path


@functools.cache
def _sign(shape: str, size: float) -> str:
    """The outline of a sign as steps from its middle."""
    if shape == "o":
        r = _number(size)
        return f"m-{r} 0" + "".join(f"a{r} {r} 0 1 0 {sign}{_number(2 * size)} 0" for sign in ("", "-"))
    corners = (SHAPES | CONTROL_SHAPES)[shape]
    steps = zip(((0.0, 0.0), *corners), corners, strict=False)
    moves = [f"{_number((x - u) * size)} {_number((y - v) * size)}" for (u, v), (x, y) in steps]
    return f"m{'l'.join(moves)}z"


def _words(mark: Words, color: str) -> str:
    x, y = mark.place
    at = f'x="{_number(x)}" y="{_number(y)}" dy=".35em"'
    if mark.turned:
        at = f'transform="translate({_number(x)} {_number(y)}) rotate(-90)" dy=".35em"'
    anchor = "" if mark.anchor == "start" else f";text-anchor:{mark.anchor}"
    bold = ";font-weight:600" if mark.bold else ""
    return f'<text {at} style="fill:{color}{anchor}{bold}">{_text(mark.text)}</text>'


def _path(places: Sequence[Place]) -> str:
    return "M" + "L".join(f"{_number(x)} {_number(y)}" for x, y in places)


def _number(value: float, decimals: int = 1) -> str:
    """A number in as few characters as a reader of SVG needs."""
    text = f"{value:.{decimals}f}".rstrip("0").rstrip(".") if decimals else f"{value:.0f}"
    return "0" if text in ("", "-0") else text


def _text(text: str) -> str:
    return escape(_FORBIDDEN.sub("\ufffd", text), quote=False)
