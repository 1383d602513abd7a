"""Panels and logarithmic axes, shared by several figures."""

import math
from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter, NullLocator

from apcli.figures.study import Point
from apcli.figures.style import empty_figure, shorten

COLUMNS = 6
LEGEND_COLUMNS = 6
LETTER = 0.085  # inches, about, at the size of a label
GAPS = "A log axis has no place for values ≤ 0: {} left out as gaps."


def panel_grid(panels: Sequence[tuple[str, str]]) -> list[Axes]:
    """An axis for each panel (measure, unit), in rows of a new figure."""
    columns = min(max(len(panels), 1), COLUMNS)
    rows = math.ceil(max(len(panels), 1) / columns)
    figure = empty_figure(2.9 * columns + 0.2, 2.9 * rows + 0.75)
    axes = list(figure.subplots(rows, columns, squeeze=False).flat)
    for axis in axes[len(panels) :]:
        axis.remove()
    for axis, (measure, unit) in zip(axes, panels, strict=False):
        axis.set(title=shorten(measure).replace(" (", "\n("), ylabel=shorten(unit))
    return axes[: len(panels)]


def finish(axes: Sequence[Axes], title: str, gaps: int) -> Figure:
    """Add a title and the legend of the first panel to the figure of a panel grid."""
    figure = axes[0].figure
    assert isinstance(figure, Figure)
    handles, labels = axes[0].get_legend_handles_labels()
    column = LETTER * max(map(len, labels), default=0) + 0.6  # inches, with the mark and the gap before it
    if column * min(len(labels), LEGEND_COLUMNS) + 1.2 * LETTER * len(title) <= figure.get_figwidth():
        figure.legend(handles, labels, loc="outside upper right", ncols=LEGEND_COLUMNS)
    else:  # no room beside the title: place it right of the panels, in columns of their height
        columns = math.ceil(len(labels) * 0.22 / (figure.get_figheight() - 0.75))
        figure.set_figwidth(figure.get_figwidth() + column * columns)
        figure.legend(handles, labels, loc="outside right upper", ncols=columns)
    return note(figure, title, gaps)


def note(figure: Figure, title: str, gaps: int) -> Figure:
    """Give a figure its title and, if values had no place on a log axis, a line that says how many."""
    figure.suptitle(title, x=0.008, ha="left", fontsize=12)
    if gaps:
        figure.supxlabel(GAPS.format(gaps), x=0.008, ha="left", fontsize=9, color="#555555")
    return figure


def positive(points: Sequence[Point]) -> tuple[list[float], list[float], int]:
    """Means (NaN for a gap), sds (0 where unknown), and how many known means have no place on a log axis."""
    shown = [p.mean is not None and p.mean > 0 for p in points]
    means = [p.mean if ok and p.mean is not None else math.nan for p, ok in zip(points, shown, strict=True)]
    sds = [p.sd or 0.0 if ok else math.nan for p, ok in zip(points, shown, strict=True)]
    return means, sds, sum(p.mean is not None and not ok for p, ok in zip(points, shown, strict=True))


def log_scale(axis: Axes) -> None:
    """Log scale, with ticks that are still numbers when the values span less than two decades."""
    axis.set_yscale("log")
    axis.margins(0.08)
    limits = ((axis.xaxis, axis.get_xlim, axis.set_xlim), (axis.yaxis, axis.get_ylim, axis.set_ylim))
    for side, limit, set_limit in limits:
        if side.get_scale() != "log":
            continue
        if not 0 < limit()[0] < limit()[1]:
            set_limit(0.1, 10.0)
        decades = math.log10(limit()[1] / limit()[0])
        side.set_minor_formatter(NullFormatter())
        if decades < 2:
            side.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)) if decades > 0.7 else MaxNLocator(nbins=4))
            side.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        if decades <= 0.7:
            side.set_minor_locator(NullLocator())
