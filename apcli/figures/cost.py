"""Accuracy against what the networks cost: a panel for each cost, a line for each method through its sparsities."""

from collections.abc import Iterator, Sequence

from apcli.figures.canvas.marks import Drawing, Missing, Value, columns_of
from apcli.figures.canvas.panels import Box, Head, Key, Panel, Sheet
from apcli.figures.canvas.scales import Scale, linear, logarithmic
from apcli.figures.canvas.words import listed
from apcli.figures.study import CELLS, Cost, Study

_ABREAST, _HEIGHT = 2, 170.0
_ALIKE = 1.01  # costs whose ratio is below this do not differ


def cost(study: Study) -> Drawing:
    """Final test accuracy; costs on logarithmic axes.

    Raises:
        Missing: no cost of two networks is known, or none differs.
    """
    names = list(dict.fromkeys(name for run in study.costs for name in run.costs))
    shown = [name for name in names if _differs([run.costs[name].mean for run in study.costs if name in run.costs])]
    if not shown:
        raise Missing(
            "sizes, multiply-adds and times of the pruned files are not known, or do not differ: keep the files where "
            "they are, or add the lines of apcli report FILES --json"
        )
    dense = [] if study.dense_accuracy is None else [study.dense_accuracy]
    methods = list(dict.fromkeys(run.method for run in study.costs))
    sheet = Sheet()
    keys = [Key.of(method, study.looks[method]) for method in methods]
    sheet.legend(keys + [Key("dense network", "soft", width=1.2)] * len(dense))
    ends = [end for run in study.costs for end in (run.accuracy.low, run.accuracy.high)]
    boxes = sheet.rows([Head(name[0].upper() + name[1:], "test accuracy, %") for name in shown], _ABREAST, _HEIGHT)
    for name, box in zip(shown, boxes, strict=True):
        _panel(sheet, box, linear([*dense, *ends]), study, name)
    about = f"Final test accuracy against {listed(shown)}, for {listed(methods)}."
    columns = columns_of(("method", "sparsity", "quantity", *CELLS), _rows(study.costs))
    return sheet.drawing("Accuracy against cost", about, columns)


def _differs(values: Sequence[float]) -> bool:
    return len(values) > 1 and max(values) > _ALIKE * min(values)


def _panel(sheet: Sheet, box: Box, y: Scale, study: Study, name: str) -> None:
    runs = [run for run in study.costs if name in run.costs]
    panel = Panel(sheet, box, logarithmic([run.costs[name].mean for run in runs]), y, name)
    if study.dense_accuracy is not None:
        panel.level(study.dense_accuracy, "dense network")
    for method in dict.fromkeys(run.method for run in runs):
        look = study.looks[method]
        own = sorted((run.costs[name].mean, run.accuracy) for run in runs if run.method == method)
        panel.bars([(x, a.low, a.high) for x, a in own if a.low < a.high], look.color)
        xs, means = [x for x, _ in own], [a.mean for _, a in own]
        panel.line(xs, means, look.color, dash=look.dash, name=method)
        panel.dots(xs, means, look, name=method)


def _rows(runs: Sequence[Cost]) -> Iterator[Sequence[Value]]:
    for run in runs:
        yield run.method, run.sparsity, "test accuracy, %", *run.accuracy.cells
        for name, point in run.costs.items():
            yield run.method, run.sparsity, name, *point.cells
