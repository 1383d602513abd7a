"""Accuracy over sparsity: a line for each method, dotted for controls, and a panel for each state of the networks."""

from collections.abc import Sequence
from typing import Any

from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, NullLocator

from apcli.figures.axes import note
from apcli.figures.study import Curve, Study
from apcli.figures.style import empty_figure, mark, settings, shorten

_CONTROLS = ("x", "+", "1", "2")  # markers
_WIDTH, _HEIGHT = 5.2, 4.4  # inches of a panel


def accuracy(study: Study) -> Figure:
    """Draw all panels on the same axes.

    The horizontal axis is the logarithm of the compression of what was pruned, 1 / (1 - sparsity), so that high
    sparsities do not crowd (Blalock et al. 2020, arXiv:2003.03033, section 7); its ticks are the sparsities.
    """
    panels = study.accuracies
    methods = list(dict.fromkeys(curve.method for curves in panels.values() for curve in curves if not curve.control))
    sparsities = sorted({s for curves in panels.values() for curve in curves for s in curve.points})
    with rc_context(settings()):
        figure = empty_figure(_WIDTH * len(panels) + 2.4, _HEIGHT)
        axes = list(figure.subplots(1, len(panels), squeeze=False, sharey=True).flat)
        for axis, (title, curves) in zip(axes, panels.items(), strict=True):
            controls = [curve for curve in curves if curve.control]
            for curve in curves:
                _draw(axis, curve, methods, [control.method for control in controls])
            if study.dense_accuracy is not None:
                axis.axhline(study.dense_accuracy, color="#888888", linewidth=1, label="dense")
            _ticks(axis, sparsities)
            axis.set(title=title, xlabel="sparsity")
        axes[0].set_ylabel("test accuracy, %")
        named = {name: line for axis in axes for line, name in zip(*axis.get_legend_handles_labels(), strict=True)}
        figure.legend(list(named.values()), list(named), loc="outside right upper", handlelength=3)
        return note(figure, "accuracy over sparsity: a line for each method", 0)


def _draw(axis: Axes, curve: Curve, methods: Sequence[str], controls: Sequence[str]) -> None:
    known = [(1 / (1 - s), p.mean, p.sd or 0.0) for s, p in sorted(curve.points.items()) if p.mean is not None]
    if not known:
        return
    xs, means, sds = zip(*known, strict=True)
    if curve.control:
        color, marker, line = "#000000", _CONTROLS[controls.index(curve.method) % len(_CONTROLS)], ":"
    else:
        color, marker, line = *mark(methods, curve.method), "-"
    style: dict[str, Any] = {"color": color, "marker": marker, "linestyle": line, "label": shorten(curve.method)}
    axis.errorbar(xs, means, yerr=sds if any(sds) else None, capsize=2.5, **style)


def _ticks(axis: Axes, sparsities: Sequence[float]) -> None:
    axis.set_xscale("log")
    places = [1 / (1 - s) for s in sparsities]
    axis.xaxis.set_major_locator(FixedLocator(places))
    axis.xaxis.set_minor_locator(NullLocator())
    axis.set_xticks(places, [f"{s:g}" for s in sparsities], rotation=60 if len(places) > 6 else 0)
