"""Accuracy over sparsity: a line for each method, dotted for controls, and a panel for each state of the networks."""

from collections.abc import Iterator, Sequence

from apcli.figures.canvas.marks import Drawing, Missing, Value, columns_of
from apcli.figures.canvas.panels import WIDTH, Head, Key, Panel, Sheet
from apcli.figures.canvas.scales import linear, of_sparsities
from apcli.figures.canvas.words import listed
from apcli.figures.study import CELLS, Curve, Study

_NAME = "test accuracy, %"


def accuracy(study: Study) -> Drawing:
    """Draw all panels on the same axes.

    Raises:
        Missing: accuracies are known at fewer than two sparsities.
    """
    panels, sparsities = study.accuracies, sparsities_of(study)
    curves = [curve for panel in panels.values() for curve in panel]
    methods = list(dict.fromkeys(curve.method for curve in curves))
    dense = [] if study.dense_accuracy is None else [study.dense_accuracy]
    sheet = Sheet()
    keys = [Key.of(method, study.looks[method]) for method in methods]
    sheet.legend(keys + [Key("dense network", "soft", width=1.2)] * len(dense))
    points = [point for curve in curves for point in curve.points.values()]
    x, y = of_sparsities(sparsities), linear([*dense, *(end for point in points for end in (point.low, point.high))])
    heads = [Head(title[0].upper() + title[1:], _NAME) for title in panels]
    boxes = sheet.row(heads, [(WIDTH / len(heads), 0.0)] * len(heads), 210)
    for box, panel_curves in zip(boxes, panels.values(), strict=True):
        panel = Panel(sheet, box, x, y, "sparsity")
        for level in dense:
            panel.level(level, "dense network")
        for curve in panel_curves:
            _draw(panel, curve, study)
    about = f"Test accuracy over sparsity for {listed(methods)}; one panel for each of: {listed(list(panels))}."
    return sheet.drawing("Accuracy over sparsity", about, columns(study))


def sparsities_of(study: Study) -> list[float]:
    """The sparsities at which accuracies are known.

    Raises:
        Missing: there are fewer than two.
    """
    sparsities = sorted({s for panel in study.accuracies.values() for curve in panel for s in curve.points})
    if len(sparsities) < 2:
        raise Missing("test accuracies are known at fewer than two sparsities")
    return sparsities


def columns(study: Study) -> dict[str, tuple[Value, ...]]:
    """The numbers behind accuracy curves."""
    return columns_of(("state", "method", "sparsity", "quantity", *CELLS), _rows(study))


def _rows(study: Study) -> Iterator[Sequence[Value]]:
    if study.dense_accuracy is not None:
        yield "dense", None, None, _NAME, study.dense_accuracy, None, None, None, None
    for state, curves in study.accuracies.items():
        for curve in curves:
            for sparsity, point in curve.points.items():
                yield state, curve.method, sparsity, _NAME, *point.cells


def _draw(panel: Panel, curve: Curve, study: Study) -> None:
    look, xs, points = study.looks[curve.method], [*curve.points], [*curve.points.values()]
    spread = [(x, point.low, point.high) for x, point in zip(xs, points, strict=True) if point.low < point.high]
    panel.bars(spread, look.color)
    panel.line(xs, [point.mean for point in points], look.color, dash=look.dash, name=curve.method)
    panel.dots(xs, [point.mean for point in points], look, name=curve.method)
