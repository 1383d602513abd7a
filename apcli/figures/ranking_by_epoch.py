"""Rank correlations at every epoch of fine-tuning: a panel for each PD, a line for each order of the measures."""

from collections.abc import Iterator, Mapping, Sequence

from apcli.figures.canvas.colors import Look, ordered
from apcli.figures.canvas.marks import Drawing, Missing, Value, columns_of
from apcli.figures.canvas.panels import Head, Key, Panel, Sheet
from apcli.figures.canvas.scales import linear
from apcli.figures.canvas.words import listed
from apcli.figures.study import PlottedEstimate, Study

_ABREAST, _HEIGHT = 2, 130.0
Curve = tuple[tuple[int, PlottedEstimate], ...]


def ranking_by_epoch(study: Study) -> Drawing:
    """Kendall's tau over the runs that have reached an epoch; measures with the same tau everywhere share a line.

    Raises:
        Missing: fewer than two epochs have a tau.
    """
    panels = {title: curves for title, curves in study.taus_by_epoch.items() if curves}
    epochs = sorted({epoch for curves in panels.values() for curve in curves.values() for epoch, _ in curve})
    if len(epochs) < 2:
        raise Missing("the order of the runs is known at fewer than two epochs of fine-tuning")
    alike: dict[tuple[Curve | None, ...], list[str]] = {}
    for name in dict.fromkeys(name for curves in panels.values() for name in curves):
        alike.setdefault(tuple(curves.get(name) for curves in panels.values()), []).append(name)
    looks = {names[0]: ordered(place, len(alike)) for place, names in enumerate(alike.values())}
    sheet = Sheet()
    sheet.legend([Key.of(listed(names), looks[names[0]]) for names in alike.values()])
    x, y = linear(epochs, whole=True), linear([-1.0, 0.0, 1.0])
    boxes = sheet.rows([Head(title, "Kendall’s τ") for title in panels], _ABREAST, _HEIGHT)
    for curves, box in zip(panels.values(), boxes, strict=True):
        panel = Panel(sheet, box, x, y, "epoch")
        panel.level(0.0, "no agreement")
        for name, look in looks.items():
            _line(panel, name, curves.get(name, ()), look)
    about = f"Kendall's tau of {listed(list(looks))} by epoch; one panel for each of: {listed(list(panels))}."
    columns = columns_of(("ranked against", "measure", "epoch", "tau", "low", "high"), list(_rows(panels)))
    return sheet.drawing("Does the order hold through fine-tuning", about, columns)


def _line(panel: Panel, name: str, curve: Curve, look: Look) -> None:
    epochs, taus = [epoch for epoch, _ in curve], [estimate.value for _, estimate in curve]
    spread = [(epoch, *estimate.interval) for epoch, estimate in curve if estimate.interval]
    panel.band(spread, look.color)
    panel.line(epochs, taus, look.color, name=name)
    panel.dots(epochs, taus, look, name=name)


def _rows(panels: Mapping[str, Mapping[str, Curve]]) -> Iterator[Sequence[Value]]:
    for title, curves in panels.items():
        for name, curve in curves.items():
            for epoch, estimate in curve:
                yield title, name, epoch, estimate.value, *(estimate.interval or (None, None))
