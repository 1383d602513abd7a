"""Write a drawing as PNG and PDF, with matplotlib and the colours of white paper.

There is no pyplot and so no global figure, and a user's matplotlibrc has no effect.
"""

import io
from typing import Any

import matplotlib
from matplotlib import rc_context
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Polygon
from matplotlib.text import Text
from matplotlib.transforms import Affine2D

from apcli.figures.canvas.colors import LIGHT
from apcli.figures.canvas.marks import Anchor, Area, Dash, Dots, Drawing, Line, Mark, Words
from apcli.figures.canvas.svg import SIZE

_INCH = 96.0  # pixels
_POINT = 72 / _INCH
_DASHES: dict[Dash, Any] = {"solid": "-", "dashed": (0, (3.2, 2)), "dotted": (0, (1, 2))}
_ALIGNED: dict[Anchor, Any] = {"start": "left", "middle": "center", "end": "right"}


def png(drawing: Drawing) -> bytes:
    """The drawing as PNG at twice its pixels, without date or program version."""
    return _saved(drawing, "png", {"Software": None})


def pdf(drawing: Drawing) -> bytes:
    """The drawing as PDF, fonts embedded, without date or program version."""
    return _saved(drawing, "pdf", {"Title": drawing.title, "CreationDate": None, "Creator": None, "Producer": None})


def _saved(drawing: Drawing, form: str, metadata: dict[str, str | None]) -> bytes:
    defaults: dict[Any, Any] = {k: v for k, v in matplotlib.rcParamsDefault.items() if not k.startswith("backend")}
    buffer = io.BytesIO()
    with rc_context({**defaults, "font.size": SIZE * _POINT, "pdf.fonttype": 42}):
        figure = Figure(figsize=(drawing.width / _INCH, drawing.height / _INCH))
        places = Affine2D().scale(1, -1).translate(0, drawing.height).scale(1 / _INCH) + figure.dpi_scale_trans
        for mark in drawing.marks:
            for artist in _artists(mark, places):
                figure.add_artist(artist)
        figure.savefig(buffer, format=form, dpi=2 * _INCH, facecolor=LIGHT["paper"], metadata=metadata)
    return buffer.getvalue()


def _artists(mark: Mark, places: Any) -> list[Any]:
    color = LIGHT[mark.color]
    if isinstance(mark, Words):
        text = Text(*mark.place, mark.text, color=color, ha=_ALIGNED[mark.anchor], va="center_baseline")
        text.set(rotation_mode="anchor", rotation=90 if mark.turned else 0, parse_math=False, transform=places)
        text.set_fontweight("bold" if mark.bold else "normal")
        return [text]
    if isinstance(mark, Area):
        return [Polygon(mark.places, closed=True, facecolor=color, alpha=mark.opacity, transform=places)]
    xs, ys = zip(*mark.places, strict=True)
    if isinstance(mark, Line):
        width, dash = mark.width * _POINT, _DASHES[mark.dash]
        return [Line2D(xs, ys, color=color, linewidth=width, linestyle=dash, solid_capstyle="butt", transform=places)]
    return [_signs(mark, xs, ys, color, places)]


def _signs(mark: Dots, xs: Any, ys: Any, color: str, places: Any) -> Line2D:
    paper = LIGHT["paper"]
    face, edge, width = (paper, color, 1.4) if mark.hollow else (color, paper, 0.6)
    return Line2D(
        xs,
        ys,
        linestyle="none",
        marker=mark.shape,
        markersize=2 * mark.size * _POINT,
        markerfacecolor=face,
        markeredgecolor=edge,
        markeredgewidth=width * _POINT,
        transform=places,
    )
