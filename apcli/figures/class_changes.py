"""Which classes pay: the accuracy that each loses, a column for each run."""

from apcli.figures.canvas.cells import Block, Column, cells
from apcli.figures.canvas.marks import Drawing, Missing, columns_of
from apcli.figures.canvas.panels import Key, Sheet
from apcli.figures.canvas.words import listed
from apcli.figures.study import Study

_MOST = 60  # classes


def class_changes(study: Study) -> Drawing:
    """A heat map of what is lost; what a class gains counts as 0. Of many classes, those that lose most.

    Raises:
        Missing: no class is known.
    """
    known = [one for one in study.behaved if one.classes]
    if not known:
        raise Missing("no accuracy by class is known: behaviour gives it")
    names = list(dict.fromkeys(name for one in known for name in one.classes))
    losses = {name: [max(0.0, -one.classes[name]) for one in known if name in one.classes] for name in names}
    chosen = set(sorted(names, key=lambda name: -max(losses[name]))[:_MOST])
    rows = [name for name in names if name in chosen]
    at = {
        (row, column): max(0.0, -one.classes[name])
        for column, one in enumerate(known)
        for row, name in enumerate(rows)
        if name in one.classes
    }
    methods = list(dict.fromkeys(one.method for one in known))
    sheet = Sheet()
    sheet.legend([Key(method, study.looks[method].color, study.looks[method].shape, None) for method in methods])
    columns = [Column(study.looks[one.method], "" if one.sparsity is None else f"{one.sparsity:g}") for one in known]
    cells(sheet, [Block("accuracy lost, points", at)], rows, columns)
    if len(names) > len(rows):
        sheet.note(f"The {len(rows)} of {len(names)} classes that lose most.")
    table = [(one.method, one.sparsity, name, change) for one in known for name, change in one.classes.items()]
    about = f"Accuracy that {len(rows)} classes lose; columns: {listed(methods)}, by sparsity."
    return sheet.drawing("Accuracy by class", about, columns_of(("method", "sparsity", "class", "change"), table))
