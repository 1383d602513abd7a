"""Theorem 5: a layer's information beside |W|_F^2, to which it is said to be proportional."""

from collections.abc import Iterator, Sequence

import numpy as np

from apcli.records.bound import DIAGNOSTIC, LOWER, Assumption, Bound, Constant
from apcli.stages.bounds.measured import Stated, Weights
from apcli.theory.bounds.information import gaussian_information
from apcli.theory.statistics.kendall import pair_counts

PAPER = "arXiv:2108.08532, theorem 5, as reconstructed"
_INPUTS = Assumption(
    "the layer's inputs are independent standard Gaussians",
    None,
    "a diagnostic: they are not, and a network adds no noise",
)


def statements(weights: Sequence[Weights], noise: float) -> Iterator[Stated]:
    """The first-order term |W|_F^2 / (2 s^2) above each layer's information, and the agreement of their orders."""
    constant = Constant("noise", noise, 0.0, "given")
    for state in ("dense", "pruned"):
        pairs = []
        for one in weights:
            matrix = one.dense if state == "dense" else one.pruned
            found = gaussian_information(matrix.reshape(len(matrix), -1).T, noise=noise)
            pairs.append((found.nats, found.first_order))
            yield Stated(
                Bound.stated(
                    f"theorem 5, {state}", f"{PAPER} and corrected", DIAGNOSTIC,
                    "information of a layer's inputs and outputs", found.first_order, unit="nats", measured=found.nats,
                    assumptions=(_INPUTS,), constants=(constant,),
                ),
                one.layer.name,
            )  # fmt: skip
        information, norms = np.array(pairs).T
        tau = pair_counts(information[None], norms[None]).tau
        if tau is not None:
            yield Stated(
                Bound.stated(
                    f"theorem 5, order of layers, {state}", PAPER, DIAGNOSTIC,
                    "Kendall's tau of information and |W|_F^2 over layers", 1.0, side=LOWER, measured=tau,
                    trivial=-1.0, assumptions=(_INPUTS,),
                    constants=(constant, Constant("layers", float(len(pairs)), 0.0, "counted")),
                )
            )  # fmt: skip
