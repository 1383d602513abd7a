"""How many weights may be removed, at random (Theorem C) or the lowest (Theorem B), and F and f are eps-close."""

import math
from collections.abc import Callable, Iterator

from apcli.records.bound import LOWER, PROVEN, Bound, Constant
from apcli.stages.bounds.measured import Stated, Weights
from apcli.stages.bounds.probabilistic.maps import Map
from apcli.stages.bounds.probabilistic.subject import PAPER, Subject
from apcli.theory.closeness.convolutions import unfolded
from apcli.theory.closeness.largest import Largest, largest_certified
from apcli.theory.closeness.propagation import Layer
from apcli.theory.closeness.random_masks import exactly
from apcli.theory.closeness.removed import lowest, removed_part

Removal = Callable[[Subject, Weights, int, float], dict[Map, Layer]]  # of so many weights; delta of each place
PARTS = 10**4  # of every layer's weights


def statements(subject: Subject) -> Iterator[Stated]:
    """The largest counts of each layer alone, then the largest share of all layers."""
    lowest = Constant("bound on what is removed", None, None, "Theorem B: |E|_F, tau sqrt(k) or tau sqrt(r c)")
    delta = Constant("delta", subject.settings.delta, 0.0, "given: of all places together")
    for theorem, which, removal, constant in (
        ("theorem B", "lowest weights", without_lowest, lowest),
        ("theorem C", "weights at random", without_random, delta),
    ):
        yield from _of(subject, theorem, which, removal, constant)


def _of(subject: Subject, theorem: str, which: str, removal: Removal, constant: Constant) -> Iterator[Stated]:
    settings = subject.settings

    def bound(amounts: list[tuple[Weights, int]]) -> float:
        places = sum(len(subject.maps[weights.layer.tensor]) for weights, _ in amounts)
        layers: dict[Map, Layer] = {}
        for weights, count in amounts:
            layers |= removal(subject, weights, count, settings.delta / places)
        return subject.description.closeness(subject.ball.radius, layers.get).difference

    def stated(amount: str, found: Largest | None, of: int = 1) -> Bound:
        value, reached = (0.0, None) if found is None else (found.amount / of, found.bound)
        return Bound.stated(
            f"{theorem}, largest count", PAPER, PROVEN, amount, value, side=LOWER, trivial=0.0,
            constants=(
                Constant("eps", settings.eps, 0.0, "given"),
                Constant("bound on |F - f| there", reached, None, "found by bisection: a larger one may do as well"),
                Constant("B", subject.ball.radius, 0.0),
                constant,
            ),
        )  # fmt: skip

    for number, weights in enumerate(subject.pair.weights):
        subject.pair.tell(f"largest count of {which} in {weights.layer.name}", number / len(subject.pair.weights))

        def alone(count: float, weights: Weights = weights) -> float:
            return bound([(weights, int(count))])

        found = largest_certified(alone, range(weights.dense.size + 1), settings.eps)
        yield Stated(stated(f"{which} that this layer can lose", found), weights.layer.name)
    subject.pair.tell(f"largest share of {which} in all layers")
    shares = largest_certified(
        lambda parts: bound([(w, int(parts) * w.dense.size // PARTS) for w in subject.pair.weights]),
        range(PARTS + 1),
        settings.eps,
    )
    yield Stated(stated(f"share of {which} that every layer can lose", shares, PARTS))


def without_random(subject: Subject, weights: Weights, count: int, delta: float) -> dict[Map, Layer]:
    """The places of a layer without ``count`` weights, bounded with probability 1 - delta each over the choice."""
    described = subject.description
    removals = {one: exactly(described.entries[one], count, delta) for one in subject.maps[weights.layer.tensor]}
    return {one: described.layer(one, each.removed, each.kept) for one, each in removals.items()}


def without_lowest(subject: Subject, weights: Weights, count: int, delta: float) -> dict[Map, Layer]:
    """The places of a layer without its ``count`` lowest weights, bounded by Theorem B; nothing is left to chance.

    Of equal ones the first go, as ``apcli prune`` has it.
    """
    mask, layers = lowest(weights.dense, count), {}
    for one in subject.maps[weights.layer.tensor]:
        blocks = unfolded(subject.description.dense[one].kernel, one.sliding.groups)
        parts = zip(blocks, mask.reshape(blocks.shape), strict=True)
        removed = math.sqrt(one.sliding.copies) * max(removed_part(*part).bound for part in parts)
        layers[one] = subject.description.layer(one, removed)
    return layers
