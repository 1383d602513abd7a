"""What is said of each layer's matrix by itself: Theorem B of its mask, Theorem D of random signs; and Theorem E.

The matrix is that of the weights unfolded, [out, in * window]; no network is needed. W is the dense one, E its removed
part.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from apcli.records.bound import PROVEN, Assumption, Bound, Constant
from apcli.stages.bounds.measured import MeasuredPair, Stated, Weights
from apcli.stages.bounds.probabilistic.subject import PAPER, Settings, removed_from
from apcli.stages.pairs.pruning import Pruning, prunings_of
from apcli.theory.closeness.independence import Independence, independence
from apcli.theory.closeness.norms import spectral_norm
from apcli.theory.closeness.random_signs import sign_bound
from apcli.theory.closeness.removed import removed_part

Once = Callable[[Any, Callable[[], Any]], Any]  # gives what a name stands for; finds it out once
_OF = "|E| of the unfolded weights"
_BY_MAGNITUDE = ("lowest", "highest", "random", "random-same-layers")


def independences(pair: MeasuredPair, settings: Settings, once: Once) -> list[Independence]:
    """Whether the weights of each compared layer of the dense file are independent, by shuffles."""
    found = []
    for number, weights in enumerate(pair.weights):

        def test(weights: Weights = weights) -> Independence:
            generator = np.random.default_rng(pair.config.seed)
            return independence(matrix_of(weights.dense), generator, settings.shuffles)

        pair.tell(f"shuffling the weights of {weights.layer.name}", number / len(pair.weights))
        found.append(once(("independence", weights.layer.tensor, settings.shuffles, pair.config.seed), test))
    return found


def statements(pair: MeasuredPair, settings: Settings, verdicts: Sequence[Independence]) -> Iterator[Stated]:
    """Theorems B and D of each layer, whose independence is given."""
    prunings = prunings_of(pair.pruned, pair.layers)
    for weights, verdict in zip(pair.weights, verdicts, strict=True):
        matrix, removed = matrix_of(weights.dense), matrix_of(removed_from(weights))
        part, taken = removed_part(matrix, removed), np.where(removed, matrix, 0.0)
        norm, whole = spectral_norm(taken).value, spectral_norm(matrix)
        rows, columns = matrix.shape
        constants = (
            Constant("rows", float(rows), 0.0, "counted"),
            Constant("columns", float(columns), 0.0, "counted"),
            Constant("k", float(part.count), 0.0, "counted: weights removed"),
            Constant("|E|_F / |W|_F", part.share, 0.0, "exact"),
            Constant("|W|", whole.value, whole.upper - whole.value, whole.method),
        )
        counted = (
            Constant("tau", part.largest, 0.0, "largest weight removed"),
            Constant("r", float(part.in_a_row), 0.0, "most removed in a row"),
            Constant("c", float(part.in_a_column), 0.0, "most removed in a column"),
            Constant("ties", float(part.tied), 0.0, "weights as large as tau, of which the order decides"),
        )
        yield Stated(
            Bound.stated(
                "theorem B", PAPER, PROVEN, _OF, part.bound, measured=norm, trivial=whole.upper if norm else None,
                constants=(*constants, *counted),
            ),
            weights.layer.name,
        )  # fmt: skip
        delta = Constant("delta", settings.delta, 0.0, "given: for this layer")
        yield Stated(
            Bound.stated(
                "theorem D", PAPER, PROVEN, _OF, sign_bound(taken, settings.delta), measured=norm,
                trivial=whole.upper if norm else None,
                assumptions=(random_signs([verdict]), _by_magnitude(prunings[weights.layer.name, None])),
                constants=(*constants, delta),
            ),
            weights.layer.name,
        )  # fmt: skip


def matrix_of(weight: np.ndarray) -> np.ndarray:
    """A layer's weights as a matrix [out, in * window]."""
    return weight.reshape(len(weight), -1)


def random_signs(verdicts: Sequence[Independence]) -> Assumption:
    """That weights are independent of each other and their signs random, judged by shuffles of each layer."""
    least = min(verdicts, key=lambda one: one.p_value)
    rejected = sum(one.rejected for one in verdicts)
    worst = min(least.comparisons, key=lambda one: one.p_value)
    reason = (
        f"{worst.statistic} {worst.observed:.4g}, {worst.shuffled:.4g} ± {worst.deviation:.2g} in {least.shuffles} "
        f"shuffles (p = {least.p_value:.2g}); rejected for {rejected} of {len(verdicts)} layers"
    )
    return Assumption("independent weights with random signs", False if rejected else None, reason)


def _by_magnitude(pruning: Pruning) -> Assumption:
    known = True if pruning.method in _BY_MAGNITUDE else None
    return Assumption("the mask depends on magnitudes alone", known, f"pruned by {pruning.method or 'no known method'}")
