"""Plans: every file that is to be made of a checkpoint, with all that is decided before a weight is ranked."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from apcli.allocations import SCOPES
from apcli.allocations.budgets import Sparsity
from apcli.checkpoints.checkpoint import Checkpoint
from apcli.stages.outputs import Outputs
from apcli.stages.prune.amounts import Amounts, amounts_of
from apcli.stages.prune.requests import Compression, Request, ZerosOf, requests_of
from apcli.stages.prune.task import Task, same_network


@dataclass(frozen=True)
class Plan:
    """One file that is to be made.

    Attributes:
        amounts: how many weights of each layer go; None of channels, whose groups the network's graph says.
        other: the file whose zeros are taken or counted.
        path: where the file is to be.
        settings: the stage's, for the lineage.
    """

    request: Request
    amounts: Amounts | None
    other: Checkpoint | None
    path: Path
    settings: dict[str, Any]


def plans_of(task: Task, outputs: Outputs) -> list[Plan]:
    """The plans of a checkpoint, in the order in which their files are made.

    Raises:
        UsageError: the layers cannot give what is asked for, or a path is that of the input.
        ApcliError: another file is not of the same network.
    """
    source, config = task.source, task.config
    plans = []
    for request in requests_of(config, source.lineage.seed or 0):
        other = None
        if isinstance(request.amount, ZerosOf):
            option = "--like" if config.like else "--mask-from"
            other = same_network(request.amount.name, option, source, [layer.tensor for layer in task.layers])
        amounts = None if config.is_filter else amounts_of(source, task.layers, request.amount, config, other)
        if amounts is not None:
            amounts.bounds()  # what the layers cannot give is refused before a file is written
        path = outputs.place(_stem(task, request, other), source)
        plans.append(Plan(request, amounts, other, path, _settings(task, request, other)))
    return plans


def _settings(task: Task, request: Request, other: Checkpoint | None) -> dict[str, Any]:
    config, amount = task.config, request.amount
    settings = {
        "method": request.method.spec,
        "scope": SCOPES.recorded(config.scope),
        "layers": config.layers,
        "exclude": config.exclude,
        "sparsity": amount.removed if isinstance(amount, Sparsity) else None,
        "seed": request.seed,
    }
    more: dict[str, Any] = {
        "compression": amount.ratio if isinstance(amount, Compression) else None,
        "layer_sparsity": dict(config.layer_sparsity) or None,
        "min_keep": config.min_keep or None,
        "structure": None if config.structure == "weight" else config.structure,
        "compact": config.compact or None,
        "other": other and other.sha256,
        "rewind_to": task.rewound and task.rewound.sha256,
        "storage": None if config.storage == "dense" else config.storage,
    }
    if request.needs("data"):
        more |= {
            "data": config.data.name,
            "split": config.split,
            "images": config.images,
            "batch_size": config.batch_size,
        }
    return {**settings, **{key: value for key, value in more.items() if value is not None}}


def _stem(task: Task, request: Request, other: Checkpoint | None) -> str:
    """What is done, after the source's name: method, amount, structure, seed."""
    config, amount = task.config, request.amount
    words = [request.method.words]
    if isinstance(amount, Sparsity):
        words.append(np.format_float_positional(amount.removed, trim="-"))
    if isinstance(amount, Compression):
        words.append(f"{np.format_float_positional(amount.ratio, trim='-')}x")
    if config.layer_sparsity:
        words.append("by-layer")
    if config.structure != "weight":
        words.append(config.structure.replace(":", "of"))
    parts = [task.source.stem, "-".join(words)]
    if other is not None:
        parts.append(other.stem.removeprefix(f"{task.source.stem}."))
    if request.seed is not None and len(config.seeds or ()) > 1:
        parts.append(f"seed{request.seed}")
    parts += [word for word, said in (("rewound", task.rewound), ("compact", config.compact)) if said]
    if config.storage != "dense":
        parts.append(config.storage)
    return ".".join(parts)
