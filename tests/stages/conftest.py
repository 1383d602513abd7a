"""Divergence records of a small, plausible experiment."""

import hashlib
import math
import random
from collections.abc import Callable, Iterator
from typing import Any

import pytest

METHODS = {"lowest": 0.15, "random": 1.0, "highest": 2.6}
DISTS: dict[str, dict[str, Any]] = {
    "ap2": {},
    "gaussian": {"cov": "identity", "scale": 1.0, "groups": 0},
    "student-t": {"df": 4, "scale": 1.0, "groups": 0},
}


def scores(loss: float, accuracy: float) -> dict[str, Any]:
    split = {"loss": loss, "accuracy": accuracy, "top5": min(100.0, accuracy + 7)}
    return {"test": split, "train": {**split, "loss": 0.4 * loss, "accuracy": min(100.0, accuracy + 5)}}


def difference(dense: dict[str, Any], network: dict[str, Any]) -> dict[str, Any]:
    return {
        split: {key: abs(dense[split][key] - network[split][key]) for key in ("loss", "accuracy")}
        for split in ("test", "train")
    }


def grid(
    seeds: tuple[int, ...] = (0, 1), epochs: int = 5, sparsities: tuple[float, ...] = (0.1, 0.3, 0.5, 0.8)
) -> Iterator[dict[str, Any]]:
    """3 methods × sparsities × seeds × (file and epochs 0..N) × 3 distributions × (pooled and one layer)."""
    for method, strength in METHODS.items():
        for sparsity in sparsities:
            for seed in seeds:
                draw = random.Random(f"{method}{sparsity}{seed}")
                ap2 = strength * sparsity**1.5 * draw.uniform(0.9, 1.1)
                harm = 0.4 * strength**0.8 * sparsity**2 * draw.uniform(0.5, 1.8)
                dense = scores(0.31 + 0.01 * seed, 91.5 - 0.3 * seed)
                left = [harm * math.exp(-0.5 * epoch) * draw.uniform(0.9, 1.1) for epoch in range(epochs + 1)]
                networks = [scores(dense["test"]["loss"] + h, 91.5 - 20 * h) for h in left]
                name = f"out/resnet20.seed{seed}.{method}-{sparsity:g}.finetuned.safetensors"
                digest = hashlib.sha256(name.encode()).hexdigest()
                for epoch in [*range(epochs + 1), None] if epochs else [None]:
                    network = networks[-1 if epoch is None else epoch]
                    moved = ap2 * (1 - 0.04 * (epochs if epoch is None else epoch))
                    for dist, params in DISTS.items():
                        value = {"ap2": moved, "gaussian": moved / 2, "student-t": math.log1p(moved / 3)}[dist]
                        for layer in ("*", "fc"):
                            yield {
                                "kind": "divergence", "version": 1,
                                "model": "resnet20", "data": "cifar10", "seed": seed,
                                "dense": {"path": f"out/resnet20.seed{seed}.safetensors", "sha256": f"{seed:064x}"},
                                "pruned": {"path": name, "sha256": digest},
                                "method": method, "scope": "layer", "layer": layer, "dim": 640, "epoch": epoch,
                                "sparsity": {"requested": sparsity, "actual": round(sparsity * 640) / 640},
                                "dist": dist, "params": params, "measure": "ap2" if dist == "ap2" else "kl",
                                "estimator": "exact", "value": value, "std_error": 0.0,
                                "pd": difference(dense, network),
                                "metrics": {"dense": dense, "before": networks[0], "pruned": network},
                            }  # fmt: skip


@pytest.fixture
def records() -> list[dict[str, Any]]:
    return list(grid())


@pytest.fixture
def make_grid() -> Callable[..., list[dict[str, Any]]]:
    return lambda **kinds: list(grid(**kinds))
