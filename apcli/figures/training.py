"""The curves of fine-tuning: loss and accuracy of each epoch, a column of panels for each sparsity."""

from collections.abc import Iterator, Sequence

from apcli.figures.canvas.marks import Dash, Drawing, Missing, Value, columns_of
from apcli.figures.canvas.panels import WIDTH, Head, Key, Panel, Sheet
from apcli.figures.canvas.scales import linear
from apcli.figures.canvas.words import listed
from apcli.figures.study import CELLS, Series, Study, at_sparsity

_ABREAST, _HEIGHT = 4, 100.0
_SPLITS: dict[str, Dash] = {"test": "solid", "train": "dashed"}
_UNITS = {"loss": "loss, nats", "accuracy": "accuracy, %"}


def training(study: Study) -> Drawing:
    """Means over networks; the test split solid (dotted for controls), the training split dashed.

    Raises:
        Missing: fewer than two epochs are known.
    """
    curves, sparsities = study.training, study.places
    epochs = sorted({epoch for s in curves for epoch in s.epochs})
    if len(epochs) < 2:
        raise Missing("losses and accuracies are known at fewer than two epochs of fine-tuning")
    methods = list(dict.fromkeys(s.method for s in curves))
    sheet = Sheet()
    splits = [Key(f"{split} split", "soft", None, dash) for split, dash in _SPLITS.items() if _of(curves, split)]
    sheet.legend([Key.of(method, study.looks[method]) for method in methods] + splits)
    x = linear(epochs, whole=True, most=4)
    for start in range(0, len(sparsities), _ABREAST):
        part = sparsities[start : start + _ABREAST]
        for what, unit in _UNITS.items():
            members = [s for s in curves if s.measure.endswith(what)]
            y = linear([point.mean for s in members for point in s.points if point], most=4)
            heads = [Head(at_sparsity(sparsity).capitalize(), unit) for sparsity in part]
            cells = [(WIDTH / min(max(len(sparsities), 2), _ABREAST), 0.0)] * len(part)
            for sparsity, box in zip(part, sheet.row(heads, cells, _HEIGHT), strict=True):
                _lines(Panel(sheet, box, x, y, "epoch"), [s for s in members if s.sparsity == sparsity], study)
    about = f"Loss and accuracy by epoch of fine-tuning, for {listed(methods)}."
    names = ("method", "sparsity", "quantity", "unit", "epoch", *CELLS)
    return sheet.drawing("Fine-tuning curves", about, columns_of(names, _rows(curves)))


def _of(curves: Sequence[Series], split: str) -> list[Series]:
    return [s for s in curves if s.measure.startswith(split)]


def _lines(panel: Panel, curves: Sequence[Series], study: Study) -> None:
    for split, dash in _SPLITS.items():
        for s in _of(curves, split):
            look, means = study.looks[s.method], [None if p is None else p.mean for p in s.points]
            panel.line(s.epochs, means, look.color, dash=look.dash if split == "test" else dash, name=s.method)
            if split == "test":
                panel.dots(s.epochs, means, look, name=s.method)


def _rows(curves: Sequence[Series]) -> Iterator[Sequence[Value]]:
    for s in curves:
        for epoch, point in zip(s.epochs, s.points, strict=True):
            if point is not None:
                yield s.method, s.sparsity, s.measure, s.unit, epoch, *point.cells
