"""Where along the depth the two networks part: how alike each layer is, a panel for each sparsity."""

from collections.abc import Iterator, Sequence

from apcli.figures.canvas.marks import Drawing, Missing, Value, columns_of
from apcli.figures.canvas.panels import WIDTH, Head, Key, Panel, Sheet
from apcli.figures.canvas.scales import linear
from apcli.figures.canvas.words import listed
from apcli.figures.study import PlottedBehaviour, Study, at_sparsity

_ABREAST, _HEIGHT = 3, 130.0


def depth_profile(study: Study) -> Drawing:
    """A line for each method, over the layers in the order in which the network calls them.

    Raises:
        Missing: no two layers were compared.
    """
    known = [one for one in study.behaved if len(one.cka) > 1]
    if not known:
        raise Missing("no two layers were compared: behaviour --feature-images does so")
    layers = list(dict.fromkeys(layer for one in known for layer in one.cka))
    methods = list(dict.fromkeys(one.method for one in known))
    sparsities = list(dict.fromkeys(one.sparsity for one in known))
    sheet = Sheet()
    sheet.legend([Key.of(method, study.looks[method]) for method in methods])
    x = linear([1, len(layers)], whole=True, most=5)
    y = linear([0.0, 1.0, *(value for one in known for value in one.cka.values())], most=5)
    for start in range(0, len(sparsities), _ABREAST):
        part = sparsities[start : start + _ABREAST]
        heads = [Head(at_sparsity(sparsity).capitalize(), "CKA") for sparsity in part]
        each = WIDTH / min(max(len(sparsities), 2), _ABREAST)
        for sparsity, box in zip(part, sheet.row(heads, [(each, 0.0)] * len(part), _HEIGHT), strict=True):
            panel = Panel(sheet, box, x, y, "layer")
            for one in known:
                if one.sparsity == sparsity:
                    look, places = study.looks[one.method], [layers.index(layer) + 1 for layer in one.cka]
                    panel.line(places, list(one.cka.values()), look.color, dash=look.dash, name=one.method)
                    panel.dots(places, list(one.cka.values()), look, name=one.method)
    about = f"CKA of the dense and the pruned network in {len(layers)} layers; lines: {listed(methods)}."
    columns = columns_of(("method", "sparsity", "number", "layer", "CKA"), _rows(known, layers))
    return sheet.drawing("Where the networks part", about, columns)


def _rows(known: Sequence[PlottedBehaviour], layers: Sequence[str]) -> Iterator[Sequence[Value]]:
    for one in known:
        for layer, value in one.cka.items():
            yield one.method, one.sparsity, layers.index(layer) + 1, layer, value
