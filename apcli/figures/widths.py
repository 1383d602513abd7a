"""The widths that a budget left."""

from apcli.figures.canvas.marks import Drawing, Missing
from apcli.figures.layers import maps
from apcli.figures.study import Study


def widths(study: Study) -> Drawing:
    """The kept share of each layer or channel group, and its importance where there is one, a column for each run.

    Raises:
        Missing: no file says how a budget was shared.
    """
    if not study.widths:
        raise Missing("no file says how a budget was shared: prune --budget and --scope itpruner do so")
    names = list(dict.fromkeys(name for values in study.widths for name in values.values))
    return maps(study, study.widths, "Widths", names)
