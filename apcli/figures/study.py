"""The numbers that figures draw, free of files and records. A number that is not known is None."""

import statistics
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from apcli.figures.canvas.colors import Look
from apcli.figures.canvas.planes import Path
from apcli.theory.statistics.means import sample_sd

CELLS = ("mean", "sd", "lowest", "highest", "networks")  # of a point, in a table
Kind = Literal["ap2", "ap3", "pd", "change", "network"]


def at_sparsity(sparsity: float | None) -> str:
    """A sparsity as a label."""
    return "sparsity unknown" if sparsity is None else f"sparsity {sparsity:g}"


@dataclass(frozen=True)
class Point:
    """The values of one or several networks."""

    values: tuple[float, ...]

    @classmethod
    def of(cls, values: Iterable[float | None]) -> "Point | None":
        """The known values; None if there is none."""
        known = tuple(value for value in values if value is not None)
        return cls(known) if known else None

    @property
    def mean(self) -> float:
        return statistics.fmean(self.values)

    @property
    def low(self) -> float:
        return min(self.values)

    @property
    def high(self) -> float:
        return max(self.values)

    @property
    def cells(self) -> tuple[float | None, ...]:
        """What ``CELLS`` names."""
        sd = sample_sd(self.values) if len(self.values) > 1 else None
        return self.mean, sd, self.low, self.high, len(self.values)


@dataclass(frozen=True)
class Series:
    """One quantity of one run: a point per traced epoch (none if not traced) and the final one.

    ``kind`` is ``ap2``, ``ap3`` or ``pd``; ``change`` for an accuracy less the dense network's, which has the sign that
    PD lacks; ``network`` for a loss or an accuracy. ``unit`` labels the value axis.
    """

    method: str
    sparsity: float | None
    measure: str
    unit: str
    kind: Kind
    epochs: tuple[int, ...]
    points: tuple[Point | None, ...]
    final: Point | None

    @property
    def first(self) -> Point | None:
        """Just pruned, before the first epoch."""
        return self.points[0] if self.epochs[:1] == (0,) else None


@dataclass(frozen=True)
class Network:
    """One pruned network: by measure, a value for each epoch; without epochs, the final value alone."""

    method: str
    sparsity: float | None
    name: str
    epochs: tuple[int, ...]
    values: Mapping[str, tuple[float | None, ...]]


@dataclass(frozen=True)
class Curve:
    """Test accuracy in percent by sparsity, ascending; one at least."""

    method: str
    points: Mapping[float, Point]

    @property
    def end(self) -> tuple[float, float]:
        """The highest sparsity and the mean there."""
        sparsity = max(self.points)
        return sparsity, self.points[sparsity].mean


@dataclass(frozen=True)
class Cost:
    """A run's final test accuracy in percent, and by the name of a cost, what the networks cost."""

    method: str
    sparsity: float | None
    accuracy: Point
    costs: Mapping[str, Point]


@dataclass(frozen=True)
class PlottedEstimate:
    """A value with its interval (None if not known); ``best`` of its panel, or known to be ``lower`` than the best."""

    value: float
    interval: tuple[float, float] | None
    best: bool = False
    lower: bool = False


@dataclass(frozen=True)
class LayerValues:
    """One layer of a run: by quantity, the mean over its networks."""

    method: str
    sparsity: float | None
    layer: str
    values: Mapping[str, float]


@dataclass(frozen=True)
class Dependence:
    """nHSIC between ``names``, in [-1, 1], by row and column; how it was measured is its ``title``."""

    title: str
    names: tuple[str, ...]
    values: tuple[tuple[float, ...], ...]


@dataclass(frozen=True)
class DependenceByEpoch:
    """nHSIC with a ``target`` through the fine-tuning of one network: by layer, epochs with values."""

    title: str
    target: str
    curves: Mapping[str, tuple[tuple[int, float], ...]]


@dataclass(frozen=True)
class Weights:
    """The weights of one network, dense and later: by state, the share of all weights in each bin, and of zeros.

    ``edges`` has one number more than there are bins; a weight that is exactly zero is in no bin.
    """

    method: str
    sparsity: float | None
    name: str
    edges: tuple[float, ...]
    states: Mapping[str, tuple[tuple[float, ...], float]]

    @property
    def title(self) -> str:
        return self.method if self.sparsity is None else f"{self.method} at {self.sparsity:g}"

    @property
    def zeros(self) -> float:
        """Of the last state."""
        return [share for _, share in self.states.values()][-1]


@dataclass(frozen=True)
class PlottedBound:
    """A bound of one pruned file: ``slack`` is the bound over the measurement (of a lower bound, the inverse).

    ``value`` is None where it is infinite.
    """

    statement: str
    quantity: str
    method: str
    sparsity: float | None
    value: float | None
    measured: float | None
    slack: float | None
    verdict: str

    @property
    def name(self) -> str:
        """Of the statement about this quantity."""
        return f"{self.statement}, {self.quantity}"

    @property
    def about(self) -> str:
        """The pruned file, by how it was pruned, and what became of the bound."""
        at = "" if self.sparsity is None else f" at {self.sparsity:g}"
        return f"{self.method}{at}: {self.verdict}"


