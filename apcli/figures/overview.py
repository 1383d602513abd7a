"""The study at a glance: accuracy over sparsity, and beside it how a divergence and PD change through the epochs."""

from collections.abc import Sequence

from apcli.figures.accuracy import columns, sparsities_of
from apcli.figures.canvas.marks import Drawing
from apcli.figures.canvas.panels import ROW, WIDTH, Box, Head, Key, Panel, Sheet
from apcli.figures.canvas.planes import are_distinct, plane
from apcli.figures.canvas.scales import linear, of_sparsities
from apcli.figures.canvas.words import listed, width_of, wrapped
from apcli.figures.study import Study

_NAMES = 150.0  # pixels at the ends of lines, at most
_HEIGHT = 250.0


def overview(study: Study, width: float = WIDTH) -> Drawing:
    """Draw accuracies, just pruned dashed and final solid; beside them a thin line through each network's epochs.

    The divergence beside is the one that orders PD best, where that is known, otherwise the first. In less than the
    usual width, the panels stand below each other, and all names are in the legend.

    Raises:
        Missing: accuracies are known at fewer than two sparsities.
    """
    sparsities, states = sparsities_of(study), list(study.accuracies)
    measure, target = _pair(study)
    paths = study.paths(measure[0], target[0])
    beside = are_distinct(paths)
    curves = study.accuracies[states[-1]]
    is_wide = width >= WIDTH
    named = is_wide and sum(ROW * len(wrapped(curve.method, _NAMES - 14)) for curve in curves) <= _HEIGHT
    sheet = Sheet(width)
    keys = [Key(states[0], "soft", "o", "dashed", hollow=True)] if len(states) > 1 else []
    keys += [Key(states[-1], "soft", "o")]
    keys += [Key("dense network", "soft", width=1.2)] if study.dense_accuracy is not None else []
    sheet.legend(keys + [Key.of(curve.method, study.looks[curve.method]) for curve in curves if not named])
    aside = min(max(width_of(curve.method) for curve in curves) + 20, _NAMES) if named else 0.0
    heads = [Head("Accuracy", "test, %")] + [Head(*target)] * beside
    if is_wide:
        boxes = sheet.row(heads, [(width * 0.6, aside), (width * 0.4, 0.0)] if beside else [(width, aside)], _HEIGHT)
    else:
        boxes = sheet.rows(heads, 1, _HEIGHT)
    panel = _accuracies(sheet, boxes[0], study, sparsities)
    panel.ends([(*curve.end, curve.method, study.looks[curve.method].color) for curve in curves if named], aside)
    if beside:
        sheet.lost(plane(sheet, boxes[1], paths, f"{measure[0]}, {measure[1]}"))
    about = f"Test accuracy over sparsity for {listed(study.methods)}."
    about += f" {target[0]} against {measure[0]}: a point for each network and epoch." if beside else ""
    return sheet.drawing("The study at a glance", about, columns(study))


def _pair(study: Study) -> tuple[tuple[str, str], tuple[str, str]]:
    """The divergence and the PD to show, with their units."""
    measures, targets = study.measures("ap3", "ap2"), study.measures("pd")
    best = [name for panel in study.rankings.values() for name, place in panel.items() if place.best]
    measures.sort(key=lambda measure: measure[0] not in best[:1])
    return (*measures, ("", ""))[0], (*targets, ("", ""))[0]


def _accuracies(sheet: Sheet, box: Box, study: Study, sparsities: Sequence[float]) -> Panel:
    dense = [] if study.dense_accuracy is None else [study.dense_accuracy]
    means = [point.mean for curves in study.accuracies.values() for c in curves for point in c.points.values()]
    panel = Panel(sheet, box, of_sparsities(sparsities), linear([*dense, *means]), "sparsity")
    for level in dense:
        panel.level(level, "dense network")
    for index, curves in enumerate(study.accuracies.values(), 1):
        final = index == len(study.accuracies)
        for curve in curves:
            look, ys = study.looks[curve.method], [point.mean for point in curve.points.values()]
            panel.line([*curve.points], ys, look.color, dash=look.dash if final else "dashed", name=curve.method)
            panel.dots([*curve.points], ys, look, hollow=not final, name=curve.method)
    return panel
