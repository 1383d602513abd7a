"""Theorem C: random masks of these weights, with as many weights of each layer removed as in the file."""

from collections.abc import Iterator

from apcli.records.bound import PROVEN, Bound, Constant
from apcli.stages.bounds.measured import Stated
from apcli.stages.bounds.probabilistic.given_mask import ball_constants
from apcli.stages.bounds.probabilistic.maps import Map
from apcli.stages.bounds.probabilistic.subject import PAPER, Subject
from apcli.theory.closeness.propagation import Layer
from apcli.theory.closeness.random_masks import exactly


def statements(subject: Subject) -> Iterator[Stated]:
    """What a random mask removes of each layer's map, and how close the network then is."""
    delta = subject.settings.delta
    described = subject.description
    layers: dict[Map, Layer] = {}
    for weights in subject.pair.weights:
        tensor, count = weights.layer.tensor, subject.counts[weights.layer.tensor]
        removals = {
            one: exactly(described.entries[one], count, delta / subject.pruned_places) for one in subject.maps[tensor]
        }
        layers |= {one: described.layer(one, each.removed, each.kept) for one, each in removals.items()}
        one, removal = max(removals.items(), key=lambda both: both[1].removed)
        norm = described.norms[one]
        yield Stated(
            Bound.stated(
                "theorem C", PAPER, PROVEN, "|E| of the layer's map, random masks", removal.removed,
                trivial=norm.upper if count else None,
                constants=(
                    Constant("k", float(count), 0.0, "weights removed, as in the file"),
                    Constant("p", removal.fraction, 0.0, "k of the layer's weights"),
                    Constant("delta", delta / subject.pruned_places, 0.0, "delta over the pruned places"),
                    Constant("s", norm.value, norm.upper - norm.value, f"|W| of the layer's map: {norm.method}"),
                    Constant("T", removal.tail, 0.0, f"|E - p W|: {removal.reason}"),
                    Constant("t", removal.kept, 0.0, "bound on the norm of what is kept"),
                ),
            ),
            weights.layer.name,
        )  # fmt: skip
    bounds = described.closeness(subject.ball.radius, layers.get)
    yield Stated(
        Bound.stated(
            "theorem C", PAPER, PROVEN, "sup |F - f|, |x| <= B, random masks", bounds.difference,
            trivial=subject.longest_output,
            constants=(*ball_constants(subject, bounds), Constant("delta", delta, 0.0, "given: over the masks")),
        )
    )  # fmt: skip
