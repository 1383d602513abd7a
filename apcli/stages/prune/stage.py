"""Prune: set a share of the weights to exact zeros. By magnitude or at random, the file's bytes are all it needs."""

import logging
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from apcli.checkpoints.checkpoint import Checkpoint
from apcli.checkpoints.layers import layers_sentence
from apcli.checkpoints.lineage import PENDING
from apcli.checkpoints.reading import read
from apcli.checkpoints.verification import check_input
from apcli.checkpoints.writing import write
from apcli.configs.prune import PruneConfig
from apcli.progress import Progress
from apcli.stages.outputs import Outputs
from apcli.stages.prune.outcome import check_lengths, promises_of, tell, tell_of_compact, tell_of_equals
from apcli.stages.prune.plans import Plan, Task, lineage_of, plans_of, tasks_of
from apcli.stages.prune.pruned import Pruned, pruned, tensors_at
from apcli.stages.prune.repack import only_repacks, repack
from apcli.stages.prune.requests import Request, check, needs_network, runs_network

if TYPE_CHECKING:  # it imports torch
    from apcli.stages.prune.network import NetworkScores, ScoredNetwork

log = logging.getLogger("apcli")


def prune(
    source: Checkpoint,
    config: PruneConfig,
    outputs: Outputs,
    networks: "NetworkScores | None" = None,
    progress: Progress | None = None,
) -> Iterator[Path]:
    """Prune one checkpoint by every method, amount and seed of ``config``; yields each file when it is complete.

    Args:
        networks: builds the networks if ``needs_network``.

    Raises:
        UsageError: the request makes no sense, there is no such layer, or another file is in the way.
        ApcliError: a weight is NaN or Inf.
        VerificationError: a written file has fewer zeros than promised.
        ValueError: ``networks`` is missing.
    """
    check(config, outputs)
    if networks is None and needs_network(config, source):
        raise ValueError(f"{config.method or config.structure} runs the network: pass NetworkScores(config, tell)")
    progress = progress or Progress()
    progress(f"reading {source.label}")
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
        tasks = tasks_of(source, config, network)
        explanation = layers_sentence(source)
        measured = None if network is None else partial(_limited, network)
        plans = [(task, plan) for task in tasks for plan in plans_of(task, outputs, network, measured)]
        progress.expect(len(plans))
        new = False
        for task, plan in plans:
            progress(f"pruning {source.label} to {plan.path.name}")
            made = _made(task, plan, outputs, network, hashed, explanation)
            if made:
                explanation, new = "", True
            if made and config.compact and networks is not None and network is not None:
                tell_of_compact(outputs.label(plan.path), source, read(plan.path), partial(networks.macs, network.spec))
            progress.finished(made=made)
            yield plan.path
        if new and not outputs.home:
            tell_of_equals(source, [plan.path for _, plan in plans])


def _made(
    task: Task,
    plan: Plan,
    outputs: Outputs,
    network: "ScoredNetwork | None",
    hashed: Future[str],
    explanation: str,
) -> bool:
    """Write a plan's file and log ``explanation`` about its layers; False if the file exists already."""
    source, path = task.source, plan.path
    made = None if path.exists() else _tensors(task, plan, network)
    if outputs.has(path, lambda: lineage_of(task, plan, outputs, hashed.result())):
        return False
    lineage = lineage_of(task, plan, outputs, PENDING)
    made = made or _tensors(task, plan, network)
    check_lengths(source.label, task.layers, made.entries)
    promises = promises_of(task, plan, made)
    earlier = {tensor: promise for tensor, promise in lineage.pruned.items() if tensor not in promises}
    lineage = replace(
        lineage, pruned={**earlier, **promises}, kept=made.kept, sizes=made.sizes, norm_difference=made.norm_difference
    )
    lineage = replace(lineage, allocation=made.allocated)
    write(path, made.entries, lineage, packed=task.config.packed, like=source, streamed=True, pending=hashed.result)
    if explanation:
        log.info("%s", explanation)
    if not task.config.compact:
        tell(outputs.label(path), promises, made.entries, source)
    return True


def _tensors(task: Task, plan: Plan, network: "ScoredNetwork | None") -> Pruned:
    """A plan's tensors, whose kept weights are adjusted if that is asked for."""
    made = pruned(task, plan, network)
    if not task.config.adjust:
        return made
    assert network is not None
    found = network.adjusted(task.layers, made.entries)
    named = {name: entry for tensor, entry in found.items() for name in task.names_of(tensor)}
    return replace(made, entries={**made.entries, **named}, zeros=dict.fromkeys(made.zeros))


def _limited(network: "ScoredNetwork", task: Task, request: Request) -> Request:
    """The request with the share of the weights that its limit removes."""
    return network.limited(task.layers, request, partial(tensors_at, task, request, network))
