"""nHSIC between layers: the map by which widths were chosen."""

from apcli.figures.canvas.cells import Block, Column, cells
from apcli.figures.canvas.marks import Drawing, Missing, columns_of
from apcli.figures.canvas.panels import Sheet
from apcli.figures.study import Study


def dependence(study: Study) -> Drawing:
    """nHSIC between layers, and with the images and the labels, a map for each way in which it was measured.

    Raises:
        Missing: it was not measured.
    """
    if not study.dependences:
        raise Missing("nHSIC was not measured: prune --scope itpruner does so")
    sheet = Sheet()
    rows = []
    for found in study.dependences:
        at = {(i, j): value for i, row in enumerate(found.values) for j, value in enumerate(row)}
        numbers = [Column(None, str(place)) for place in range(1, len(found.names) + 1)]
        numbered = [f"{name}  {place}" for place, name in enumerate(found.names, 1)]
        cells(sheet, [Block(found.title, at)], numbered, numbers)
        rows += [(found.title, found.names[i], found.names[j], value) for (i, j), value in at.items()]
    about = f"nHSIC between {len(study.dependences[0].names)} layers, the images and the labels."
    return sheet.drawing("nHSIC between layers", about, columns_of(("measured", "layer", "other", "nHSIC"), rows))
