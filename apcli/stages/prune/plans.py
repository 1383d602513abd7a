"""Plans: every file to make from a checkpoint, with all decisions that precede the ranking of weights."""

import re
import zlib
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from apcli.allocations import SCOPES
from apcli.allocations.budgets import Sparsity
from apcli.allocations.units import Resource
from apcli.checkpoints import reading
from apcli.checkpoints.checkpoint import Checkpoint
from apcli.checkpoints.layers import Layer, check_tied, every_layer, select
from apcli.checkpoints.lineage import Lineage
from apcli.checkpoints.promises import Json
from apcli.configs.prune import EACH, PruneConfig
from apcli.errors import ApcliError
from apcli.selection.layer_masks import fitting_pattern
from apcli.stages.outputs import Outputs
from apcli.stages.prune.amounts import Amounts, amounts_of
from apcli.stages.prune.budgets.latency_tables import hash_of
from apcli.stages.prune.requests import (
    Amount,
    Compression,
    Limit,
    Remaining,
    Request,
    ZerosOf,
    requests_of,
    takes_images,
)
from apcli.stages.zero_layers import check_masks_can_be_told

if TYPE_CHECKING:  # it imports torch
    from apcli.stages.prune.network import ScoredNetwork

_LONG = 40  # most letters of the selected layers in a file's name


@dataclass(frozen=True)
class Task:
    """A checkpoint to prune.

    Attributes:
        layers: the layers to prune.
        names: by a layer's tensor, all names of this parameter in the file.
        rewound: the file whose values the kept weights get; None: they keep their own.
    """

    source: Checkpoint
    config: PruneConfig
    layers: tuple[Layer, ...]
    names: Mapping[str, tuple[str, ...]]
    rewound: Checkpoint | None

    def names_of(self, tensor: str) -> tuple[str, ...]:
        """All names of a parameter: tied weights have one mask, and the same zeros under each name."""
        return self.names.get(tensor, (tensor,))


def task_of(source: Checkpoint, config: PruneConfig) -> Task:
    """The task of a command line for one checkpoint, whose weights are checked.

    Raises:
        UsageError: there are no such layers, or their own zeros could not be distinguished from removed weights.
        ApcliError: a weight is NaN or Inf, or ``--rewind-to`` is of another network.
    """
    layers = select(source, config.layers, config.exclude)
    if config.pattern:
        layers = fitting_pattern(layers, config.pattern, source.label)
    check_tied(source, layers)
    source.check_finite()
    names = {layer.tensor: layer.tensors for layer in every_layer(source)}
    rewound = None
    if config.rewind_to is not None:
        rewound = same_network(config.rewind_to, "--rewind-to", source, source.entries, config.weights_key)
        rewound.check_finite()
    if not config.is_filter:
        check_masks_can_be_told(layers, source, rewound)
    return Task(source, config, tuple(layers), names, rewound)


def same_network(
    name: str, option: str, source: Checkpoint, tensors: Iterable[str], key: str | None = None
) -> Checkpoint:
    """The checkpoint called ``name``, whose tensors must have the same shapes and types.

    Args:
        key: see ``reading.read``.

    Raises:
        ApcliError: a tensor is missing or differs.
    """
    other = reading.named(name, key)
    for tensor in tensors:
        entry, own = other.entries.get(tensor), source.entries[tensor]
        if entry is None or entry.shape != own.shape or entry.is_float != own.is_float:
            raise ApcliError(f"{option} {name}: its {tensor} is not that of {source.label}: give a file of one network")
    return other


def tasks_of(source: Checkpoint, config: PruneConfig, network: "ScoredNetwork | None" = None) -> list[Task]:
    """The tasks of a command line for one checkpoint, see ``task_of``: one, or one for each layer by itself.

    Args:
        network: if channels are pruned; a layer whose channels all stay is left out.
    """
    if config.layers != EACH:
        return [task_of(source, config)]
    whole = task_of(source, replace(config, layers="all"))
    exclude = config.exclude if config.is_filter else None  # channels that an excluded layer makes are kept
    return [
        replace(whole, config=replace(config, layers=layer.name, exclude=exclude), layers=(layer,))
        for layer in whole.layers
        if network is None or not config.is_filter or network.has_channels([layer])
    ]


@dataclass(frozen=True)
class Plan:
    """A file to make.

    Attributes:
        amounts: how many weights of each layer to remove; None for channels, whose groups need the network's graph, and
            for a limit that is not found out.
        other: the file whose zeros are copied or counted.
        path: the file's path.
        settings: the stage's settings in the lineage.
    """

    request: Request
    amounts: Amounts | None
    other: Checkpoint | None
    path: Path
    settings: Json


def plans_of(
    task: Task,
    outputs: Outputs,
    network: "ScoredNetwork | None" = None,
    measured: Callable[[Task, Request], Request] | None = None,
) -> list[Plan]:
    """The plans of a checkpoint, in the order in which their files are made.

    Args:
        network: for a budget of what it costs.
        measured: finds out a request's limit; without it, limits stay unknown.

    Raises:
        UsageError: the layers cannot lose the requested amount, or a path is that of the input.
        ApcliError: another file holds another network.
    """
    source, config = task.source, task.config
    plans = []
    requests = [
        measured(task, request) if measured is not None and isinstance(request.amount, Limit) else request
        for request in requests_of(config, source.lineage.seed or 0)
    ]
    names = {r.amount.name for r in requests if isinstance(r.amount, ZerosOf)}
    own = _made_from(source, names, config.weights_key)
    for request in requests:
        other = None
        if isinstance(request.amount, ZerosOf):
            if own and request.amount.name not in own:
                continue
            option = "--like" if config.like else "--mask-from"
            tensors = [layer.tensor for layer in task.layers]
            other = same_network(request.amount.name, option, source, tensors, config.weights_key)
        scoped = replace(config, scope=request.scope)
        amount = request.amount
        if isinstance(amount, Limit) and amount.removed is not None:
            amount = Sparsity(amount.removed)
        unknown = config.is_filter or isinstance(amount, Limit)
        facts = None if network is None else network.measured
        amounts = None if unknown else amounts_of(source, task.layers, amount, scoped, other, facts)
        if amounts is not None:
            amounts.bounds()  # refuses an impossible amount before any file is written
        path = outputs.place(_stem(task, request, other), source)
        plans.append(Plan(request, amounts, other, path, _settings(task, request, other)))
    return plans


