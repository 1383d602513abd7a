"""The kinds of limits to which a network can be pruned."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from apcli.progress import Tell
from apcli.stages.limits import KINDS
from apcli.stages.limits.landscape import Trained
from apcli.stages.limits.limits import Limits, Settings
from apcli.theory.limit.magnitudes import fewest


@dataclass(frozen=True)
class Subject:
    """A network to be pruned to its limit by some method.

    Attributes:
        weights: how many its layers have, those that are zero included.
        within: by the rule for eps, a function: whether the network that keeps so many of them is within eps.
        trained: what the curvature is of.
        seed: of random starts.
        tell: shows a line of progress.
    """

    weights: int
    within: Callable[[str], Callable[[int], bool]]
    trained: Callable[[], Trained]
    seed: int
    tell: Tell


def limit(subject: Subject, *, kind: str, eps: str, **parameters: Any) -> int:
    """How many weights of the network are kept at its limit of one kind, whose parameters these are."""
    kept: int = KINDS.row(kind).load()(subject, eps, **parameters)
    return kept


def oneshot(subject: Subject, eps: str) -> int:
    """The fewest weights with which the network is within eps, by running it with about log2(weights) of its masks."""
    return fewest(subject.weights, subject.within(eps))


def quadratic(
    subject: Subject, eps: str, *, curvature: str, steps: int, probes: int, damping: float, adjust: int, within: float
) -> int:
    """The smallest mask of the largest weights whose best weights are within eps, to second order."""
    return _limits(subject, Settings(eps, curvature, steps, probes, damping, adjust, within)).best.kept


def published(subject: Subject, eps: str, *, curvature: str, steps: int, probes: int) -> int:
    """The published estimate."""
    return _limits(subject, Settings(eps, curvature, steps, probes)).published


def subspace(subject: Subject, eps: str, *, curvature: str, steps: int, probes: int, within: float) -> int:
    """The estimate for a random subspace orthogonal to the weights removed, as they are."""
    return _limits(subject, Settings(eps, curvature, steps, probes, within=within)).aligned


def _limits(subject: Subject, settings: Settings) -> Limits:
    return Limits(subject.trained(), settings, subject.seed, subject.tell)
