"""Budgets of whole channels: the cost of the network without them, which does not add up channel by channel."""

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from apcli.allocations.budgets import Allowance, Costs
from apcli.allocations.units import Resource
from apcli.channels.costs import width_cost, width_time
from apcli.channels.groups import ChannelGroup
from apcli.checkpoints.checkpoint import Checkpoint
from apcli.checkpoints.sizes import counted, is_buffer
from apcli.errors import UsageError
from apcli.stages.prune.budgets.latency_tables import table_at
from apcli.stages.prune.requests import Remaining
from apcli.theory.widths.times import fitted

if TYPE_CHECKING:
    from apcli.probes.costs import Costs as MultiplyAdds


def remaining(
    source: Checkpoint,
    groups: Sequence[ChannelGroup],
    amount: Remaining,
    multiply_adds: "Callable[[], MultiplyAdds]",
    fewest: Mapping[str, int],
    latency_table: str | None = None,
) -> Allowance:
    """The budget of ``--budget`` for the groups' channels: a share of what the file's network costs.

    Args:
        multiply_adds: counts those of the network.
        fewest: the channels that each group keeps at least.
        latency_table: the file of times, for a budget of time.

    Raises:
        UsageError: the groups cannot give what is asked for.
    """
    if amount.resource is Resource.LATENCY:
        assert latency_table is not None
        costs = _times(latency_table, source, groups)
    else:
        costs = _costs(source, groups, amount.resource, multiply_adds)
    floor = costs.of(fewest)
    if amount.left * costs.dense < floor:
        raise UsageError(
            f"{amount.option} cannot be reached: with the fewest channels in every group that can lose some, "
            f"{source.label} costs {amount.resource.said(floor)} of {amount.resource.said(costs.dense)}, a share of "
            f"{floor / costs.dense:.4g}: choose more, or more layers"
        )
    return Allowance(costs, amount.left * costs.dense)


def _costs(
    source: Checkpoint,
    groups: Sequence[ChannelGroup],
    resource: Resource,
    multiply_adds: "Callable[[], MultiplyAdds]",
) -> Costs:
    shapes = {name: entry.shape for name, entry in source.entries.items()}
    if resource is Resource.PARAMETERS:
        entries = counted(source, source.entries)
        totals = {name: entry.size for name, entry in entries.items() if not is_buffer(name, entry.dtype)}
        by_width = width_cost(groups, shapes, totals)
    else:
        counts = multiply_adds()
        by_width = width_cost(groups, shapes, counts.weights, counts.others, mixings=True)
    return Costs(resource, {group.name: group.size for group in groups}, by_width)


def _times(path: str, source: Checkpoint, groups: Sequence[ChannelGroup]) -> Costs:
    """The time of the checkpoint's network by its groups' channels: that of layers, and a rest that stays.

    Raises:
        UsageError: there is no such file, or it is of another network.
        ApcliError: it is no such table.
    """
    table = table_at(path)
    shapes = {name: entry.shape for name, entry in source.entries.items()}
    other = next((one.tensor for one in table.layers if tuple(shapes.get(one.tensor, ())) != one.shape), None)
    if other is not None or not table.layers:
        raise UsageError(
            f"--latency-table {path} is of another network than {source.label}, by {other or 'its layers'}: make one "
            f"by apcli report {source.label} --latency-table FILE"
        )
    times = {}
    for one in table.layers:
        rows, columns = ([extent / one.shape[dim] for extent in of] for dim, of in enumerate((one.rows, one.columns)))
        times[one.tensor] = fitted(rows, columns, one.seconds)
    rest = max(0.0, table.seconds - sum(time.full for time in times.values()))
    by_width = width_time(groups, shapes, times, rest)
    return Costs(Resource.LATENCY, {group.name: group.size for group in groups}, by_width)
