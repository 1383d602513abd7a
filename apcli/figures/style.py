"""The look of all figures: colours, markers, matplotlib's settings, and how a figure is saved."""

import io
from collections.abc import Sequence
from typing import Any

import matplotlib
from matplotlib import rc_context
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine

PALETTE = (
    "#0072B2",
    "#D55E00",
    "#009E73",
    "#CC79A7",
    "#E69F00",
    "#56B4E9",
    "#444444",
)  # Okabe & Ito, "Color Universal Design"
MARKERS = ("o", "s", "^", "D", "v", "P", "X")
LONGEST = 40
STYLE: dict[Any, Any] = {
    "font.family": "DejaVu Sans",
    "font.size": 10,
    "axes.titlesize": 11,
    "axes.titleweight": "bold",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": "#555555",
    "axes.axisbelow": True,
    "axes.grid": True,
    "grid.color": "#dddddd",
    "grid.linewidth": 0.7,
    "lines.linewidth": 1.8,
    "lines.markersize": 4.5,
    "legend.frameon": False,
    "svg.fonttype": "path",
    "svg.hashsalt": "apcli",
}


def settings() -> dict[Any, Any]:
    """Apply our settings to matplotlib's defaults, so that a user's matplotlibrc has no effect."""
    defaults = {k: v for k, v in matplotlib.rcParamsDefault.items() if not k.startswith("backend")}
    return {**defaults, **STYLE}


def empty_figure(width: float, height: float) -> Figure:
    """An empty figure, inches, that makes room for its labels; rows of panels keep a gap."""
    return Figure(figsize=(width, height), layout=ConstrainedLayoutEngine(hspace=0.05))


def mark(methods: Sequence[str], method: str) -> tuple[str, str]:
    """A method's colour and marker; a pair is reused only after all combinations."""
    turn, index = divmod(methods.index(method), len(PALETTE))
    return PALETTE[index], MARKERS[(index + turn) % len(MARKERS)]


def shade(sparsities: Sequence[float], sparsity: float | None) -> str:
    """A sparsity's colour, darker for higher ones (viridis without its palest end)."""
    if sparsity is None:
        return PALETTE[-1]
    place = sparsities.index(sparsity) / max(len(sparsities) - 1, 1)
    return matplotlib.colors.to_hex(matplotlib.colormaps["viridis"](0.82 * (1 - place)))


def sparsity_name(sparsity: float | None) -> str:
    """A sparsity as text for a legend."""
    return "sparsity unknown" if sparsity is None else f"sparsity {sparsity:g}"


def shorten(name: str) -> str:
    """A name shortened for a label, with escaped dollar signs, which matplotlib would read as mathematics."""
    return (name if len(name) <= LONGEST else f"{name[: LONGEST - 1]}…").replace("$", r"\$")


def svg(figure: Figure) -> bytes:
    """The figure as SVG, its text as outlines (no font needed), without date or program version."""
    return _save(figure, "svg", {"Date": None, "Creator": None, "Format": None, "Type": None})


def png(figure: Figure) -> bytes:
    """The figure as PNG at 160 dots per inch, without date or program version."""
    return _save(figure, "png", {"Software": None})


def _save(figure: Figure, form: str, metadata: dict[str, None]) -> bytes:
    buffer = io.BytesIO()
    with rc_context(settings()):
        figure.savefig(buffer, format=form, dpi=160, facecolor="white", metadata=metadata)
    return buffer.getvalue()
