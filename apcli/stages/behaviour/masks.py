"""Which weights the pruned files of one sparsity keep: how far two of them agree."""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from apcli.checkpoints.checkpoint import Checkpoint
from apcli.checkpoints.layers import Layer
from apcli.records.behaviour import BehaviourRecord
from apcli.records.overlap import LayerOverlap, OverlapRecord, PrunedFile
from apcli.stages.pairs.layers import in_dense_shape

METHODS, SEEDS = "methods", "seeds"


@dataclass(frozen=True, eq=False)
class _Mask:
    """The kept weights of a file: for each layer its name and size, and a bit for each weight, eight in a byte."""

    file: PrunedFile
    layers: tuple[tuple[str, int], ...]
    bits: tuple[np.ndarray, ...]


class Masks:
    """Gathers the masks of a stream of pruned files; a mask that is there already, of the same network, adds none."""

    def __init__(self) -> None:
        self._masks: dict[tuple[object, ...], list[_Mask]] = {}
        self._seen: set[tuple[object, ...]] = set()

    def add(self, pruned: Checkpoint, layers: Sequence[Layer], record: BehaviourRecord) -> None:
        """Add a pruned file, with the record of its pair."""
        file = PrunedFile(
            path=record.pruned.path,
            sha256=record.pruned.sha256,
            dense_sha256=record.dense.sha256,
            method=record.method,
            scope=record.scope,
            seed=record.seed,
            mask_seed=record.mask_seed,
        )
        if record.method is None or record.sparsity.requested is None:
            return
        entries = (in_dense_shape(pruned, layer, pruned.entries[layer.tensor]) for layer in layers)
        mask = _Mask(
            file,
            tuple((layer.name, layer.size) for layer in layers),
            tuple(np.packbits(entry.values != 0) for entry in entries),
        )
        key = (record.model, record.data, record.sparsity.requested, mask.layers)
        same = (key, file.dense_sha256, hashlib.sha256(b"".join(map(bytes, mask.bits))).digest())
        if same not in self._seen:
            self._seen.add(same)
            self._masks.setdefault(key, []).append(mask)

    def records(self) -> Iterator[OverlapRecord]:
        """A record for each two files of one dense network, and for each two of one method."""
        for (model, data, sparsity, *_), masks in self._masks.items():
            for first, second in combinations(masks, 2):
                between = _between(first.file, second.file)
                if between:
                    yield _record(first, second, model=model, data=data, sparsity=sparsity, between=between)


def _between(first: PrunedFile, second: PrunedFile) -> str | None:
    """What two files differ in; None: in more than one."""
    if (first.method, first.scope) == (second.method, second.scope):
        return SEEDS
    return METHODS if first.dense_sha256 == second.dense_sha256 else None


def _record(first: _Mask, second: _Mask, **about: object) -> OverlapRecord:
    layers = tuple(map(_overlap, first.layers, first.bits, second.bits))
    kept = sum(one.first + one.second for one in layers)
    expected = sum(one.first * one.second / one.weights for one in layers)
    return OverlapRecord(
        first=first.file,
        second=second.file,
        jaccard=_jaccard(sum(one.both for one in layers), kept),
        chance=_jaccard(expected, kept),
        layers=layers,
        **about,  # type: ignore[arg-type]
    )


def _overlap(layer: tuple[str, int], first: np.ndarray, second: np.ndarray) -> LayerOverlap:
    name, size = layer
    one, other, both = (int(np.bitwise_count(bits).sum(dtype=np.int64)) for bits in (first, second, first & second))
    chance = _jaccard(one * other / size, one + other)
    return LayerOverlap(name, size, one, other, both, _jaccard(both, one + other), chance)


def _jaccard(both: float, kept: int) -> float | None:
    """|A and B| / |A or B| of two sets of ``kept`` members together; None if they are empty.

    Of the mean of |A and B| it is the mean of the ratio but for terms of 1 / |A or B|.
    """
    return both / (kept - both) if kept else None
