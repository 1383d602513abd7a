"""nHSIC of layers with the images and the labels, by epoch: whether a phase of compression shows."""

from apcli.figures.canvas.colors import ordered
from apcli.figures.canvas.marks import Drawing, Missing, columns_of
from apcli.figures.canvas.panels import Head, Key, Panel, Sheet
from apcli.figures.canvas.scales import linear
from apcli.figures.canvas.words import listed
from apcli.figures.study import Study

_ABREAST, _HEIGHT, _MOST = 2, 130.0, 4  # panels beside each other, pixels, networks


def dependence_by_epoch(study: Study) -> Drawing:
    """A panel for each network and target, a line for each layer, from the first (pale) to the last (dark).

    Raises:
        Missing: fewer than two epochs are known.
    """
    shown = study.dependence_by_epoch[: 2 * _MOST]
    epochs = sorted({epoch for one in shown for curve in one.curves.values() for epoch, _ in curve})
    if len(epochs) < 2:
        raise Missing(
            "nHSIC is known at fewer than two epochs: finetune --trace of all pruned layers, then bounds --theory "
            "information, give it"
        )
    layers = list(dict.fromkeys(layer for one in shown for layer in one.curves))
    looks = {layer: ordered(place, len(layers)) for place, layer in enumerate(layers)}
    sheet = Sheet()
    sheet.legend([Key.of(layer, looks[layer]) for layer in layers])
    values = [value for one in shown for curve in one.curves.values() for _, value in curve]
    x, y = linear(epochs, whole=True), linear([0.0, 1.0, *values])
    boxes = sheet.rows([Head(one.title, f"nHSIC with the {one.target}") for one in shown], _ABREAST, _HEIGHT)
    for one, box in zip(shown, boxes, strict=True):
        panel = Panel(sheet, box, x, y, "epoch")
        for layer, curve in one.curves.items():
            at, values = [epoch for epoch, _ in curve], [value for _, value in curve]
            panel.line(at, values, looks[layer].color, name=layer)
            panel.dots(at, values, looks[layer], name=layer)
    if len(study.dependence_by_epoch) > len(shown):
        sheet.note(f"The first {_MOST} of {len(study.dependence_by_epoch) // 2} networks.")
    rows = [(o.title, o.target, layer, *point) for o in shown for layer, curve in o.curves.items() for point in curve]
    about = f"nHSIC of {listed(layers)} with the images and the labels, by epoch."
    columns = columns_of(("network", "target", "layer", "epoch", "nHSIC"), rows)
    return sheet.drawing("nHSIC through fine-tuning", about, columns)
