"""The theory ``probabilistic``: its statements about one pair of files."""

import logging
from collections.abc import Callable, Iterator
from typing import TypeVar

from apcli.errors import UsageError
from apcli.probes.traced.operations import Refusal
from apcli.stages.bounds.measured import MeasuredPair, Stated
from apcli.stages.bounds.probabilistic import (
    each_layer,
    given_mask,
    largest_counts,
    random_masks,
    random_network,
    simulation,
)
from apcli.stages.bounds.probabilistic.subject import Settings, ball_of, subject

T = TypeVar("T")

log = logging.getLogger("apcli")


def probabilistic(
    pair: MeasuredPair, *, eps: float, delta: float, beta: float, draws: int, radius: float, shuffles: int
) -> Iterator[Stated]:
    """All statements; without a network those about each layer's matrix alone.

    Args:
        eps: how close networks are to be, in the unit of the logits.
        delta: probability over masks or weights that a statement may fail.
        beta: probability that a simulation misleads.
        draws: of random masks; 0: as few as the simulation needs.
        radius: of the ball of inputs; 0: the length of the longest image.
        shuffles: of each layer's weights, for the verdict on their independence.
    """
    settings = Settings(eps, delta, beta, draws, radius, shuffles)
    try:
        data = pair.on_data
    except UsageError as error:
        log.warning("only theorems B and D, which need no network: %s", error)
        verdicts = each_layer.independences(pair, settings, lambda name, make: make())
        yield from each_layer.statements(pair, settings, verdicts)
        return
    ball = ball_of(data, radius)
    found = _unless_refused(lambda: subject(pair, settings, ball), "theorems A and C")
    if found is not None:
        yield from _unless_refused(lambda: list(given_mask.statements(found)), "theorem A") or ()
        yield from random_masks.statements(found)
        yield from largest_counts.statements(found)
    verdicts = each_layer.independences(pair, settings, data.once)
    yield from each_layer.statements(pair, settings, verdicts)
    yield from random_network.statements(pair, settings, ball, verdicts, found)
    yield from simulation.statements(pair, settings, ball, found)


def _unless_refused(make: Callable[[], T], what: str) -> T | None:
    try:
        return make()
    except Refusal as error:
        log.warning("%s: left out, as no bound of this network is known: %s", what, error)
        return None
