"""The final values over sparsity: a panel for each measure, a line for each method."""

from collections.abc import Iterator, Sequence

from apcli.figures.canvas.marks import Drawing, Missing, Value, columns_of
from apcli.figures.canvas.panels import Box, Head, Key, Sheet
from apcli.figures.canvas.scales import of_sparsities
from apcli.figures.canvas.words import listed
from apcli.figures.quantities import placed, quantity_panel
from apcli.figures.study import CELLS, Series, Study

_ABREAST, _HEIGHT = 3, 120.0


def over_sparsity(study: Study) -> Drawing:
    """Bars from the lowest to the highest network.

    Raises:
        Missing: fewer than two sparsities are known.
    """
    if len(study.sparsities) < 2:
        raise Missing("fewer than two sparsities are known")
    known = [s for s in study.series if s.sparsity is not None]
    quantities = list(dict.fromkeys((s.measure, s.unit) for s in known))
    sheet = Sheet()
    sheet.legend([Key.of(method, study.looks[method]) for method in dict.fromkeys(s.method for s in known)])
    boxes = sheet.rows([Head(*quantity) for quantity in quantities], _ABREAST, _HEIGHT)
    lost = 0
    for quantity, box in zip(quantities, boxes, strict=True):
        lost += _panel(sheet, box, [s for s in known if (s.measure, s.unit) == quantity], study)
    sheet.lost(lost)
    about = f"{listed([name for name, _ in quantities])} over sparsity; lines: {listed(study.methods)}."
    names = ("method", "sparsity", "quantity", "unit", *CELLS)
    return sheet.drawing("Final values over sparsity", about, columns_of(names, _rows(known)))


def _panel(sheet: Sheet, box: Box, members: Sequence[Series], study: Study) -> int:
    """Draw one quantity; returns how many means have no place on its axis."""
    kind, known = members[0].kind, [s.final for s in members if s.final is not None]
    panel = quantity_panel(sheet, box, of_sparsities(study.sparsities), kind, known, "sparsity")
    for method in dict.fromkeys(s.method for s in members):
        look = study.looks[method]
        finals = [(s.sparsity or 0.0, placed(kind, s.final)) for s in members if s.method == method]
        own = [(x, point) for x, point in finals if point is not None]
        panel.bars([(x, point.low, point.high) for x, point in own if point.low < point.high], look.color)
        xs, means = [x for x, _ in own], [point.mean for _, point in own]
        panel.line(xs, means, look.color, dash=look.dash, name=method)
        panel.dots(xs, means, look, name=method)
    return sum(placed(kind, point) is None for point in known)


def _rows(members: Sequence[Series]) -> Iterator[Sequence[Value]]:
    for s in members:
        if s.final is not None:
            yield s.method, s.sparsity, s.measure, s.unit, *s.final.cells
