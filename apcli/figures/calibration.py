"""The calibration error over the sparsity, before and after temperature scaling."""

from collections.abc import Iterator, Sequence

from apcli.figures.canvas.marks import Drawing, Missing, Value, columns_of
from apcli.figures.canvas.panels import WIDTH, Head, Key, Panel, Sheet
from apcli.figures.canvas.scales import linear, of_sparsities
from apcli.figures.canvas.words import listed
from apcli.figures.study import PlottedBehaviour, Study

_HEIGHT = 150.0
_PANELS = {"ece": "As the networks are", "scaled_ece": "With a fitted temperature"}


def calibration(study: Study) -> Drawing:
    """A line for each method; the dense networks' mean error is a level.

    Raises:
        Missing: no calibration error is known at a sparsity.
    """
    known = [one for one in study.behaved if one.sparsity is not None and (one.ece or one.scaled_ece)]
    if not known:
        raise Missing("no calibration error is known at a sparsity: behaviour measures it")
    shown = {name: title for name, title in _PANELS.items() if any(getattr(one, name) for one in known)}
    errors = [value for one in known for name in shown for value in getattr(one, name) or ()]
    methods = list(dict.fromkeys(one.method for one in known))
    sheet = Sheet()
    sheet.legend([Key.of(method, study.looks[method]) for method in methods])
    x = of_sparsities(sorted({one.sparsity for one in known if one.sparsity is not None}))
    y = linear([0.0, *errors], most=5)
    boxes = sheet.row([Head(title, "ECE") for title in shown.values()], [(WIDTH / 2, 0.0)] * len(shown), _HEIGHT)
    for name, box in zip(shown, boxes, strict=True):
        _panel(Panel(sheet, box, x, y, "sparsity"), known, name, study)
    about = f"Calibration error over sparsity; lines: {listed(methods)}."
    names = ("method", "sparsity", "temperature", "dense", "pruned")
    return sheet.drawing("Calibration error over sparsity", about, columns_of(names, _rows(known)))


def _panel(panel: Panel, known: Sequence[PlottedBehaviour], name: str, study: Study) -> None:
    pairs = [(one, getattr(one, name)) for one in known if getattr(one, name)]
    panel.level(sum(dense for _, (dense, _) in pairs) / len(pairs), "dense", "dashed")
    for method in dict.fromkeys(one.method for one, _ in pairs):
        look = study.looks[method]
        own = sorted((one.sparsity or 0.0, pruned) for one, (_, pruned) in pairs if one.method == method)
        xs, ys = [x for x, _ in own], [y for _, y in own]
        panel.line(xs, ys, look.color, dash=look.dash, name=method)
        panel.dots(xs, ys, look, name=method)


def _rows(known: Sequence[PlottedBehaviour]) -> Iterator[Sequence[Value]]:
    for one in known:
        for name, title in (("ece", "none"), ("scaled_ece", "fitted")):
            if pair := getattr(one, name):
                yield one.method, one.sparsity, title, *pair