def _made_from(source: Checkpoint, names: Collection[str], key: str | None) -> set[str]:
    """Those of several checkpoints that were made from ``source``, by their lineage: they are its own counterparts."""
    if len(names) < 2:
        return set()
    lineages = {name: reading.named(name, key).lineage for name in names}
    links = {name: [link.sha256 for link in (one.parent, one.dense) if link] for name, one in lineages.items()}
    return {name for name, hashes in links.items() if source.sha256 in hashes}


def lineage_of(task: Task, plan: Plan, outputs: Outputs, sha256: str) -> Lineage:
    """The lineage of the plan's file, before its tensors are made.

    Args:
        sha256: the checkpoint's, or ``PENDING``.
    """
    source, home = task.source, outputs.home_of(plan.path)
    links = {"parent": source.link(home, sha256), "dense": source.dense_link(home, sha256)}
    return source.lineage.then("prune", plan.settings, layers=source.network_layers, **links)


def _settings(task: Task, request: Request, other: Checkpoint | None) -> Json:
    config, amount = task.config, request.amount
    settings = {
        "method": request.method.spec,
        "scope": SCOPES.recorded(request.scope),
        "layers": config.layers,
        "exclude": config.exclude,
        "sparsity": amount.removed if isinstance(amount, Sparsity | Limit) else None,
        "seed": request.seed,
    }
    more: dict[str, Any] = {
        "limit": amount.rule.spec if isinstance(amount, Limit) else None,
        "compression": amount.ratio if isinstance(amount, Compression) else None,
        "budget": {str(amount.resource): amount.left} if isinstance(amount, Remaining) else None,
        "latency_table": _hash_of_table(config, amount),
        "layer_sparsity": dict(config.layer_sparsity) or None,
        "min_keep": config.min_keep or None,
        "structure": None if config.structure == "weight" else config.structure,
        "compact": config.compact or None,
        "other": other and other.sha256,
        "rewind_to": task.rewound and task.rewound.sha256,
        "adjust": config.adjust or None,
        "weights_key": config.weights_key,
        "storage": None if config.storage == "dense" else config.storage,
    }
    if takes_images(request, config):
        more |= {
            "validation": config.validation or None,
            "data": config.data.name,
            "split": config.split,
            "images": config.images,
            "batch_size": config.batch_size,
            "exif_orientation": config.data.exif_orientation,
        }
    return {**settings, **{key: value for key, value in more.items() if value is not None}}


def _hash_of_table(config: PruneConfig, amount: Amount) -> str | None:
    """The hash of the table that counts the amount; None: none does."""
    timed = isinstance(amount, Remaining) and amount.resource is Resource.LATENCY
    return hash_of(config.latency_table) if timed and config.latency_table is not None else None


def _stem(task: Task, request: Request, other: Checkpoint | None) -> str:
    """The part of a file's name after the source's: method, scope, amount, structure, layers, seed."""
    config, amount = task.config, request.amount
    words = [request.method.words, *filter(None, [request.word])]
    if isinstance(amount, Sparsity):
        words.append(np.format_float_positional(amount.removed, trim="-"))
    if isinstance(amount, Limit):
        found = "*" if amount.removed is None else np.format_float_positional(round(amount.removed, 4), trim="-")
        words += [amount.rule.words, found]
    if isinstance(amount, Compression):
        words.append(f"{np.format_float_positional(amount.ratio, trim='-')}x")
    if isinstance(amount, Remaining):
        words.append(f"{amount.resource}{np.format_float_positional(amount.left, trim='-')}")
    if config.layer_sparsity:
        words.append("by-layer")
    if config.structure != "weight":
        words.append(config.structure.replace(":", "of"))
    words += _layers_in_words(config)
    parts = [task.source.stem, "-".join(words)]
    if other is not None:
        parts.append(other.stem.removeprefix(f"{task.source.stem}."))
    if request.seed is not None and len(config.seeds or ()) > 1:
        parts.append(f"seed{request.seed}")
    forms = {"rewound": task.rewound, "adjusted": config.adjust, "compact": config.compact}
    parts += [word for word, applies in forms.items() if applies]
    if config.storage != "dense":
        parts.append(config.storage)
    return ".".join(parts)


def _layers_in_words(config: PruneConfig) -> list[str]:
    """The selected layers for a file's name, if they are not all: as given, or the beginning and a checksum of that."""
    given = [] if config.layers == PruneConfig.layers else [config.layers]
    given += [] if config.exclude is None else [f"not-{config.exclude}"]
    words = []
    for text in given:
        plain = re.sub(r"[^\w.+-]", "", text.replace(",", "+"))
        changed = plain.replace("+", ",") != text or len(plain) > _LONG
        words.append(f"{plain[:_LONG]}~{zlib.crc32(text.encode()):08x}" if changed else plain)
    return words
