"""How information flows through a network: how much each two layers depend on each other, dense and pruned."""

from apcli.figures.canvas.cells import Block, Column, cells
from apcli.figures.canvas.colors import Look
from apcli.figures.canvas.marks import Drawing, Missing, columns_of
from apcli.figures.canvas.panels import Sheet
from apcli.figures.canvas.words import listed
from apcli.figures.study import Study

_LAYER = Look("soft", "o")
_MOST, _METHODS = 60, 4  # layers, of which more could not be told apart, and methods


def information(study: Study) -> Drawing:
    """The map of a dense network, and for each method at its highest sparsity the pruned one's and their difference.

    Raises:
        Missing: no two layers were compared, or there are too many.
    """
    known = [one for one in study.behaved if len(one.dense_maps) > 1]
    if not known:
        raise Missing("no two layers were compared: behaviour --feature-images does so")
    layers = list(known[0].cka)
    alike = [one for one in known if list(one.cka) == layers]
    if len(layers) > _MOST:
        raise Missing(f"maps of more than {_MOST} layers have no room")
    methods = list(dict.fromkeys(one.method for one in alike))[:_METHODS]
    shown = [max((one for one in alike if one.method == m), key=lambda one: one.sparsity or 0.0) for m in methods]
    places = [(row, column) for row in range(len(layers)) for column in range(len(layers))]
    blocks = [Block("dense", {(r, c): max(0.0, shown[0].dense_maps[r][c]) for r, c in places})]
    for one in shown:
        blocks.append(Block(one.method, {(r, c): max(0.0, one.pruned_maps[r][c]) for r, c in places}))
        differences = {(r, c): abs(one.pruned_maps[r][c] - one.dense_maps[r][c]) for r, c in places}
        blocks.append(Block(f"difference, {one.method}", differences))
    sheet = Sheet()
    cells(sheet, blocks, layers, [Column(_LAYER, "")] * len(layers))
    table = [
        (one.method, one.sparsity, layers[r], layers[c], one.dense_maps[r][c], one.pruned_maps[r][c])
        for one in shown
        for r, c in places
    ]
    about = f"Dependence (nHSIC) of {len(layers)} layers in the dense network, and after {listed(methods)}."
    names = ("method", "sparsity", "layer", "other layer", "dense", "pruned")
    return sheet.drawing("Dependence of the layers", about, columns_of(names, table))
