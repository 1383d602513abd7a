"""The theory ``certificate``: its statements about one pair of networks, from samples first."""

import logging
from collections.abc import Iterator

from apcli.probes.traced.operations import Refusal
from apcli.probes.twins.propagation import Twins
from apcli.stages.bounds.certificate import regions, samples
from apcli.stages.bounds.measured import MeasuredPair, Stated

log = logging.getLogger("apcli")


def certificate(
    pair: MeasuredPair, *, beta: float, tau: float, largest: float, radius: float, boxes: int, draws: int
) -> Iterator[Stated]:
    """All statements; those about boxes are left out, with a warning, where the networks cannot be bounded.

    Args:
        beta: the probability that a statement from samples is wrong, and that noise exceeds what S1 states; each
            statement has its own.
        tau: logits that differ by more count as a failure; 0: no such statement.
        largest: b of S3: larger loss differences count as b; 0: the largest one seen.
        radius: of a box, in grey levels of 0 to 255, around each input of the network.
        boxes: around so many of the images; 0: no such statements.
        draws: sampled inputs of each box, uniform, and as many corners.
    """
    on_data = pair.on_data
    outputs, drawn = (on_data.dense_outputs, on_data.pruned_outputs), samples.drawn_from(pair.config.split)
    for bound in samples.statements(*outputs, drawn, beta, tau, largest):
        yield Stated(bound, evaluated=on_data.evaluated)
    if not boxes:
        return
    try:
        twins = Twins(on_data.dense, on_data.pruned, on_data.spec.input_size)
    except Refusal as error:
        log.warning("%s: no statement about boxes of inputs: %s", pair.pruned.label, error)
        return
    chosen = regions.around(on_data, boxes)
    evaluated = {**on_data.evaluated, "images": len(chosen)}
    settings = regions.Settings(radius, beta, draws, pair.config.seed)
    for bound in regions.statements(twins, chosen, on_data.spec.std, settings, pair.tell):
        yield Stated(bound, evaluated=evaluated)
