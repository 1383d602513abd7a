"""Images that dense networks get right and most pruned ones get wrong, over the methods and seeds of a sparsity."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np

from apcli.data.thumbnails import thumbnail
from apcli.probes.outcomes import Outcomes
from apcli.records.behaviour import BehaviourRecord
from apcli.records.exemplars import Exemplar, ExemplarsRecord
from apcli.stages.behaviour.networks import Images
from apcli.theory.statistics import proportions
from apcli.theory.statistics.clusters import LEVEL

SHOWN = 24
FEWEST = 3  # pruned networks, of which most can be wrong


@dataclass
class _Population:
    """The networks of one sparsity: how they do on each of the images, in the order of ``images.places``."""

    images: Images
    record: BehaviourRecord  # the first
    labels: np.ndarray
    dense: dict[str, np.ndarray] = field(default_factory=dict)  # whether right, by the file's SHA-256
    pruned: list[np.ndarray] = field(default_factory=list)  # predictions
    methods: dict[str, None] = field(default_factory=dict)
    rises: np.ndarray | float = 0.0
    left_out: int = 0


class Populations:
    """Gathers what the networks of a stream of pairs make of each image."""

    def __init__(self) -> None:
        self._populations: dict[tuple[object, ...], _Population] = {}

    def add(self, images: Images, record: BehaviourRecord, dense: Outcomes, pruned: Outcomes) -> None:
        """Add a pair, with its record."""
        requested = record.sparsity.requested
        key = (record.model, record.data, images.names, requested, *images.evaluated.values())
        found = self._populations.setdefault(key, _Population(images, record, dense.labels))
        found.dense[str(record.dense.sha256)] = dense.right
        if _is_chance(pruned):
            found.left_out += 1
            return
        found.methods[record.method or "not known"] = None
        found.pruned.append(pruned.predictions.astype(np.min_scalar_type(int(pruned.predictions.max()))))
        found.rises = found.rises + pruned.losses - dense.losses

    def records(self) -> Iterator[ExemplarsRecord]:
        """A record for each sparsity of each network that has enough pruned networks."""
        for population in self._populations.values():
            if len(population.pruned) >= FEWEST:
                yield _record(population)


def _is_chance(pruned: Outcomes) -> bool:
    """Whether the accuracy may be that of naming the commonest class always."""
    right, count = int(pruned.right.sum()), len(pruned.labels)
    low, _ = proportions.interval(right, count, 1 - LEVEL)
    return low <= float(np.bincount(pruned.labels).max()) / count


def _record(population: _Population) -> ExemplarsRecord:
    networks = len(population.pruned)
    wrong = np.sum([one != population.labels for one in population.pruned], axis=0)
    right = np.mean(list(population.dense.values()), axis=0) > 0.5
    exemplars = right & (2 * wrong > networks)
    rates = [float((one != population.labels)[right].mean()) if right.any() else 0.0 for one in population.pruned]
    most = sum(proportions.number_of_events(rates)[networks // 2 + 1 :])
    rises = np.asarray(population.rises) / networks
    order = sorted(np.flatnonzero(exemplars).tolist(), key=lambda i: (-wrong[i], -rises[i], i))
    record = population.record
    return ExemplarsRecord(
        model=record.model,
        data=record.data,
        evaluated=record.evaluated,
        sparsity=record.sparsity.requested,
        methods=tuple(population.methods),
        dense=len(population.dense),
        networks=networks,
        left_out=population.left_out,
        right=int(right.sum()),
        found=int(exemplars.sum()),
        expected=float(right.sum()) * most,
        exemplars=tuple(_exemplar(population, i, int(wrong[i]), float(rises[i])) for i in order[:SHOWN]),
    )


def _exemplar(population: _Population, index: int, wrong: int, rise: float) -> Exemplar:
    images, label = population.images, int(population.labels[index])
    predicted = [int(one[index]) for one in population.pruned if one[index] != label]
    commonest = max(sorted(set(predicted)), key=predicted.count)
    place = int(images.places[index])
    return Exemplar(
        image=place,
        label=label,
        name=_name(images.names, label),
        wrong=wrong,
        predicted=commonest,
        predicted_name=_name(images.names, commonest),
        rise=rise,
        thumbnail=thumbnail(images.split, place),
    )


def _name(names: Sequence[str], label: int) -> str | None:
    return names[label] if label < len(names) else None
