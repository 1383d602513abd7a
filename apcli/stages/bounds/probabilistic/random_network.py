"""Theorem E: a network of random weights, as wide as this one: how close it is, and how wide it would have to be."""

import math
from collections import Counter
from collections.abc import Iterator, Sequence

import numpy as np

from apcli.records import POOLED
from apcli.records.bound import PROVEN, Assumption, Bound, Constant
from apcli.stages.bounds.measured import MeasuredPair, Stated
from apcli.stages.bounds.probabilistic.each_layer import matrix_of, random_signs
from apcli.stages.bounds.probabilistic.given_mask import ON_THE_BALL
from apcli.stages.bounds.probabilistic.maps import Map
from apcli.stages.bounds.probabilistic.network import Step
from apcli.stages.bounds.probabilistic.subject import PAPER, Ball, Settings, Subject, counts_of
from apcli.stages.pairs.pruning import prunings_of
from apcli.theory.closeness import random_signs as theory
from apcli.theory.closeness.independence import Independence
from apcli.theory.closeness.propagation import Sum
from apcli.words import few


def statements(
    pair: MeasuredPair, settings: Settings, ball: Ball, verdicts: Sequence[Independence], subject: Subject | None
) -> Iterator[Stated]:
    """The bound at the width of the narrowest side of a layer, and the condition on the width for eps.

    Args:
        ball: of the inputs.
        verdicts: on the independence of the layers.
        subject: the pair with its description, if the network has one.
    """
    is_lowest = prunings_of(pair.pruned, pair.layers)[POOLED, None].method == "lowest"
    rule = theory.lowest_pruning if is_lowest else theory.random_pruning
    sizes = [matrix_of(weights.dense).shape for weights in pair.weights]
    width = min(min(size) for size in sizes)
    largest = max(float(np.abs(weights.dense).max()) for weights in pair.weights)
    network = theory.RandomNetwork(len(sizes), largest * math.sqrt(width) or 1.0, settings.delta, ball.radius)
    fraction = sum(counts_of(pair).values()) / sum(weights.dense.size for weights in pair.weights)
    needed = theory.smallest_width(network, settings.eps, lambda d: fraction, rule)
    paper = theory.smallest_width(network, settings.eps, lambda d: 1 / d, rule)
    square = all(weights.dense.ndim == 2 for weights in pair.weights) and {*sizes} == {(width, width)}
    alike = Assumption("fully connected layers of one width", square, _sizes(sizes))
    uniform = (Assumption("uniform weights", None, "of the lowest; not tested"),) if is_lowest else ()
    wide = Assumption(
        "as wide as Theorem E asks",
        needed is not None and width >= needed,
        f"width {width}, needed {'more than 1e9' if needed is None else needed}",
    )
    constants = (
        Constant("width d", float(width), 0.0, "the least rows or columns of a layer"),
        Constant("depth l", float(len(sizes)), 0.0, "compared layers"),
        Constant("K", network.scale, 0.0, "largest |w| times the root of d"),
        Constant("p", fraction, 0.0, f"removed; {'the lowest' if is_lowest else 'as at random'}"),
        Constant("delta", settings.delta, 0.0, "given"),
        Constant("B", ball.radius, 0.0),
        Constant("width for eps at this p", _float(needed), 0.0, "null: none up to 1e9"),
        Constant("width for eps at p = 1 / d", _float(paper), 0.0, "a vanishing share; null: none up to 1e9"),
    )
    dense, pruned = pair.on_data.dense_outputs.logits, pair.on_data.pruned_outputs.logits
    assumptions = (alike, *_of_the_network(subject), random_signs(verdicts), *uniform)
    for name, value, assumed in (
        ("theorem E", rule(network, width, fraction).difference, assumptions),
        ("theorem E, width condition", settings.eps, (wide, *assumptions)),
    ):
        yield Stated(
            Bound.stated(
                name, PAPER, PROVEN, ON_THE_BALL, value,
                measured=ball.largest(dense - pruned), trivial=ball.largest(dense), assumptions=assumed,
                constants=constants,
            ),
            evaluated=pair.on_data.evaluated,
        )  # fmt: skip


def _of_the_network(subject: Subject | None) -> tuple[Assumption, ...]:
    """That the network is nothing but the compared layers, one after another, with functions between them."""
    names = "the network is these layers and 1-Lipschitz functions that are 0 at 0", "no layer has a bias"
    if subject is None:
        return tuple(Assumption(name, False, "no bound of this network is known") for name in names)
    steps, maps = subject.description.steps, subject.description.dense
    other = next((reason for step in steps if (reason := _unlike(step, subject))), "")
    times = Counter(step for step in steps if isinstance(step, Map))
    again = next((f"{one.layer} is used {number} times" for one, number in times.items() if number > 1), "")
    biased = [one.layer for one in maps if maps[one].bias.any() or one.of(subject.data.pruned).bias.any()]
    reason = f"{few(biased)} {'has' if len(biased) == 1 else 'have'} one" if biased else "none has"
    return (
        Assumption(names[0], not (other or again), other or again or "as traced"),
        Assumption(names[1], not biased, reason),
    )


def _unlike(step: Step, subject: Subject) -> str:
    """What a step is that Theorem E's network does not have; empty of one that it has."""
    if isinstance(step, Map):
        another = step.norm or (None if step.weight in subject.maps else step.layer)
        return "" if another is None else f"{another} is another layer"
    if isinstance(step, Sum):
        return "it has branches"
    same = step.norm <= 1 and step.lipschitz <= 1 and step.at_zero == step.bias == 0
    return "" if same else f"a function of constant {step.norm * step.lipschitz:g}, at 0 {step.at_zero + step.bias:g}"


def _sizes(sizes: Sequence[tuple[int, ...]]) -> str:
    found = list(dict.fromkeys(f"{rows}x{columns}" for rows, columns in sizes))
    return ", ".join(found[:6]) + (", ..." if len(found) > 6 else "")


def _float(number: int | None) -> float | None:
    return None if number is None else float(number)
