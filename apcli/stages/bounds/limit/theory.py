"""The theory ``limit``: its statements about one dense file, or one dense and one pruned."""

from collections.abc import Iterator

from apcli.stages.bounds.limit import statements
from apcli.stages.bounds.measured import MeasuredPair, Stated
from apcli.stages.limits.landscape import Trained
from apcli.stages.limits.limits import Limits, Settings


def limit(
    pair: MeasuredPair,
    *,
    eps: str,
    curvature: str,
    steps: int,
    probes: int,
    damping: float,
    adjust: int,
    within: float,
) -> Iterator[Stated]:
    """All statements; the arguments are those of ``limits.Settings``."""
    found = limits_of(pair, Settings(eps, curvature, steps, probes, damping, adjust, within))
    for bound in statements.bounds_of(found, statements.measured(pair, found)):
        yield Stated(bound, evaluated=pair.on_data.evaluated)


def limits_of(pair: MeasuredPair, settings: Settings) -> Limits:
    """The limits of a pair's dense network, the same object for all pruned files that compare the same layers."""
    what = ("limit", settings, tuple(layer.tensor for layer in pair.layers))
    return pair.on_data.once(what, lambda: Limits(trained_of(pair), settings, pair.config.seed, pair.tell))


def trained_of(pair: MeasuredPair) -> Trained:
    """A pair's dense network, whose compared layers may lose weights."""
    on_data, layers = pair.on_data, tuple(layer.tensor for layer in pair.layers)
    masked = pair.dense.lineage.pruned
    return Trained(
        *(on_data.dense, pair.dense.label, layers, masked),
        *(on_data.batches, on_data.outputs_of, on_data.dense_outputs),
    )
