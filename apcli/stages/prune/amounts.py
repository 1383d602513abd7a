"""Compute how many weights of each layer, or channels of each group, to remove: every option of an amount ends here."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any

from apcli.allocations import SCOPES
from apcli.allocations.allocate import allocate, leaving_least
from apcli.allocations.budgets import Budget, Sparsity
from apcli.allocations.units import Context, Counts, Unit, least
from apcli.checkpoints.checkpoint import Checkpoint
from apcli.checkpoints.layers import Layer, select
from apcli.checkpoints.network_layers import CONVOLUTION, OWN
from apcli.configs.prune import PruneConfig
from apcli.registry.tables import Choice, Row
from apcli.selection.ranked import Ranked
from apcli.stages.prune.budgets.of_weights import compression, remaining
from apcli.stages.prune.requests import Amount, ByLayer, Compression, Pattern, Remaining, ZerosOf

if TYPE_CHECKING:  # it imports torch
    from apcli.stages.prune.measured.allocations import Measurements


@dataclass(frozen=True)
class Amounts:
    """The numbers of elements to remove, as far as they are known before the elements are ranked.

    Attributes:
        units: the units to prune.
        own: counts of units with an amount of their own, which take no part in the budget.
        scope: the choice of the allocation that shares the budget among the other units.
        asked: by unit, the share that a record calls ``requested``.
        context: further facts that an allocation may use.
        evidence: what the allocation has noted beside its last counts, for the lineage.
    """

    units: tuple[Unit, ...]
    own: Counts
    scope: Choice[Row]
    budget: Budget
    asked: Mapping[str, float]
    context: Context = field(default_factory=Context)
    evidence: dict[str, Any] = field(default_factory=dict)

    @property
    def sharing(self) -> list[Unit]:
        """The units that the budget is shared among."""
        return [unit for unit in self.units if unit.name not in self.own]

    @property
    def need_scores(self) -> bool:
        """Whether the counts depend on how the elements are ranked."""
        return bool(self.sharing) and "scores" in self.scope.row.needs

    @property
    def need_more(self) -> bool:
        """Whether the counts depend on what is measured or ranked later."""
        return self.need_scores or (bool(self.sharing) and "activations" in self.scope.row.needs)

    @cached_property
    def known(self) -> Counts:
        """The number of elements to remove from each unit, if that needs no scores.

        Raises:
            UsageError: the units cannot give what the budget asks for.
        """
        return self._counts(self.context)

    def counts(self, ranked: Ranked) -> Counts:
        """The number of elements to remove from each unit; uses the rankings if these ``need_scores``.

        Raises:
            UsageError: the units cannot give what the budget asks for.
        """
        if not self.need_scores:
            return self.known
        return self._counts(replace(self.context, lowest=lambda removed: ranked.lowest(self.sharing, removed)))

    def _counts(self, context: Context) -> Counts:
        context = replace(context, note=self.evidence.update)
        shared = allocate(self.scope, self.sharing, self.budget, context) if self.sharing else {}
        return leaving_least(self.units, {**shared, **self.own})

    @property
    def removed(self) -> int | None:
        """The number of elements to remove in total; None: it depends on what is measured or ranked later."""
        if not self.need_more:
            return sum(self.known.values())
        wanted = self.budget.elements(self.units)
        return None if wanted is None else min(round(wanted), sum(unit.most for unit in self.units))

    def bounds(self) -> dict[str, tuple[int, int]]:
        """The least and the greatest count of each unit; equal if the count is known."""
        if not self.need_more:
            return {name: (count, count) for name, count in self.known.items()}
        most, removed = sum(unit.most for unit in self.units), self.removed
        if removed is None:
            return {unit.name: (0, unit.most) for unit in self.units}
        return {u.name: (max(0, removed - (most - u.most)), min(removed, u.most)) for u in self.units}

    def of(self, names: Collection[str]) -> "Amounts":
        """The amounts of some of the units alone."""
        units = tuple(unit for unit in self.units if unit.name in names)
        return replace(self, units=units, budget=self.budget.of({unit.name for unit in units}))

    def on_the_way(self, share: float) -> "Amounts":
        """The amounts after a share of the steps: sparsity 1 - (1 - s)^share (Tanaka et al. 2020, arXiv:2006.05467)."""
        return replace(self, budget=Sparsity(1 - (1 - self.budget.share(self.units)) ** share))


def amounts_of(
    source: Checkpoint,
    layers: Sequence[Layer],
    amount: Amount,
    config: PruneConfig,
    other: Checkpoint | None = None,
    measured: "Measurements | None" = None,
) -> Amounts:
    """The amounts of the layers' weights.

    Args:
        other: the file that a ``ZerosOf`` names.
        measured: measures the network, for budgets and scopes that need it.

    Raises:
        UsageError: the layers cannot give what is asked for.
    """
    if isinstance(amount, Pattern | ZerosOf):
        return _fixed(layers, amount, config, other)
    own = _by_layer(source, layers, config)
    if isinstance(amount, ByLayer):
        layers = [layer for layer in layers if layer.name in own]
    units = tuple(Unit(x.name, x.size, x.shape, least(x.size, config.min_keep)) for x in layers)
    if isinstance(amount, Compression):
        budget: Budget = compression(source, layers, amount.ratio)
    elif isinstance(amount, Remaining):
        budget = remaining(source, layers, amount, None if measured is None else measured.multiply_adds)
    else:
        budget = amount if isinstance(amount, Sparsity) else _total(units, own)
    share = round(1 - amount.left, 12) if isinstance(amount, Remaining) else budget.share(units)
    asked = dict.fromkeys((unit.name for unit in units), share)
    if config.layer_sparsity:
        asked = {unit.name: own.get(unit.name, round(asked[unit.name] * unit.size)) / unit.size for unit in units}
    scope = SCOPES.parse(config.scope)
    context = Context(ends=lambda: _ends(source, layers))
    if measured is not None:
        context = replace(context, grams=partial(measured.of_layers, layers))
    return Amounts(units, own, scope, budget, asked, context)


def _fixed(
    layers: Sequence[Layer], amount: Pattern | ZerosOf, config: PruneConfig, other: Checkpoint | None
) -> Amounts:
    """The amounts that another file or a pattern fixes for every layer."""
    units = tuple(Unit(layer.name, layer.size, layer.shape) for layer in layers)
    if isinstance(amount, Pattern):
        own = {x.name: x.size // amount.m * (amount.m - amount.n) for x in layers}
        asked = dict.fromkeys(own, 1 - amount.n / amount.m)
    else:
        assert other is not None
        own = {x.name: other.entries[x.tensor].zeros for x in layers}
        pruned = other.lineage.pruned
        asked = {}
        for x in layers:
            known = pruned[x.tensor].requested if x.tensor in pruned else None
            asked[x.name] = own[x.name] / x.size if known is None else known
    return Amounts(units, own, SCOPES.parse(config.scope), _total(units, own), asked)


def _by_layer(source: Checkpoint, layers: Sequence[Layer], config: PruneConfig) -> Counts:
    """The counts of ``--layer-sparsity``; a layer gets the share of its last match."""
    names = {layer.name for layer in layers}
    return {
        layer.name: round(share * layer.size)
        for pattern, share in config.layer_sparsity
        for layer in select(source, pattern, option="--layer-sparsity")
        if layer.name in names
    }


def _total(units: Sequence[Unit], own: Counts) -> Sparsity:
    return Sparsity(sum(own.values()) / max(1, sum(unit.size for unit in units)))


def _ends(source: Checkpoint, layers: Sequence[Layer]) -> dict[str, list[str]]:
    """The layers that may be the network's first, and the last layer according to the lineage."""
    last = source.lineage.last_layer
    kernels = [x for x in layers if len(x.shape) == 4 and x.shape[2] > 1 and x.kind in (CONVOLUTION, OWN)]
    # In a file, a depthwise convolution looks like a first layer for grey images: prefer one for colour images.
    first = [x for x in kernels if x.shape[1] == 3] or [x for x in kernels if x.shape[1] == 1]
    return {"first": [layer.name for layer in first], "last": [x.name for x in layers if x.tensor == last]}
