"""Rank correlations with their intervals: a panel for each ranking, a line for each measure."""

from matplotlib import rc_context
from matplotlib.figure import Figure

from apcli.figures.axes import LETTER
from apcli.figures.study import Study
from apcli.figures.style import LONGEST, PALETTE, empty_figure, settings, shorten


def ranking(study: Study) -> Figure:
    """Measures from top to bottom in the order in which the rankings first name them."""
    panels = study.rankings
    names = list(dict.fromkeys(name for panel in panels.values() for name in panel))
    with rc_context(settings()):
        width = 2.4 * len(panels) + LETTER * max(min(len(name), LONGEST) for name in names) + 0.4
        figure = empty_figure(width, 0.27 * len(names) + 1.3)
        axes = figure.subplots(1, len(panels), squeeze=False, sharex=True, sharey=True)[0]
        for axis, (title, panel) in zip(axes, panels.items(), strict=True):
            for name, estimate in panel.items():
                place = names.index(name)
                color = PALETTE[1] if estimate.best else PALETTE[0]
                if estimate.interval:
                    axis.plot(estimate.interval, [place, place], color=color, linewidth=1.6, solid_capstyle="butt")
                face = "white" if estimate.lower else color
                axis.plot([estimate.value], [place], marker="o", markersize=6, color=color, markerfacecolor=face)
            axis.axvline(0, color="#888888", linewidth=0.8)
            axis.set_title(title, fontsize=10)
            axis.set_xlabel("Kendall’s τ")
            axis.grid(axis="y", visible=False)
        axes[0].set_yticks(range(len(names)), [shorten(name) for name in names])
        axes[0].set_ylim(len(names) - 0.5, -0.5)
        return figure
