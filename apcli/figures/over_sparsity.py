"""The final values over sparsity: a panel for each measure, a line for each method."""

from collections.abc import Iterator, Sequence

from apcli.figures.canvas.marks import Drawing, Missing, Value, columns_of
from apcli.figures.canvas.panels import Box, Head, Key, Panel, Sheet
from apcli.figures.canvas.scales import logarithmic, of_sparsities
from apcli.figures.canvas.words import listed
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
    """Draw one quantity; returns how many means have no place on a logarithmic axis."""
    finals = [(s.method, s.sparsity or 0.0, s.final) for s in members if s.final is not None]
    shown = [(method, x, point) for method, x, point in finals if point.mean > 0]
    y = logarithmic([end for _, _, point in shown for end in (point.low, point.high) if end > 0])
    panel = Panel(sheet, box, of_sparsities(study.sparsities), y, "sparsity")
    for method in dict.fromkeys(method for method, _, _ in shown):
        look, own = study.looks[method], [(x, point) for name, x, point in shown if name == method]
        panel.bars([(x, point.low, point.high) for x, point in own if point.low < point.high], look.color)
        xs, means = [x for x, _ in own], [point.mean for _, point in own]
        panel.line(xs, means, look.color, dash=look.dash, name=method)
        panel.dots(xs, means, look, name=method)
    return len(finals) - len(shown)


def _rows(members: Sequence[Series]) -> Iterator[Sequence[Value]]:
    for s in members:
        if s.final is not None:
            yield s.method, s.sparsity, s.measure, s.unit, *s.final.cells
