"""Every measure over the epochs of fine-tuning: a panel for each, bands from the lowest network to the highest."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from apcli.figures.canvas.colors import Look, ordered
from apcli.figures.canvas.marks import Drawing, Missing, Value, columns_of
from apcli.figures.canvas.panels import Box, Head, Key, Sheet
from apcli.figures.canvas.scales import linear
from apcli.figures.canvas.words import listed
from apcli.figures.quantities import placed, quantity_panel
from apcli.figures.study import CELLS, Series, Study, at_sparsity

_ABREAST, _HEIGHT = 3, 120.0


@dataclass(frozen=True)
class _Line:
    name: str
    look: Look
    series: Series


def by_sparsity(study: Study, method: str) -> Drawing:
    """One method: a line for each sparsity, darker where it is higher.

    Raises:
        Missing: fewer than two epochs, or no sparsity, are known.
    """
    members = [s for s in study.series if s.method == method]
    if len(study.methods) > 1 and all(s.sparsity is None for s in members):
        raise Missing("no sparsity is known")
    sparsities = sorted({s.sparsity for s in members if s.sparsity is not None})
    lines = [_Line(at_sparsity(s.sparsity), _look(sparsities, s.sparsity), s) for s in members]
    return _over_epochs(lines, f"{method}: every sparsity")


def by_method(study: Study, sparsity: float | None) -> Drawing:
    """One sparsity, or those that are not known: a line for each method.

    Raises:
        Missing: fewer than two epochs, or two methods, are known.
    """
    lines = [_Line(s.method, study.looks[s.method], s) for s in study.series if s.sparsity == sparsity]
    if len({line.name for line in lines}) < 2:
        raise Missing("no two methods stand at the same sparsity")
    return _over_epochs(lines, f"{at_sparsity(sparsity).capitalize()}: every method")


def _over_epochs(given: Sequence[_Line], title: str) -> Drawing:
    lines = [line for line in given if any(line.series.points)]
    if len({epoch for line in lines for epoch in line.series.epochs}) < 2:
        raise Missing("fewer than two epochs of fine-tuning are known")
    quantities = list(dict.fromkeys((line.series.measure, line.series.unit) for line in lines))
    sheet = Sheet()
    looks = {line.name: line.look for line in lines}
    sheet.legend([Key.of(name, look) for name, look in looks.items()])
    boxes = sheet.rows([Head(*quantity) for quantity in quantities], _ABREAST, _HEIGHT)
    lost = 0
    for quantity, box in zip(quantities, boxes, strict=True):
        lost += _panel(sheet, box, [line for line in lines if (line.series.measure, line.series.unit) == quantity])
    sheet.lost(lost)
    about = f"{listed([name for name, _ in quantities])} over the epochs of fine-tuning; lines: {listed(list(looks))}."
    names = ("method", "sparsity", "quantity", "unit", "epoch", *CELLS)
    return sheet.drawing(title, about, columns_of(names, _rows(lines)))


def _panel(sheet: Sheet, box: Box, lines: Sequence[_Line]) -> int:
    """Draw one quantity; returns how many means have no place on its axis."""
    kind = lines[0].series.kind
    known = [point for line in lines for point in line.series.points if point is not None]
    epochs = linear([epoch for line in lines for epoch in line.series.epochs], whole=True)
    panel = quantity_panel(sheet, box, epochs, kind, known, "epoch")
    for line in lines:
        xs, points = line.series.epochs, [placed(kind, point) for point in line.series.points]
        panel.band(
            [(x, p.low, p.high) for x, p in zip(xs, points, strict=True) if p and p.low < p.high], line.look.color
        )
        means = [None if point is None else point.mean for point in points]
        panel.line(xs, means, line.look.color, dash=line.look.dash, name=line.name)
        panel.dots(xs, means, line.look, name=line.name)
    return sum(placed(kind, point) is None for point in known)


def _rows(lines: Sequence[_Line]) -> Iterator[Sequence[Value]]:
    for line in lines:
        s = line.series
        for epoch, point in zip(s.epochs, s.points, strict=True):
            if point is not None:
                yield s.method, s.sparsity, s.measure, s.unit, epoch, *point.cells


def _look(sparsities: Sequence[float], sparsity: float | None) -> Look:
    if sparsity is None:
        return Look("soft", "o")
    return ordered(sparsities.index(sparsity), len(sparsities))
