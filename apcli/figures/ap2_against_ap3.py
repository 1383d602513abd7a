"""AP3 against AP2: a panel for each AP3, a path for each network through its epochs."""

from collections.abc import Iterator, Sequence

from apcli.figures.canvas.marks import Drawing, Missing, Value, columns_of
from apcli.figures.canvas.panels import Head, Key, Sheet
from apcli.figures.canvas.planes import are_distinct, plane
from apcli.figures.canvas.words import listed
from apcli.figures.study import Study

_ABREAST, _HEIGHT = 3, 150.0


def ap2_against_ap3(study: Study) -> Drawing:
    """Log-log: where AP3 is proportional to AP2, all points are on one line, of slope 1.

    Raises:
        Missing: AP2 or every AP3 is not known, or both for one network only.
    """
    ap2s = study.measures("ap2")
    pairs = [(ap2, ap3) for ap2 in ap2s[:1] for ap3 in study.measures("ap3")]
    panels = {pair: study.paths(pair[0][0], pair[1][0]) for pair in pairs}
    panels = {pair: paths for pair, paths in panels.items() if are_distinct(paths)}
    if not panels:
        raise Missing("AP2 and an AP3 are not both known for two networks or epochs")
    sheet = Sheet()
    sheet.legend([Key.of(method, study.looks[method]) for method in study.methods])
    boxes = sheet.rows([Head(*ap3) for _, ap3 in panels], _ABREAST, _HEIGHT)
    items = zip(panels.items(), boxes, strict=True)
    sheet.lost(sum(plane(sheet, box, paths, f"{ap2[0]}, {ap2[1]}") for ((ap2, _), paths), box in items))
    about = f"{listed([ap3[0] for _, ap3 in panels])} against AP2, a path for each network through its epochs."
    names = [quantity[0] for quantity in (*ap2s, *study.measures("ap3"))]
    return sheet.drawing("AP3 against AP2", about, network_columns(study, names))


def network_columns(study: Study, names: Sequence[str]) -> dict[str, tuple[Value, ...]]:
    """The values of every network at every epoch, a column for each of the named quantities."""
    return columns_of(("method", "sparsity", "network", "epoch", *names), _rows(study, names))


def _rows(study: Study, names: Sequence[str]) -> Iterator[Sequence[Value]]:
    for network in study.networks:
        for index, epoch in enumerate(network.epochs or (None,)):
            values = [network.values.get(name, (None,) * (index + 1))[index] for name in names]
            yield network.method, network.sparsity, network.name, epoch, *values
