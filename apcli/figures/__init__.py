"""Figures of AP and PD: numbers in, a matplotlib ``Figure`` out; the same numbers give the same bytes.

No pyplot and so no global figure; settings hold only while a figure is drawn or saved. Every value axis is logarithmic:
a value that is zero, negative or not known is a gap, and a line of the figure says so.
"""

import io
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import matplotlib
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter, NullLocator

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
COLUMNS = 6
ABREAST = 4  # panels of a scatter in a row
LONGEST = 40
GAPS = "A log axis has no place for values ≤ 0: {} left out as gaps."
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


@dataclass(frozen=True)
class Point:
    """Mean over seeds with its sample sd (None for one seed); None for a value that is not known."""

    mean: float | None
    sd: float | None = None


@dataclass(frozen=True)
class Series:
    """One measure of one run: a point per traced epoch (none if not traced) and the final one.

    ``kind`` is ``ap`` or ``pd``; ``unit`` labels the value axis.
    """

    method: str
    sparsity: float | None
    measure: str
    unit: str
    kind: str
    epochs: tuple[int, ...]
    points: tuple[Point, ...]
    final: Point


@dataclass(frozen=True)
class Estimate:
    """A value with its interval (None if not known); ``best`` of its panel, or known to be ``lower`` than the best."""

    value: float
    interval: tuple[float, float] | None
    best: bool = False
    lower: bool = False


def by_sparsity(series: Sequence[Series], method: str) -> Figure:
    """One method: a panel per measure over fine-tuning epochs, a line per sparsity."""
    sparsities = sorted({s.sparsity for s in series if s.sparsity is not None})
    chosen = [s for s in series if s.method == method and s.epochs]
    labelled = [(s, _sparsity_name(s.sparsity), _shade(sparsities, s.sparsity), "o") for s in chosen]
    return _epochs(labelled, f"{shorten(method)}: a line for each sparsity")


def by_method(series: Sequence[Series], sparsity: float) -> Figure:
    """One sparsity: a panel per measure over fine-tuning epochs, a line per method."""
    methods = list(dict.fromkeys(s.method for s in series))
    chosen = [s for s in series if s.sparsity == sparsity and s.epochs]
    labelled = [(s, shorten(s.method), *mark(methods, s.method)) for s in chosen]
    return _epochs(labelled, f"sparsity {sparsity:g}: a line for each method")


def over_sparsity(series: Sequence[Series]) -> Figure:
    """The final values: a panel per measure over sparsity, a line per method, sd over seeds as error bars."""
    methods = list(dict.fromkeys(s.method for s in series))
    known = all(s.sparsity is not None for s in series)
    with rc_context(settings()):
        panels, axes = _grid(list(dict.fromkeys((s.measure, s.unit) for s in series)))
        gaps = 0
        for panel, axis in zip(panels, axes, strict=True):
            for method in methods:
                color, marker = mark(methods, method)
                members = [s for s in series if (s.measure, s.unit) == panel and s.method == method]
                xs = [s.sparsity if known and s.sparsity is not None else float(methods.index(method)) for s in members]
                means, sds, lost = _positive([s.final for s in members])
                gaps += lost
                low = [min(sd, 0.9 * mean) for mean, sd in zip(means, sds, strict=True)]
                axis.errorbar(
                    xs, means, yerr=[low, sds], color=color, marker=marker, capsize=2.5, label=shorten(method)
                )
            axis.set_xlabel("sparsity" if known else "")
            if known:
                axis.set_xticks(sorted({s.sparsity for s in series if s.sparsity is not None}))
            else:
                axis.set_xticks(range(len(methods)), [shorten(m) for m in methods], rotation=30, ha="right")
            _log(axis)
        return _finish(axes, "final values: a line for each method" if known else "final values", gaps)


