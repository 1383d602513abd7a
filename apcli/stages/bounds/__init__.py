"""Bounds: what theorems say that pruning can cost, held against what it did cost.

A theory's function takes a ``MeasuredPair`` and its parameters, and yields ``Stated`` bounds. It may need
``dense``: the dense file alone, so that a pair of a file with itself will do.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from apcli.projections import COVARIANCES, ISOTROPIC
from apcli.registry.ranges import ERROR, NOT_NEGATIVE, ONE_OR_MORE, POSITIVE, SPREAD, Numbers, Rules
from apcli.registry.tables import Parameter, Row, Table
from apcli.stages import limits


@dataclass(frozen=True, kw_only=True)
class SharedCovarianceRow(Row):
    """A covariance that both distributions have; ``shared`` are its parameters that say so."""

    shared: Mapping[str, Parameter] = field(default_factory=dict)


def _shared(row: Row) -> SharedCovarianceRow:
    """The row without the parameters of a second covariance, whose default is the first one's."""
    of_pruned = {key: value for key, value in row.parameters.items() if key.startswith("pruned_")}
    own = {key: value for key, value in row.parameters.items() if key not in of_pruned}
    ranges = {key: allowed for key, allowed in row.ranges.items() if key in own}
    return SharedCovarianceRow(
        row.name, row.target, row.summary, row.source, row.needs, own, ranges=ranges, shared=of_pruned
    )


# Those of `divergence` that need no data, for statements about one scale matrix.
ONE_COVARIANCE = Table("covariance", tuple(_shared(row) for row in COVARIANCES if "data" not in row.needs))

THEORIES = Table(
    "theory",
    (
        Row(
            "ap3",
            "apcli.stages.bounds.ap3.theory:ap3",
            "how AP3, AP2 and the performance difference bound each other",
            "arXiv:2403.00155, section 4, as reconstructed; Nishiyama 2022, arXiv:2212.05820",
            parameters={"scale": 1.0, "df": 4.0, "cov": ISOTROPIC},
            choices={"cov": ONE_COVARIANCE},
            ranges={"scale": SPREAD, "df": POSITIVE},
        ),
        Row(
            "limit",
            "apcli.stages.bounds.limit.theory:limit",
            "the fewest weights to keep so that the loss rises by at most eps; of a dense file alone, or of a pruned "
            "one within its mask",
            "arXiv:2306.05857, as reconstructed; corrected and exact versions derived",
            needs=("dense",),
            parameters={"eps": "std", **limits.PARAMETERS},
            ranges={"eps": Rules(("std",), ("std", "abs", "rel"), POSITIVE), **limits.RANGES},
        ),
        Row(
            "certificate",
            "apcli.stages.bounds.certificate.theory:certificate",
            "how alike the two networks behave: from samples, and for all inputs near an image; any two files of the "
            "same shapes",
            "derived, after SimCert (arXiv:2603.14818); Clopper & Pearson 1934; arXiv:0907.3740; CROWN, "
            "arXiv:1811.00866; ReluDiff, arXiv:2001.03662",
            parameters={"beta": 0.05, "tau": 0.0, "largest": 0.0, "radius": 1.0, "boxes": 4, "draws": 1000},
            ranges={
                "beta": ERROR,
                "tau": NOT_NEGATIVE,
                "largest": NOT_NEGATIVE,
                "radius": Numbers(0, 255),
                "boxes": Numbers(0),
                "draws": ONE_OR_MORE,
            },
        ),
        Row(
            "information",
            "apcli.stages.bounds.information.theory:information",
            "the generalisation gap by mutual information, and information beside the norm of the weights",
            "arXiv:2108.08532, theorems 5 and 6, as reconstructed",
            parameters={"noise": 1.0, "delta": 0.05},
            ranges={"noise": SPREAD, "delta": ERROR},
        ),
        Row(
            "probabilistic",
            "apcli.stages.bounds.probabilistic.theory:probabilistic",
            "how close the pruned network is to the dense one on a ball of inputs, surely or with high probability",
            "derived, in the spirit of Qian & Klabjan 2021, arXiv:2105.10065",
            parameters={"eps": 0.5, "delta": 0.05, "beta": 0.05, "draws": 0, "radius": 0.0, "shuffles": 100},
            ranges={
                "eps": POSITIVE,
                "delta": ERROR,
                "beta": ERROR,
                "draws": NOT_NEGATIVE,
                "radius": NOT_NEGATIVE,
                "shuffles": Numbers(19),
            },
        ),
    ),
)


def about_dense_alone(theories: str) -> bool:
    """Whether all theories of a list, as ``--theory`` takes it, need no more than a dense file."""
    return all("dense" in choice.row.needs for choice in THEORIES.parse_list(theories))
