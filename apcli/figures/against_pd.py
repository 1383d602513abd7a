"""PD against each divergence, with the agreement of their orders: a panel for each pair of them."""

from collections.abc import Iterator, Mapping, Sequence

from apcli.figures.canvas.marks import Drawing, Missing, Value, columns_of
from apcli.figures.canvas.panels import Head, Key, Sheet
from apcli.figures.canvas.planes import Path, are_distinct, plane
from apcli.figures.canvas.words import listed
from apcli.figures.study import Point, Study

_ABREAST, _HEIGHT = 3, 150.0

Runs = Mapping[tuple[str, float | None], Mapping[str, tuple[Point | None, Point | None]]]


def against_pd(study: Study) -> Drawing:
    """Log-log, means over networks: a line from just pruned (hollow) to final (filled) for each run.

    Raises:
        Missing: no divergence and PD are both known for two runs.
    """
    runs = _runs(study)
    pairs = [(ap, pd) for pd in study.measures("pd") for ap in study.measures("ap2", "ap3")]
    panels = {pair: _paths(study, runs, pair[0][0], pair[1][0]) for pair in pairs}
    panels = {pair: paths for pair, paths in panels.items() if are_distinct(paths)}
    if not panels:
        raise Missing("no divergence and PD are both known for two runs")
    sheet = Sheet()
    traced = any(len(path.points) > 1 for paths in panels.values() for path in paths)
    keys = [Key.of(method, study.looks[method]) for method in study.methods]
    sheet.legend(keys + [Key("just pruned", "soft", "o", None, hollow=True)] * traced)
    heads = [Head(", ".join(pd), study.agreements.get((ap[0], pd[0]), "")) for ap, pd in panels]
    boxes = sheet.rows(heads, _ABREAST, _HEIGHT)
    items = zip(panels.items(), boxes, strict=True)
    sheet.lost(sum(plane(sheet, box, paths, ", ".join(ap)) for ((ap, _), paths), box in items))
    about = f"{listed([pd for pd, _ in study.measures('pd')])} against {listed([ap[0] for ap, _ in panels])}."
    return sheet.drawing("Divergence against PD", about, _columns(study, runs))


def _runs(study: Study) -> Runs:
    """By run and quantity, the values just pruned and final."""
    runs: dict[tuple[str, float | None], dict[str, tuple[Point | None, Point | None]]] = {}
    for s in study.series:
        runs.setdefault((s.method, s.sparsity), {})[s.measure] = s.first, s.final
    return runs


def _paths(study: Study, runs: Runs, ap: str, pd: str) -> list[Path]:
    paths = []
    for (method, sparsity), values in runs.items():
        moments = zip(values.get(ap, ()), values.get(pd, ()), strict=False)
        points = tuple((x.mean, y.mean) for x, y in moments if x is not None and y is not None)
        if points:
            name = method if sparsity is None else f"{method} at {sparsity:g}"
            paths.append(Path(name, study.looks[method], points))
    return paths


def _columns(study: Study, runs: Runs) -> dict[str, tuple[Value, ...]]:
    names = [name for name, _ in study.measures("ap2", "ap3", "pd")]
    return columns_of(("method", "sparsity", "moment", *names), _rows(runs, names))


def _rows(runs: Runs, names: Sequence[str]) -> Iterator[Sequence[Value]]:
    for (method, sparsity), values in runs.items():
        for index, moment in enumerate(("just pruned", "final")):
            points = [values.get(name, (None, None))[index] for name in names]
            if any(points):
                yield method, sparsity, moment, *(None if point is None else point.mean for point in points)