@dataclass(frozen=True)
class LossPoint:
    """The rise of the loss at a sparsity: measured, and by the curvature alone."""

    sparsity: float
    rise: float
    second_order: float | None


@dataclass(frozen=True)
class PlottedLimit:
    """The pruning limits of one dense network.

    Attributes:
        name: of the network.
        limits: by statement, the sparsity up to which it allows to prune, ascending.
        eps: the rise of the loss that is allowed.
        points: the loss by sparsity, ascending, when the smallest weights go and the others stay.
        eigenvalues: of the loss's curvature, each with the share of all eigenvalues that it stands for.
        threshold: the eigenvalue from which on directions must be kept; None if it is not known.
    """

    name: str
    limits: Mapping[str, float]
    eps: float
    points: tuple[LossPoint, ...]
    eigenvalues: tuple[tuple[float, float], ...]
    threshold: float | None


@dataclass(frozen=True)
class PlottedBehaviour:
    """What the pruned networks of one method and sparsity do otherwise than dense ones: means over files.

    Attributes:
        classes: by class, the change of accuracy in percentage points.
        ece: calibration error, dense and pruned; ``scaled_ece``: after temperature scaling. None: not known.
        cka: by layer, in the order of the network, its likeness in the two networks.
        dense_maps: nHSIC of each two layers in the dense network, and ``pruned_maps``; empty if it is not known.
    """

    method: str
    sparsity: float | None
    classes: Mapping[str, float]
    ece: tuple[float, float] | None
    scaled_ece: tuple[float, float] | None
    cka: Mapping[str, float]
    dense_maps: tuple[tuple[float, ...], ...] = ()
    pruned_maps: tuple[tuple[float, ...], ...] = ()


@dataclass(frozen=True)
class Study:
    """The runs of one model on one data set.

    Attributes:
        looks: of every method of the page, also of those of other studies.
        series: every known measure of every run; ``training``: the losses and accuracies of the traced ones.
        accuracies: by the state of the networks, a curve for each method; ``dense_accuracy`` in percent.
        rankings: by what measures are ranked against, then by measure, Kendall's tau.
        taus_by_epoch: the same at every epoch, by what is ranked and against what.
        agreements: by measure and PD, Kendall's tau as text for a panel.
        layers: of networks that were pruned in several layers; ``single_layers``: each pruned in that layer alone.
        widths: of networks with a budget, by layer or channel group; ``dependences``: the maps of nHSIC;
            ``dependence_by_epoch``: those with images and labels of traced networks.
    """

    looks: Mapping[str, Look] = field(default_factory=dict)
    series: tuple[Series, ...] = ()
    networks: tuple[Network, ...] = ()
    training: tuple[Series, ...] = ()
    accuracies: Mapping[str, tuple[Curve, ...]] = field(default_factory=dict)
    dense_accuracy: float | None = None
    costs: tuple[Cost, ...] = ()
    rankings: Mapping[str, Mapping[str, PlottedEstimate]] = field(default_factory=dict)
    taus_by_epoch: Mapping[str, Mapping[str, tuple[tuple[int, PlottedEstimate], ...]]] = field(default_factory=dict)
    agreements: Mapping[tuple[str, str], str] = field(default_factory=dict)
    layers: tuple[LayerValues, ...] = ()
    single_layers: tuple[LayerValues, ...] = ()
    weights: tuple[Weights, ...] = ()
    bounds: tuple[PlottedBound, ...] = ()
    limits: tuple[PlottedLimit, ...] = ()
    behaved: tuple[PlottedBehaviour, ...] = ()
    widths: tuple[LayerValues, ...] = ()
    dependences: tuple[Dependence, ...] = ()
    dependence_by_epoch: tuple[DependenceByEpoch, ...] = ()

    @property
    def methods(self) -> list[str]:
        """The methods, in order of appearance."""
        return list(dict.fromkeys(s.method for s in self.series))

    @property
    def sparsities(self) -> list[float]:
        """The known sparsities, ascending."""
        return sorted({s.sparsity for s in self.series if s.sparsity is not None})

    @property
    def places(self) -> list[float | None]:
        """The sparsities, and None if some run's is not known."""
        given = (*self.series, *self.training)
        known = sorted({s.sparsity for s in given if s.sparsity is not None})
        return [*known, *([None] if any(s.sparsity is None for s in given) else [])]

    def measures(self, *kinds: str) -> list[tuple[str, str]]:
        """The quantities of some kinds, with their units, in order of appearance."""
        return list(dict.fromkeys((s.measure, s.unit) for s in self.series if s.kind in kinds))

    def paths(self, x: str, y: str) -> list[Path]:
        """The path of each network in the plane of two quantities; networks that lack one of them are left out."""
        made = []
        for network in self.networks:
            pairs = zip(network.values.get(x, ()), network.values.get(y, ()), strict=False)
            points = tuple((a, b) for a, b in pairs if a is not None and b is not None)
            if points:
                name = network.method if network.sparsity is None else f"{network.method} at {network.sparsity:g}"
                made.append(Path(name, self.looks[network.method], points))
        return made
