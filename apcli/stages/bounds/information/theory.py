"""The theory ``information``: Theorem 5 needs the weights alone, Theorem 6 and nHSIC need the networks."""

import logging
from collections.abc import Iterator

from apcli.errors import UsageError
from apcli.stages.bounds.information import dependence, representations, weights
from apcli.stages.bounds.measured import MeasuredPair, Stated

log = logging.getLogger("apcli")


def information(pair: MeasuredPair, *, noise: float, delta: float) -> Iterator[Stated]:
    """All statements.

    Args:
        noise: standard deviation of independent Gaussian noise on each output of a layer: without it information is
            infinite.
        delta: the probability that Theorem 6 fails.
    """
    yield from weights.statements(pair.weights, noise)
    try:
        on_data = pair.on_data
    except UsageError as error:
        log.warning("%s: without theorem 6, which needs the networks: %s", pair.pruned.label, error)
        return
    names = {layer.tensor: layer.name for layer in pair.layers}
    for state, network, file in (
        ("dense", on_data.dense, pair.dense),
        ("pruned", on_data.pruned, pair.pruned),
    ):
        pair.tell(f"information in the layers of {file.label}")
        gap = representations.gap_of(file.lineage.metrics)
        try:
            informed = representations.bits(network, names, on_data.batches, noise)
        except UsageError as error:
            log.warning("%s: without theorem 6: %s", file.label, error)
            return
        count = representations.Counts(on_data.trained_on, on_data.evaluated["images"], noise, delta)
        for layer, bound in representations.statements(state, informed, count, gap):
            yield Stated(bound, layer, evaluated=on_data.evaluated)
    yield from dependence.statements(pair, on_data)
