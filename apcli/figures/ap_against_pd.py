"""The final PD against every AP measure, a mark for each run."""

import math
from collections.abc import Sequence

from matplotlib import rc_context
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from apcli.figures.axes import log_scale, note
from apcli.figures.study import Study
from apcli.figures.style import empty_figure, mark, settings, shorten, sparsity_name

ABREAST = 4  # panels in a row


def ap_against_pd(study: Study) -> Figure:
    """PD (a row each) against AP (a column each), log-log: colour = method, size = sparsity."""
    series, methods, sparsities = study.series, study.methods, study.sparsities
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
            log_scale(axis)
        for axis in grid.flat:
            if not axis.get_xlabel():
                axis.remove()
        handles = [_handle(shorten(m), *mark(methods, m), 7.0) for m in methods]
        handles += [_handle(sparsity_name(s), "#888888", "o", math.sqrt(_area(sparsities, s))) for s in sparsities]
        figure.legend(handles=handles, loc="outside right upper", labelspacing=0.9)
        return note(figure, "final PD against AP: a mark for each run", gaps)


def _area(sparsities: Sequence[float], sparsity: float | None) -> float:
    return 60.0 if sparsity is None else 30.0 + 170.0 * sparsities.index(sparsity) / max(len(sparsities) - 1, 1)


def _handle(label: str, color: str, marker: str, size: float) -> Line2D:
    return Line2D([], [], linestyle="", color=color, marker=marker, markersize=size, label=label)
