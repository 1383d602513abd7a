"""Prune: set a share of the weights to exact zeros. By magnitude or at random, the file's bytes are all it needs."""

import logging
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from apcli.allocations import SCOPES
from apcli.checkpoints import reading
from apcli.checkpoints.checkpoint import Checkpoint, check_input
from apcli.checkpoints.files.entries import Derived, Entry
from apcli.checkpoints.layers import Layer, check_tied, every_layer, select, told
from apcli.checkpoints.lineage import PENDING
from apcli.checkpoints.promises import Promise
from apcli.checkpoints.writing import write
from apcli.configs.prune import PruneConfig
from apcli.errors import ApcliError
from apcli.selection.exact import Ranking
from apcli.selection.layer_masks import Mask, by_counts, by_pattern, by_scope, fitting_pattern
from apcli.selection.rankings import MagnitudeRanking, ScoreRanking, common_dtype
from apcli.stages.outputs import Outputs
from apcli.stages.prune.amounts import check_lengths, share_of_compression, tell
from apcli.stages.prune.repack import only_repacks, repack
from apcli.stages.prune.requests import Trial, check, needs_network, runs_network, trials_of
from apcli.stages.zero_layers import check_masks_can_be_told

if TYPE_CHECKING:  # it imports torch
    from apcli.stages.prune.network import NetworkScores, ScoredNetwork

log = logging.getLogger("apcli")

_MASK = "mask"  # the method of files whose zeros are another file's


def prune(
    source: Checkpoint, config: PruneConfig, outputs: Outputs, networks: "NetworkScores | None" = None
) -> Iterator[Path]:
    """Prune one checkpoint by every method, sparsity and seed of ``config``; yields each file when it is whole.

    Args:
        networks: builds the networks, where ``needs_network`` says so.

    Raises:
        UsageError: the request makes no sense, there is no such layer, or another file is in the way.
        ApcliError: a weight is NaN or Inf.
        VerificationError: a written file has fewer zeros than promised.
        ValueError: ``networks`` is missing.
    """
    check(config, outputs)
    if networks is None and needs_network(config):
        raise ValueError(f"{config.method or config.structure} runs the network: pass NetworkScores(config, tell)")
    check_input(source)
    if only_repacks(source, config):
        yield repack(source, config, outputs)
        return
    network = None
    if networks is not None and runs_network(config):
        network = networks.of(source)
        source = network.source
    elif networks is not None:
        source = networks.as_built(source)
    with ThreadPoolExecutor(1) as hashing:
        hashed = hashing.submit(lambda: source.sha256)  # while the weights are ranked and written
        yield from _Pruner(source, config, outputs, network).results(hashed)


