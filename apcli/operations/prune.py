"""Prune: set a share of the weights to exact zeros. The file's bytes are all it needs: no model, no torch."""

import logging
import zlib
from collections.abc import Iterator, Sequence
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np

from apcli import lineage as lineages
from apcli.allocations import SCOPES
from apcli.checkpoints import Checkpoint, check_input, write
from apcli.configs import PruneConfig
from apcli.criteria import METHODS
from apcli.entries import Entry
from apcli.errors import UsageError
from apcli.layers import Layer, select
from apcli.outputs import Outputs
from apcli.registry import Choice

log = logging.getLogger("apcli")

Promise = dict[str, Any]


def check(config: PruneConfig, outputs: Outputs) -> None:
    """Refuse a wrong request before anything is read.

    Raises:
        UsageError: an unknown method or scope, or one output file for several results.
    """
    SCOPES.parse(config.scope)
    outputs.expect(len(list(_trials(config, 0))))
    if config.seeds and not any("seed" in method.row.needs for method in METHODS.parse_list(config.method)):
        raise UsageError(f"--seed or --seeds is given but {config.method} draws nothing: leave it out, or add random")


def prune(source: Checkpoint, config: PruneConfig, outputs: Outputs) -> Iterator[Path]:
    """Prune one checkpoint by every method, sparsity and seed of ``config``; yields each file when it is whole.

    Raises:
        UsageError: no such layer, or another file is in the way.
        ApcliError: a weight is NaN or Inf.
        VerificationError: a written file has fewer zeros than promised.
    """
    check_input(source)
    layers = select(source, config.layers, config.exclude)
    source.check_finite()
    parent = source.lineage
    own_seed = (parent or {}).get("seed") or 0
    for method, sparsity, seed in _trials(config, own_seed):
        trial = f".seed{seed}" if seed is not None and len(config.seeds or ()) > 1 else ""
        number = np.format_float_positional(sparsity, trim="-")
        path = outputs.place(f"{source.stem}.{method.spec.replace(':', '-')}-{number}{trial}", source)
        home = outputs.home_of(path)
        settings = {
            "method": method.spec,
            "scope": config.scope,
            "layers": config.layers,
            "exclude": config.exclude,
            "sparsity": sparsity,
            "seed": seed,
        }
        result = lineages.make("prune", settings, parent, parent=source.link(home), dense=source.dense_link(home))
        if not outputs.has(path, {key: result[key] for key in ("stage", "settings", "parent")}):
            entries, promises = _pruned(source, layers, method, config.scope, sparsity, seed)
            earlier = {tensor: promise for tensor, promise in result["pruned"].items() if tensor not in promises}
            result["pruned"] = {**earlier, **promises}
            write(path, entries, result)
            _tell(outputs.label(path), promises)
        yield path


def _trials(config: PruneConfig, own_seed: int) -> Iterator[tuple[Choice, float, int | None]]:
    """Every method, sparsity and seed; a method that draws nothing has no seed and is done once."""
    for method, sparsity in product(METHODS.parse_list(config.method), config.sparsity):
        seeds = config.seeds or (own_seed,) if "seed" in method.row.needs else (None,)
        yield from ((method, sparsity, seed) for seed in seeds)


def _pruned(
    source: Checkpoint, layers: Sequence[Layer], method: Choice, scope: str, sparsity: float, seed: int | None
) -> tuple[dict[str, Entry], dict[str, Promise]]:
    """The file's entries with the mask applied, and what the lineage promises of each pruned tensor."""
    scores = []
    for layer in layers:
        weight = source.entries[layer.tensor].values.ravel()
        # The layer's name is in the seed: its mask does not depend on which other layers take part.
        generator = np.random.default_rng([seed or 0, zlib.crc32(layer.tensor.encode())])
        score = method(weight, generator)
        # A weight that is zero already counts as removed, whatever the method: so the count of zeros is exact.
        scores.append(np.where(weight == 0, -np.inf, score))
    entries = dict(source.entries)
    promises: dict[str, Promise] = {}
    for layer, mask in zip(layers, SCOPES.parse(scope)(scores, sparsity), strict=True):
        old = source.entries[layer.tensor]
        bits = old.bits.copy()
        bits[~mask] = 0
        entries[layer.tensor] = new = Entry(old.dtype, old.shape, bits.view(np.uint8))
        zeros = new.zeros
        if zeros > layer.size - np.count_nonzero(mask):
            log.warning("%s: %s had more zeros than asked for: they stay", source.label, layer.name)
        promises[layer.tensor] = lineages.promise(zeros, layer.size, method.spec, scope, seed, sparsity)
    return entries, promises


def _tell(label: str, promises: dict[str, Promise]) -> None:
    zeros = sum(p["zeros"] for p in promises.values())
    size = sum(p["size"] for p in promises.values())
    log.info(
        "%s: %d of %d weights in %d layers are zero (sparsity %.6g)", label, zeros, size, len(promises), zeros / size
    )
