"""Layers as heat maps: what each lost and how far it moved, and which layer does the harm when pruned alone."""

from collections.abc import Sequence

from apcli.figures.canvas.cells import Block, Column, cells
from apcli.figures.canvas.marks import Drawing, Missing, columns_of
from apcli.figures.canvas.panels import Key, Sheet
from apcli.figures.canvas.words import listed
from apcli.figures.study import LayerValues, Study

_LINEAR = ("sparsity",)


def layers(study: Study) -> Drawing:
    """Sparsity and every divergence of each layer, a column for each run.

    Raises:
        Missing: no run has records of two layers.
    """
    if len({values.layer for values in study.layers}) < 2:
        raise Missing("no records of two layers: divergence --level both gives them")
    return maps(study, study.layers, "Layers", _LINEAR)


def single_layers(study: Study) -> Drawing:
    """The share of each layer in the sum over all layers that were pruned alone, of PD and of every divergence.

    Raises:
        Missing: no method pruned three layers, each alone.
    """
    if not study.single_layers:
        raise Missing("no three layers were pruned, each alone: prune --layers each does so")
    quantities = list(dict.fromkeys(name for values in study.single_layers for name in values.values))
    return maps(study, study.single_layers, "Layers that were pruned alone", quantities)


def maps(study: Study, values: Sequence[LayerValues], title: str, linear: Sequence[str]) -> Drawing:
    """Heat maps of all quantities, a row for each layer and a column for each run; others than ``linear`` by logarithm.

    A value that is not known is no cell.
    """
    rows = list(dict.fromkeys(value.layer for value in values))
    runs = list(dict.fromkeys((value.method, value.sparsity) for value in values))
    names = list(dict.fromkeys(name for value in values for name in value.values))
    blocks = []
    for name in names:
        known = [v for v in values if name in v.values]
        at = {(rows.index(v.layer), runs.index((v.method, v.sparsity))): v.values[name] for v in known}
        blocks.append(Block(name, at, name not in linear))
    methods = list(dict.fromkeys(method for method, _ in runs))
    sheet = Sheet()
    sheet.legend([Key(method, study.looks[method].color, study.looks[method].shape, None) for method in methods])
    columns = [Column(study.looks[method], "" if share is None else f"{share:g}") for method, share in runs]
    cells(sheet, blocks, rows, columns)
    about = f"{listed(names)} of {len(rows)} layers; columns: {listed(methods)}, by sparsity."
    table = [(v.method, v.sparsity, v.layer, name, value) for v in values for name, value in v.values.items()]
    return sheet.drawing(title, about, columns_of(("method", "sparsity", "layer", "quantity", "value"), table))