def ap_against_pd(series: Sequence[Series]) -> Figure:
    """The final PD (a row each) against every AP measure (a column each), log-log: colour = method, size = sparsity."""
    methods = list(dict.fromkeys(s.method for s in series))
    sparsities = sorted({s.sparsity for s in series if s.sparsity is not None})
    measures, targets = (
        list(dict.fromkeys((s.measure, s.unit) for s in series if s.kind == kind)) for kind in ("ap", "pd")
    )
    values = {(s.method, s.sparsity, s.measure): s.final.mean for s in series}
    runs = list(dict.fromkeys((s.method, s.sparsity) for s in series))
    panels = [(measure, target) for target in targets for measure in measures]
    columns = min(len(measures), ABREAST) or 1
    lines = math.ceil(len(measures) / columns) or 1  # of one target
    with rc_context(settings()):
        figure = empty_figure(3.9 * columns + 1.6, 3.3 * lines * max(len(targets), 1) + 0.5)
        grid = figure.subplots(lines * max(len(targets), 1), columns, squeeze=False)
        gaps = 0
        for index, (measure, target) in enumerate(panels):
            line, column = divmod(index % len(measures), columns)
            axis = grid[index // len(measures) * lines + line][column]
            for run in runs:
                x, y = values.get((*run, measure[0])), values.get((*run, target[0]))
                if x is None or y is None:
                    continue
                gaps += x <= 0 or y <= 0
                if x > 0 and y > 0:
                    color, marker = mark(methods, run[0])
                    area = _area(sparsities, run[1])
                    axis.scatter([x], [y], s=area, color=color, marker=marker, alpha=0.85, edgecolors="white", lw=0.6)
            names = [f"{shorten(name)} ({shorten(of)})" for name, of in (measure, target)]
            axis.set(xscale="log", xlabel=names[0], ylabel=names[1])
            _log(axis)
        for axis in grid.flat:
            if not axis.get_xlabel():
                axis.remove()
        handles = [_handle(shorten(m), *mark(methods, m), 7.0) for m in methods]
        handles += [_handle(_sparsity_name(s), "#888888", "o", math.sqrt(_area(sparsities, s))) for s in sparsities]
        figure.legend(handles=handles, loc="outside right upper", labelspacing=0.9)
        return note(figure, "final PD against AP: a mark for each run", gaps)


def ranking(panels: Mapping[str, Mapping[str, Estimate]]) -> Figure:
    """Rank correlations: a panel each, a line per name, in the order in which the names first come."""
    names = list(dict.fromkeys(name for panel in panels.values() for name in panel))
    with rc_context(settings()):
        width = 2.4 * len(panels) + 0.085 * max(min(len(name), LONGEST) for name in names) + 0.4
        figure = empty_figure(width, 0.27 * len(names) + 1.3)
        axes = figure.subplots(1, len(panels), squeeze=False, sharex=True, sharey=True)[0]
        for axis, (title, panel) in zip(axes, panels.items(), strict=True):
            for name, found in panel.items():
                place = names.index(name)
                color = PALETTE[1] if found.best else PALETTE[0]
                if found.interval:
                    axis.plot(found.interval, [place, place], color=color, linewidth=1.6, solid_capstyle="butt")
                face = "white" if found.lower else color
                axis.plot([found.value], [place], marker="o", markersize=6, color=color, markerfacecolor=face)
            axis.axvline(0, color="#888888", linewidth=0.8)
            axis.set_title(title, fontsize=10)
            axis.set_xlabel("Kendall’s τ")
            axis.grid(axis="y", visible=False)
        axes[0].set_yticks(range(len(names)), [shorten(name) for name in names])
        axes[0].set_ylim(len(names) - 0.5, -0.5)
        return figure


def svg(figure: Figure) -> bytes:
    """The figure as SVG, its text as outlines (no font needed), without date or program version."""
    return _save(figure, "svg", {"Date": None, "Creator": None, "Format": None, "Type": None})


def png(figure: Figure) -> bytes:
    """The figure as PNG at 160 dots per inch, without date or program version."""
    return _save(figure, "png", {"Software": None})


def _epochs(labelled: Sequence[tuple[Series, str, str, str]], title: str) -> Figure:
    with rc_context(settings()):
        panels, axes = _grid(list(dict.fromkeys((s.measure, s.unit) for s, *_ in labelled)))
        gaps = 0
        for series, label, color, marker in labelled:
            axis = axes[panels.index((series.measure, series.unit))]
            means, sds, lost = _positive(series.points)
            gaps += lost
            axis.plot(series.epochs, means, color=color, marker=marker, label=label)
            if any(sds):
                low = [max(mean - sd, mean / 10) for mean, sd in zip(means, sds, strict=True)]
                high = [mean + sd for mean, sd in zip(means, sds, strict=True)]
                axis.fill_between(series.epochs, low, high, color=color, alpha=0.18, linewidth=0)
        for axis in axes:
            axis.set_xlabel("fine-tuning epoch")
            axis.xaxis.set_major_locator(MaxNLocator(nbins=6, integer=True))
            _log(axis)
        return _finish(axes, title, gaps)


def settings() -> dict[Any, Any]:
    """Ours over matplotlib's own defaults, so that a user's matplotlibrc changes nothing."""
    defaults = {k: v for k, v in matplotlib.rcParamsDefault.items() if not k.startswith("backend")}
    return {**defaults, **STYLE}


def empty_figure(width: float, height: float) -> Figure:
    """An empty figure, inches, that makes room for its labels; rows of panels keep a gap."""
    return Figure(figsize=(width, height), layout=ConstrainedLayoutEngine(hspace=0.05))


def _grid(panels: list[tuple[str, str]]) -> tuple[list[tuple[str, str]], list[Axes]]:
    columns = min(max(len(panels), 1), COLUMNS)
    rows = math.ceil(max(len(panels), 1) / columns)
    figure = empty_figure(2.9 * columns + 0.2, 2.9 * rows + 0.75)
    axes = list(figure.subplots(rows, columns, squeeze=False).flat)
    for axis in axes[len(panels) :]:
        axis.remove()
    for axis, (measure, unit) in zip(axes, panels, strict=False):
        axis.set(title=shorten(measure).replace(" (", "\n("), ylabel=shorten(unit))
    return panels, axes[: len(panels)]


def _finish(axes: Sequence[Axes], title: str, gaps: int) -> Figure:
    figure = axes[0].figure
    assert isinstance(figure, Figure)
    handles, labels = axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper right", ncols=6)
    return note(figure, title, gaps)


def note(figure: Figure, title: str, gaps: int) -> Figure:
    """Give a figure its title and, if values had no place on a log axis, a line that says how many."""
    figure.suptitle(title, x=0.008, ha="left", fontsize=12)
    if gaps:
        figure.supxlabel(GAPS.format(gaps), x=0.008, ha="left", fontsize=9, color="#555555")
    return figure


def _positive(points: Sequence[Point]) -> tuple[list[float], list[float], int]:
    """Means (NaN for a gap), sds (0 where unknown), and how many known means have no place on a log axis."""
    shown = [p.mean is not None and p.mean > 0 for p in points]
    means = [p.mean if ok and p.mean is not None else math.nan for p, ok in zip(points, shown, strict=True)]
    sds = [p.sd or 0.0 if ok else math.nan for p, ok in zip(points, shown, strict=True)]
    return means, sds, sum(p.mean is not None and not ok for p, ok in zip(points, shown, strict=True))


def _log(axis: Axes) -> None:
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


def mark(methods: Sequence[str], method: str) -> tuple[str, str]:
    """A method's colour and marker; as many pairs as there are colours times markers before one comes again."""
    turn, index = divmod(methods.index(method), len(PALETTE))
    return PALETTE[index], MARKERS[(index + turn) % len(MARKERS)]


def _shade(sparsities: Sequence[float], sparsity: float | None) -> str:
    """Light to dark as more is removed (viridis without its palest end)."""
    if sparsity is None:
        return PALETTE[-1]
    place = sparsities.index(sparsity) / max(len(sparsities) - 1, 1)
    return matplotlib.colors.to_hex(matplotlib.colormaps["viridis"](0.82 * (1 - place)))


def _area(sparsities: Sequence[float], sparsity: float | None) -> float:
    return 60.0 if sparsity is None else 30.0 + 170.0 * sparsities.index(sparsity) / max(len(sparsities) - 1, 1)


def _sparsity_name(sparsity: float | None) -> str:
    return "sparsity unknown" if sparsity is None else f"sparsity {sparsity:g}"


def shorten(name: str) -> str:
    """A name from outside, short enough for a label, its dollar signs not read as mathematics."""
    return (name if len(name) <= LONGEST else f"{name[: LONGEST - 1]}…").replace("$", r"\$")


def _handle(label: str, color: str, marker: str, size: float) -> Line2D:
    return Line2D([], [], linestyle="", color=color, marker=marker, markersize=size, label=label)


def _save(figure: Figure, form: str, metadata: dict[str, None]) -> bytes:
    buffer = io.BytesIO()
    with rc_context(settings()):
        figure.savefig(buffer, format=form, dpi=160, facecolor="white", metadata=metadata)
    return buffer.getvalue()
