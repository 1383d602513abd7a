"""Every measure over the epochs of fine-tuning: a panel for each measure."""

from collections.abc import Sequence
from dataclasses import dataclass

from matplotlib import rc_context
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from apcli.figures.axes import finish, log_scale, panel_grid, positive
from apcli.figures.study import Series, Study
from apcli.figures.style import mark, settings, shade, shorten, sparsity_name


@dataclass(frozen=True)
class _Line:
    series: Series
    label: str
    color: str
    marker: str


def by_sparsity(study: Study, method: str) -> Figure:
    """One method: a line for each sparsity."""
    lines = [
        _Line(s, sparsity_name(s.sparsity), shade(study.sparsities, s.sparsity), "o")
        for s in study.traced
        if s.method == method
    ]
    return _over_epochs(lines, f"{shorten(method)}: a line for each sparsity")


def by_method(study: Study, sparsity: float) -> Figure:
    """One sparsity: a line for each method."""
    lines = [
        _Line(s, shorten(s.method), *mark(study.methods, s.method)) for s in study.traced if s.sparsity == sparsity
    ]
    return _over_epochs(lines, f"sparsity {sparsity:g}: a line for each method")


def _over_epochs(lines: Sequence[_Line], title: str) -> Figure:
    with rc_context(settings()):
        panels = list(dict.fromkeys((line.series.measure, line.series.unit) for line in lines))
        axes = panel_grid(panels)
        gaps = 0
        for line in lines:
            axis, epochs = axes[panels.index((line.series.measure, line.series.unit))], line.series.epochs
            means, sds, lost = positive(line.series.points)
            gaps += lost
            axis.plot(epochs, means, color=line.color, marker=line.marker, label=line.label)
            if any(sds):
                low = [max(mean - sd, mean / 10) for mean, sd in zip(means, sds, strict=True)]
                high = [mean + sd for mean, sd in zip(means, sds, strict=True)]
                axis.fill_between(epochs, low, high, color=line.color, alpha=0.18, linewidth=0)
        for axis in axes:
            axis.set_xlabel("fine-tuning epoch")
            axis.xaxis.set_major_locator(MaxNLocator(nbins=6, integer=True))
            log_scale(axis)
        return finish(axes, title, gaps)
