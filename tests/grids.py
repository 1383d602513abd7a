"""Divergence records of a small, plausible experiment."""

import functools
import hashlib
import math
import random
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from apcli.records.divergence import Difference, DivergenceRecord, Metrics, Performance, PerformanceDifference, Scores
from apcli.records.pair import File, LayerSparsity

METHODS = {"lowest": 0.15, "random": 1.0, "highest": 2.6}
DISTS: dict[str, dict[str, Any]] = {
    "ap2": {},
    "gaussian": {"cov": "identity", "scale": 1.0, "groups": 0},
    "student-t": {"df": 4, "scale": 1.0, "groups": 0},
}


def performance(loss: float, accuracy: float) -> Performance:
    test = Scores(loss, accuracy, min(100.0, accuracy + 7))
    return Performance(test, replace(test, loss=0.4 * loss, accuracy=min(100.0, accuracy + 5)))


def difference(dense: Performance, network: Performance) -> PerformanceDifference:
    pairs = ((dense.test, network.test), (dense.train, network.train))
    return PerformanceDifference(*(Difference(abs(a.loss - b.loss), abs(a.accuracy - b.accuracy)) for a, b in pairs))


def grid(
    seeds: tuple[int, ...] = (0, 1), epochs: int = 5, sparsities: tuple[float, ...] = (0.1, 0.3, 0.5, 0.8)
) -> Iterator[DivergenceRecord]:
    """3 methods × sparsities × seeds × (file and epochs 0..N) × 3 distributions × (pooled and one layer)."""
    for method, strength in METHODS.items():
        for sparsity in sparsities:
            for seed in seeds:
                draw = random.Random(f"{method}{sparsity}{seed}")
                ap2 = strength * sparsity**1.5 * draw.uniform(0.9, 1.1)
                harm = 0.4 * strength**0.8 * sparsity**2 * draw.uniform(0.5, 1.8)
                dense = performance(0.31 + 0.01 * seed, 91.5 - 0.3 * seed)
                left = [harm * math.exp(-0.5 * epoch) * draw.uniform(0.9, 1.1) for epoch in range(epochs + 1)]
                networks = [performance(dense.test.loss + h, 91.5 - 20 * h) for h in left]
                name = f"out/resnet20.seed{seed}.{method}-{sparsity:g}.finetuned.safetensors"
                for epoch in [*range(epochs + 1), None] if epochs else [None]:
                    network = networks[-1 if epoch is None else epoch]
                    moved = ap2 * (1 - 0.04 * (epochs if epoch is None else epoch))
                    for dist, params in DISTS.items():
                        for layer in ("*", "fc"):
                            yield DivergenceRecord(
                                model="resnet20",
                                data="cifar10",
                                seed=seed,
                                dense=File(f"out/resnet20.seed{seed}.safetensors", f"{seed:064x}"),
                                pruned=File(name, hashlib.sha256(name.encode()).hexdigest()),
                                method=method,
                                scope="layer",
                                sparsity=LayerSparsity(sparsity, round(sparsity * 640) / 640),
                                layer=layer,
                                dim=640,
                                epoch=epoch,
                                dist=dist,
                                params=params,
                                measure="ap2" if dist == "ap2" else "kl",
                                estimator="exact",
                                value={"ap2": moved, "gaussian": moved / 2, "student-t": math.log1p(moved / 3)}[dist],
                                std_error=0.0,
                                pd=difference(dense, network),
                                metrics=Metrics(dense, networks[0], network),
                            )


def made_once(**kinds: Any) -> list[DivergenceRecord]:
    """The records of a grid, in a list of the caller's own."""
    return list(_made_once(**kinds))


@functools.cache
def _made_once(**kinds: Any) -> tuple[DivergenceRecord, ...]:
    return tuple(grid(**kinds))
