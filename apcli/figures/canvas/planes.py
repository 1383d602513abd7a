"""A plane of two quantities on logarithmic axes, and the paths that networks take in it."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from apcli.figures.canvas.colors import Look
from apcli.figures.canvas.marks import Dots, Line, Place
from apcli.figures.canvas.panels import Box, Panel, Sheet
from apcli.figures.canvas.scales import logarithmic

_STEP = 1.6  # radius of a point between the first and the last


@dataclass(frozen=True)
class Path:
    """Two quantities of one network, or of the mean of several, by epoch; the last point is the final one."""

    name: str
    look: Look
    points: tuple[Place, ...]

    @property
    def positive(self) -> list[Place]:
        """The points that have a place on logarithmic axes."""
        return [point for point in self.points if min(point) > 0]


def are_distinct(paths: Iterable[Path]) -> bool:
    """Whether there are two values of either quantity."""
    points = [point for path in paths for point in path.positive]
    return min(len({x for x, _ in points}), len({y for _, y in points})) > 1


def plane(sheet: Sheet, box: Box, paths: Sequence[Path], name: str) -> int:
    """Draw paths as thin lines from a hollow sign to a filled one; returns the number of points without a place."""
    points = [point for path in paths for point in path.positive]
    panel = Panel(sheet, box, logarithmic([x for x, _ in points], most=4), logarithmic([y for _, y in points]), name)
    firsts: dict[tuple[str, Look], list[Place]] = {}
    steps: dict[tuple[str, Look], list[Place]] = {}
    lasts: dict[tuple[str, Look], list[Place]] = {}
    for path in paths:
        places, key = [panel.at(*point) for point in path.positive], (path.name, path.look)
        if len(places) > 1:
            sheet.marks.append(Line(places, path.look.color, 0.7, name=path.name))
            firsts.setdefault(key, []).append(places[0])
            steps.setdefault(key, []).extend(places[1:-1])
        lasts.setdefault(key, []).extend(places[-1:])
    for (label, look), at in firsts.items():
        sheet.marks.append(Dots(at, look.color, look.shape, hollow=True, name=label))
    for (label, look), at in steps.items():
        if at:
            sheet.marks.append(Dots(at, look.color, "o", _STEP, name=label))
    for (label, look), at in lasts.items():
        if at:
            sheet.marks.append(Dots(at, look.color, look.shape, name=label))
    return sum(len(path.points) - len(path.positive) for path in paths)
