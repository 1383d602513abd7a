"""The numbers that figures draw, free of files and records."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Point:
    """Mean over seeds with its sample sd (None for one seed); None for a value that is not known."""

    mean: float | None
    sd: float | None = None


@dataclass(frozen=True)
class Series:
    """One measure of one run: a point per traced epoch (none if not traced) and the final one.

    ``kind`` is ``ap`` or ``pd``; ``unit`` labels the value axis.
    """

    method: str
    sparsity: float | None
    measure: str
    unit: str
    kind: str
    epochs: tuple[int, ...]
    points: tuple[Point, ...]
    final: Point


@dataclass(frozen=True)
class Curve:
    """Test accuracy in percent by sparsity; a ``control`` removes at random."""

    method: str
    control: bool
    points: Mapping[float, Point]


@dataclass(frozen=True)
class PlottedEstimate:
    """A value with its interval (None if not known); ``best`` of its panel, or known to be ``lower`` than the best."""

    value: float
    interval: tuple[float, float] | None
    best: bool = False
    lower: bool = False


@dataclass(frozen=True)
class Study:
    """The runs of one model on one data set.

    ``series``: every known measure of every run. ``accuracies``: by the state of the networks, a curve for each method;
    ``dense_accuracy`` in percent. ``rankings``: by what measures are ranked against, then by measure, Kendall's tau.
    """

    series: tuple[Series, ...] = ()
    accuracies: Mapping[str, tuple[Curve, ...]] = field(default_factory=dict)
    dense_accuracy: float | None = None
    rankings: Mapping[str, Mapping[str, PlottedEstimate]] = field(default_factory=dict)

    @property
    def methods(self) -> list[str]:
        """The methods, in order of appearance."""
        return list(dict.fromkeys(s.method for s in self.series))

    @property
    def sparsities(self) -> list[float]:
        """The known sparsities, ascending."""
        return sorted({s.sparsity for s in self.series if s.sparsity is not None})

    @property
    def traced(self) -> list[Series]:
        """The series with a point for each epoch of fine-tuning."""
        return [s for s in self.series if s.epochs]

    @property
    def holds(self) -> set[str]:
        """The data that the study has, in the words of a figure's ``needs``."""
        runs = {(s.method, s.sparsity) for s in self.series}
        traced = {(s.method, s.sparsity) for s in self.traced}
        there = {
            "ap": any(s.kind == "ap" for s in self.series),
            "pd": any(s.kind == "pd" for s in self.series),
            "epochs": bool(traced),
            "untraced runs": traced < runs,
            "accuracies": bool(self.accuracies),
            "rankings": bool(self.rankings),
        }
        return {name for name, is_there in there.items() if is_there}
