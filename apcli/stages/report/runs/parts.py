"""The parts of the network that runs prune: a sparsity of the last layer is none of the network."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations

from apcli.stages.report.runs.experiment import Group, Run
from apcli.stages.report.runs.making import layers_of

ALIKE = 0.5  # runs of one part have more than this share of their pruned layers in common


@dataclass(frozen=True)
class Part:
    """The runs that prune mostly the same layers; only these are compared. ``layers``: those of its first run."""

    layers: tuple[str, ...]
    runs: tuple[Run, ...]


def parts_of(runs: Sequence[Run]) -> tuple[Part, ...]:
    """The runs by what they prune, the largest part of the network first."""
    found: list[Part] = []
    for run in runs:
        own = layers_of(run)
        place = next((place for place, part in enumerate(found) if _are_alike(part.layers, own)), None)
        if place is None:
            found.append(Part(own, (run,)))
        else:
            found[place] = Part(found[place].layers, (*found[place].runs, run))
    return tuple(sorted(found, key=lambda part: -len(part.layers)))


def rivals(group: Group) -> Iterator[tuple[float, Run, Run]]:
    """The pairs of runs at one sparsity that prune the same part of the network, with that sparsity."""
    for sparsity in group.sparsities:
        for part in parts_of([run for run in group.runs if run.sparsity == sparsity]):
            for first, second in combinations(part.runs, 2):
                yield sparsity, first, second


def _are_alike(some: Iterable[str], others: Iterable[str]) -> bool:
    union = {*some, *others}
    return not union or len(set(some) & set(others)) > ALIKE * len(union)