class _Pruner:
    """Prunes one checkpoint."""

    def __init__(
        self, source: Checkpoint, config: PruneConfig, outputs: Outputs, network: "ScoredNetwork | None"
    ) -> None:
        self.source, self.config, self.outputs, self.network = source, config, outputs, network
        self.layers = select(source, config.layers, config.exclude)
        if config.pattern:
            self.layers = fitting_pattern(self.layers, config.pattern, source.label)
        check_tied(source, self.layers)
        source.check_finite()
        self.names = {layer.tensor: layer.tensors for layer in every_layer(source)}
        self.rewound = (
            None if config.rewind_to is None else _fitting(config.rewind_to, "--rewind-to", source, source.entries)
        )
        if self.rewound is not None:
            self.rewound.check_finite()
        if not config.is_filter:
            check_masks_can_be_told(self.layers, source, self.rewound)

    def results(self, hashed: Future[str]) -> Iterator[Path]:
        source, config = self.source, self.config
        unsaid = True
        for trial in trials_of(config, source.lineage.seed or 0):
            other = None if trial.other is None else _other(trial.other, config, source, self.layers)
            path = self.outputs.place(self._stem(trial, other), source)
            home = self.outputs.home_of(path)
            made = None if path.exists() else self._pruned(trial, other)
            sha256 = PENDING if made else hashed.result()
            links = {"parent": source.link(home, sha256), "dense": source.dense_link(home, sha256)}
            result = source.lineage.then("prune", self._settings(trial, other), layers=source.network_layers, **links)
            if not self.outputs.has(path, result):
                entries, zeros, kept, asked = made or self._pruned(trial, other)
                check_lengths(source.label, self.layers, entries)
                promises = self._promises(entries, zeros, asked, trial, other)
                earlier = {tensor: promise for tensor, promise in result.pruned.items() if tensor not in promises}
                result = replace(result, pruned={**earlier, **promises}, kept=kept or {})
                write(path, entries, result, packed=config.packed, like=source, pending=hashed.result)
                if unsaid and told(source):
                    log.info("%s", told(source))
                unsaid = False
                tell(self.outputs.label(path), promises, entries, source)
            yield path

    def _settings(self, trial: Trial, other: Checkpoint | None) -> dict[str, Any]:
        config = self.config
        settings = {
            "method": trial.method.spec if trial.method else _MASK,
            "scope": config.scope,
            "layers": config.layers,
            "exclude": config.exclude,
            "sparsity": trial.sparsity,
            "seed": trial.seed,
        }
        more: dict[str, Any] = {
            "compression": trial.compression,
            "layer_sparsity": dict(config.layer_sparsity) or None,
            "min_keep": config.min_keep or None,
            "structure": None if config.structure == "weight" else config.structure,
            "compact": config.compact or None,
            "other": other and other.sha256,
            "rewind_to": self.rewound and self.rewound.sha256,
            "storage": None if config.storage == "dense" else config.storage,
        }
        if trial.method and "data" in trial.method.row.needs:
            more |= {
                "data": config.data.name,
                "split": config.split,
                "images": config.images,
                "batch_size": config.batch_size,
            }
        return {**settings, **{key: value for key, value in more.items() if value is not None}}

    def _stem(self, trial: Trial, other: Checkpoint | None) -> str:
        """What was done, after the source's name: method, share, structure, seed."""
        words = [trial.method.words if trial.method else _MASK]
        if trial.sparsity is not None:
            words.append(np.format_float_positional(trial.sparsity, trim="-"))
        if trial.compression is not None:
            words.append(f"{np.format_float_positional(trial.compression, trim='-')}x")
        if self.config.layer_sparsity:
            words.append("by-layer")
        if self.config.structure != "weight":
            words.append(self.config.structure.replace(":", "of"))
        parts = [self.source.stem, "-".join(words)]
        if other is not None:
            parts.append(other.stem.removeprefix(f"{self.source.stem}."))
        if trial.seed is not None and len(self.config.seeds or ()) > 1:
            parts.append(f"seed{trial.seed}")
        parts += [word for word, said in (("rewound", self.rewound), ("compact", self.config.compact)) if said]
        if self.config.storage != "dense":
            parts.append(self.config.storage)
        return ".".join(parts)

    def _pruned(
        self, trial: Trial, other: Checkpoint | None
    ) -> tuple[dict[str, Entry], Mapping[str, int | None], Mapping[str, Any] | None, Mapping[str, float | None]]:
        """The file's entries, the pruned tensors (with their zeros where known), and of channels those that a compact
        file has and the share that was asked of each tensor's.
        """
        config, source = self.config, self.source
        method = trial.method
        earlier = source.lineage.kept
        if config.is_filter:
            assert self.network is not None
            found = self.network.filters(self.layers, trial)
            log.info("%s: %d of %d channels go", source.label, *found.channels)
            return found.entries, dict.fromkeys(found.pruned), found.kept, found.pruned
        if method is not None and "reconstruction" in method.row.needs:
            assert self.network is not None
            layers, removed = self._counts(trial)
            weights = self.network.reconstructed(layers, method, removed, config.pattern)
            named = {name: entry for tensor, entry in weights.items() for name in self._names(tensor)}
            return {**source.entries, **named}, dict.fromkeys(weights), earlier, {}
        masks = self._masks(trial, other)
        values = (self.rewound or source).entries
        before = source.lineage.pruned if self.rewound else {}  # zeros that rewinding must not fill
        held = {x: _where_not_zero(source.entries[x], source.entries[x]) for x in before}
        by_name = {name: mask for tensor, mask in {**held, **masks}.items() for name in self._names(tensor)}
        masked = {name: _masked(values[name], mask) for name, mask in by_name.items()}
        zeros = {x: None if self.rewound else mask.zeros for x, mask in masks.items()}
        return {**values, **masked}, zeros, earlier, {}

    def _names(self, tensor: str) -> tuple[str, ...]:
        """All names of a parameter: tied weights have one mask, and the same zeros under each name."""
        return self.names.get(tensor, (tensor,))

    def _masks(self, trial: Trial, other: Checkpoint | None) -> dict[str, Mask]:
        source, method = self.source, trial.method
        if method is None:
            assert other is not None
            return {
                layer.tensor: _where_not_zero(other.entries[layer.tensor], source.entries[layer.tensor])
                for layer in self.layers
            }
        if "network" in method.row.needs:
            assert self.network is not None
            scores = self.network.scores(self.layers, method, lambda s, share: self._chosen(s, share, trial))
            return self._masks_of(self._ranked(scores), trial)
        if "layer" in method.row.needs:
            scores = {layer.tensor: method(source.entries[layer.tensor].values) for layer in self.layers}
            return self._masks_of(self._ranked(scores), trial)
        dtype = common_dtype([source.entries[layer.tensor] for layer in self.layers])
        rankings: dict[str, Ranking] = {
            x.tensor: MagnitudeRanking(source.entries[x.tensor], x.tensor, method, dtype, trial.seed or 0)
            for x in self.layers
        }
        if other is not None:
            counts = {layer.name: other.entries[layer.tensor].zeros for layer in self.layers}
            return by_counts(self.layers, rankings, counts)
        return self._masks_of(rankings, trial)

    def _masks_of(
        self, rankings: Mapping[str, Ranking], trial: Trial, sparsity: float | None = None
    ) -> dict[str, Mask]:
        config = self.config
        if config.pattern:
            return by_pattern(self.layers, rankings, config.pattern)
        if config.layer_sparsity:
            layers, removed = self._counts(trial, sparsity)
            return by_counts(layers, rankings, {x.name: removed[x.tensor] for x in layers}, config.min_keep)
        wanted = self._sparsity(trial) if sparsity is None else sparsity
        return by_scope(self.layers, rankings, config.scope, wanted, config.min_keep, self.source.lineage.last_layer)

    def _ranked(self, scores: Mapping[str, np.ndarray]) -> dict[str, Ranking]:
        return {tensor: ScoreRanking(score, self.source.entries[tensor]) for tensor, score in scores.items()}

    def _chosen(self, scores: Mapping[str, np.ndarray], share: float, trial: Trial) -> dict[str, np.ndarray]:
        """Bool masks at a share of the way: sparsity 1 - (1 - s)^share (Tanaka et al. 2020, arXiv:2006.05467)."""
        rankings = self._ranked(scores)
        sparsity = 1 - (1 - self._sparsity(trial)) ** share
        masks = self._masks_of(rankings, trial, sparsity)
        return {x: mask.kept(0, scores[x].size).reshape(scores[x].shape) for x, mask in masks.items()}

    def _counts(self, trial: Trial, sparsity: float | None = None) -> tuple[list[Layer], dict[str, int]]:
        """How many weights of each layer go, by tensor, where that is known before the weights are ranked."""
        config = self.config
        shapes = {layer.name: layer.shape for layer in self.layers}
        if config.pattern:
            n, m = config.pattern
            return list(self.layers), {x.tensor: x.size // m * (m - n) for x in self.layers}
        choice = SCOPES.parse(config.scope)
        wanted = 0.0 if trial.sparsity is None and config.layer_sparsity else self._sparsity(trial)
        counts = choice.row.load()(shapes, wanted if sparsity is None else sparsity, **choice.parameters)
        named: set[str] = set()
        for pattern, share in config.layer_sparsity:
            for layer in select(self.source, pattern, option="--layer-sparsity"):
                if layer.name in shapes:
                    counts[layer.name] = round(share * layer.size)
                    named.add(layer.name)
        layers = [x for x in self.layers if x.name in named or trial.sparsity is not None or not config.layer_sparsity]
        return layers, {layer.tensor: counts[layer.name] for layer in layers}

    def _sparsity(self, trial: Trial) -> float:
        """The wanted share; of a compression, what leaves parameters / kept parameters at that.

        Raises:
            UsageError: the layers in scope cannot give that compression.
        """
        if trial.compression is None:
            assert trial.sparsity is not None
            return trial.sparsity
        return share_of_compression(self.source, self.layers, trial.compression)

    def _promises(
        self,
        entries: Mapping[str, Entry],
        zeros: Mapping[str, int | None],
        shares: Mapping[str, float | None],
        trial: Trial,
        other: Checkpoint | None,
    ) -> dict[str, Promise]:
        names = {layer.tensor: layer.name for layer in self.layers}
        method = trial.method.spec if trial.method else _MASK
        if other is not None:
            method = f"{method} of {_method_of(other)}"
        if self.rewound is not None:
            method = f"{method} rewound"
        structured = self.config.structure if self.config.structure != "weight" else self.config.scope
        # Only where each layer's own count is fixed beforehand can a layer have more zeros than were asked of it.
        pooled = self.config.scope != "layer" or self.config.is_filter or other is not None
        counts = self._counts(trial)[1] if self.config.layer_sparsity and not self.config.is_filter else {}
        promises = {}
        for tensor, known in zeros.items():
            entry, name = entries[tensor], names.get(tensor, tensor)
            found = entry.zeros if known is None else known
            asked = shares[tensor] if tensor in shares else self._asked(tensor, entry.size, trial, other, counts)
            if found == entry.size > self.source.entries[tensor].zeros:
                log.warning("%s: %s loses all its weights: see --min-keep", self.source.label, name)
            elif asked is not None and not pooled and found > round(asked * entry.size):
                where = self.source.label if self.rewound is None else f"--rewind-to {self.rewound.label}"
                log.warning("%s: %s has more zeros than asked for: they stay", where, name)
            promises[tensor] = Promise(found, entry.size, method, structured, trial.seed, asked)
        return promises

    def _asked(
        self, tensor: str, size: int, trial: Trial, other: Checkpoint | None, counts: Mapping[str, int]
    ) -> float | None:
        """The share that was asked for, as a record's ``requested``; ``counts`` are those of ``--layer-sparsity``."""
        if other is not None:
            theirs = other.lineage.pruned.get(tensor)
            asked = None if theirs is None else theirs.requested
            return other.entries[tensor].zeros / size if asked is None else asked
        if self.config.pattern:
            return 1 - self.config.pattern[0] / self.config.pattern[1]
        if self.config.layer_sparsity:
            return counts[tensor] / size
        return self._sparsity(trial)


def _masked(values: Entry, mask: Mask) -> Entry:
    """A tensor with zeros, +0.0, where the mask says, made a block at a time; a zero of either sign stays as it is."""

    def bits_of(start: int, stop: int) -> np.ndarray:
        bits = values.bits_of(start, stop)
        kind = bits.dtype.type
        found: np.ndarray = bits * (mask.kept(start, stop) | (bits == kind(1 << (8 * bits.itemsize - 1))))
        return found

    return Derived(values.dtype, values.shape, bits_of, values)


def _where_not_zero(other: Entry, own: Entry) -> Mask:
    """What is zero in either tensor goes."""
    return Mask(lambda start, stop: (other.run(start, stop) != 0) & (own.run(start, stop) != 0))


def _other(name: str, config: PruneConfig, source: Checkpoint, layers: Sequence[Layer]) -> Checkpoint:
    option = "--like" if config.like else "--mask-from"
    return _fitting(name, option, source, [layer.tensor for layer in layers])


def _fitting(name: str, option: str, source: Checkpoint, tensors: Any) -> Checkpoint:
    """The checkpoint called ``name``, which has these tensors in the same shapes and types.

    Raises:
        ApcliError: it has not.
    """
    other = reading.read(reading.find(name))
    for tensor in tensors:
        found, own = other.entries.get(tensor), source.entries[tensor]
        if found is None or found.shape != own.shape or found.is_float != own.is_float:
            raise ApcliError(f"{option} {name}: its {tensor} is not that of {source.label}: give a file of one network")
    return other


def _method_of(other: Checkpoint) -> str:
    methods = {str(promise.method) for promise in other.lineage.pruned.values()}
    return methods.pop() if len(methods) == 1 else other.stem
