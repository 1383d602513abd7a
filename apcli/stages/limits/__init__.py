"""How few weights of a trained network its loss allows: the mathematics of ``apcli.theory.limit`` on a network.

The function of a kind takes a ``Subject`` and the rule for eps, and returns how many weights are kept. A kind that
needs ``largest`` is about masks that keep the largest weights of all layers; others go by any ranking.
"""

from apcli.registry.ranges import NOT_NEGATIVE, ONE_OR_MORE, POSITIVE, Allowed, Numbers, Rules, Words
from apcli.registry.tables import Parameter, Row, Table

_PAPER = "arXiv:2306.05857"

PARAMETERS: dict[str, Parameter] = {
    "curvature": "gauss-newton",
    "steps": 64,
    "probes": 1,
    "damping": 1e-4,
    "adjust": 25,
    "within": 0.01,
}
RANGES: dict[str, Allowed] = {
    "curvature": Words(("gauss-newton", "hessian")),
    "steps": Numbers(2),
    "probes": ONE_OR_MORE,
    "damping": NOT_NEGATIVE,
    "adjust": ONE_OR_MORE,
    "within": Numbers(0, 1, under=True),
}
ACCURACY = "accuracy"  # of rules for eps: the points of accuracy that may be lost


def _kind(name: str, summary: str, source: str, parameters: tuple[str, ...]) -> Row:
    return Row(
        name,
        f"apcli.stages.limits.kinds:{name}",
        summary,
        source,
        needs=("largest",) if parameters else (),
        parameters={key: PARAMETERS[key] for key in parameters},
        ranges={key: RANGES[key] for key in parameters},
    )


KINDS = Table(
    "kind",
    (
        _kind(
            "oneshot",
            "the fewest weights that are within eps as they are, by running the network; of any method and scope",
            "measured",
            (),
        ),
        _kind(
            "quadratic",
            "the smallest mask on which some weights are within eps, to second order: see --adjust",
            "derived",
            tuple(PARAMETERS),
        ),
        _kind("published", "by the spectrum and the magnitudes", _PAPER, ("curvature", "steps", "probes")),
        _kind(
            "subspace",
            "the same, corrected: by how the weights removed lie in the spectrum",
            f"derived, after {_PAPER}",
            ("curvature", "steps", "probes", "within"),
        ),
    ),
)

LIMITS = Table(
    "sparsity",
    (
        Row(
            "limit",
            "apcli.stages.limits.kinds:limit",
            "the highest sparsity whose loss on the images rises by at most eps (std: a batch's standard deviation; "
            "abs-X: X; rel-X: X times the loss), or whose accuracy on --validation falls by X points (accuracy-X)",
            f"{_PAPER}, as reconstructed, and derived",
            parameters={"kind": "oneshot", "eps": "std"},
            ranges={"eps": Rules(("std",), (ACCURACY, "std", "abs", "rel"), POSITIVE)},
            choices={"kind": KINDS},
        ),
    ),
)
