"""The final values over sparsity: a panel for each measure, a line for each method."""

from matplotlib import rc_context
from matplotlib.figure import Figure

from apcli.figures.axes import finish, log_scale, panel_grid, positive
from apcli.figures.study import Study
from apcli.figures.style import mark, settings, shorten


def over_sparsity(study: Study) -> Figure:
    """Sd over seeds as error bars; where a sparsity is not known, methods stand side by side instead."""
    series, methods = study.series, study.methods
    known = all(s.sparsity is not None for s in series)
    with rc_context(settings()):
        panels = list(dict.fromkeys((s.measure, s.unit) for s in series))
        axes = panel_grid(panels)
        gaps = 0
        for panel, axis in zip(panels, axes, strict=True):
            for method in methods:
                color, marker = mark(methods, method)
                members = [s for s in series if (s.measure, s.unit) == panel and s.method == method]
                xs = [s.sparsity if known and s.sparsity is not None else float(methods.index(method)) for s in members]
                means, sds, lost = positive([s.final for s in members])
                gaps += lost
                low = [min(sd, 0.9 * mean) for mean, sd in zip(means, sds, strict=True)]
                axis.errorbar(
                    xs, means, yerr=[low, sds], color=color, marker=marker, capsize=2.5, label=shorten(method)
                )
            axis.set_xlabel("sparsity" if known else "")
            if known:
                axis.set_xticks(study.sparsities)
            else:
                axis.set_xticks(range(len(methods)), [shorten(m) for m in methods], rotation=30, ha="right")
            log_scale(axis)
        return finish(axes, "final values: a line for each method" if known else "final values", gaps)
