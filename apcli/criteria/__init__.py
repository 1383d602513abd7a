"""Criteria: which weights matter. Each maps a layer's weights to scores, larger = keep, and changes nothing."""

from apcli.registry import Row, Table

METHODS = Table(
    "method",
    (
        Row(
            "lowest",
            "apcli.criteria.magnitude:lowest",
            "removes the weights of lowest magnitude",
            "Han et al. 2015, arXiv:1506.02626",
            ("weights",),
        ),
        Row(
            "highest",
            "apcli.criteria.magnitude:highest",
            "removes the weights of highest magnitude",
            "Mozafari-Nia & Sekeh 2024, arXiv:2403.00155, section 5",
            ("weights",),
        ),
        Row(
            "random",
            "apcli.criteria.uniform:random",
            "removes weights at random, uniformly",
            "Blalock et al. 2020, arXiv:2003.03033",
            ("weights", "seed"),
        ),
    ),
)
