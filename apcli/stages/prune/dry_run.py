"""``--dry-run``: describe every planned file by the inputs' own numbers; no data set is read and no network runs."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from apcli.checkpoints.checkpoint import Checkpoint
from apcli.checkpoints.promises import Json
from apcli.checkpoints.verification import check_input
from apcli.configs.prune import PruneConfig
from apcli.stages.outputs import Outputs
from apcli.stages.prune.amounts import Amounts
from apcli.stages.prune.plans import Plan, Task, lineage_of, plans_of, tasks_of
from apcli.stages.prune.repack import only_repacks, repacked
from apcli.stages.prune.requests import Limit, check, counts_network

if TYPE_CHECKING:  # it imports torch
    from apcli.stages.prune.network import NetworkScores


@dataclass(frozen=True)
class Share:
    """The loss of one layer, or of one channel group: from ``least`` to ``most`` of ``size`` elements.

    Both are the count if it is known before the elements are ranked.
    """

    name: str
    size: int
    least: int
    most: int


@dataclass(frozen=True)
class Planned:
    """A planned file.

    Attributes:
        source: the input's name in messages.
        path: the file's name in messages.
        state: ``to be written``, ``to be overwritten``, ``kept`` (it exists, made the same way), ``in the way``
            (another file has its name, so the run would stop), or ``to be measured`` (a limit, which decides the amount
            and completes the name).
        settings: the stage's settings in the lineage.
        unit: ``weights`` or ``channels``.
        removed: the number to remove in total; zeros and unread channels that exist already may exceed it. None: the
            scores decide, or a measurement.
        shares: by layer, or by channel group.
    """

    source: str
    path: str
    state: str
    settings: Json
    unit: str
    removed: int | None
    shares: tuple[Share, ...]

    @property
    def size(self) -> int:
        """The elements of all layers or groups to prune."""
        return sum(share.size for share in self.shares)

    def to_json(self) -> Json:
        """One line of JSON Lines."""
        about = {"kind": "plan", "version": 1, "source": self.source, "path": self.path, "state": self.state}
        amounts = {"unit": self.unit, "removed": self.removed, "size": self.size}
        return {**about, "settings": dict(self.settings), **amounts, "shares": [vars(x) for x in self.shares]}


def dry_run(
    source: Checkpoint, config: PruneConfig, outputs: Outputs, networks: "NetworkScores | None" = None
) -> Iterator[Planned]:
    """Yield the files that pruning one checkpoint would make, in order.

    Args:
        networks: builds the networks if ``needs_network``; for channels, only their structure is used.

    Raises:
        UsageError: the request makes no sense, or the layers cannot give what is asked for.
        ApcliError: a weight is NaN or Inf.
    """
    check(config, outputs)
    check_input(source)
    if only_repacks(source, config):
        path, lineage = repacked(source, config, outputs)
        state, settings = outputs.state(path, lineage), lineage.last_settings.options
        yield Planned(source.label, outputs.label(path), state, settings, "weights", 0, ())
        return
    network = None
    if networks is not None and (config.is_filter or counts_network(config)):
        network = networks.structure_of(source)
        source = network.source
    elif networks is not None:
        source = networks.as_built(source)
    tasks = tasks_of(source, config, network)
    for task, plan in [(each, plan) for each in tasks for plan in plans_of(each, outputs, network)]:
        if isinstance(plan.request.amount, Limit):
            yield _to_be_measured(source, task, plan, outputs)
            continue
        state = outputs.state(plan.path, lineage_of(task, plan, outputs, source.sha256))
        if plan.amounts is None:
            assert network is not None
            amounts, unit = network.amounts(task.layers, plan.request), "channels"
        else:
            amounts, unit = plan.amounts, "weights"
        yield _planned(source, plan, outputs, state, amounts, unit)


def _to_be_measured(source: Checkpoint, task: Task, plan: Plan, outputs: Outputs) -> Planned:
    shares = tuple(Share(layer.name, layer.size, 0, layer.size) for layer in task.layers)
    label = outputs.label(plan.path)
    return Planned(source.label, label, "to be measured", plan.settings, "weights", None, shares)


def _planned(source: Checkpoint, plan: Plan, outputs: Outputs, state: str, amounts: Amounts, unit: str) -> Planned:
    bounds = amounts.bounds()
    shares = tuple(Share(x.name, x.size, *bounds[x.name]) for x in amounts.units)
    return Planned(source.label, outputs.label(plan.path), state, plan.settings, unit, amounts.removed, shares)
