"""Caveats: the limits of AP numbers, in words for people (standard library only)."""

from collections.abc import Mapping
from typing import Any

from apcli.projections import COVARIANCES, DISTRIBUTIONS, ISOTROPIC
from apcli.registry.tables import Parameter
from apcli.theory import SAME

NOT_PROVEN = (
    "Theorem 1 and Lemma 3 of arXiv:2403.00155 are not proven as stated: a bound on AP3 in one layer says nothing "
    "about the layers it does not cover, so it bounds neither PD nor the next layer's AP3. An order relation "
    "seen here is an observation about these runs, not a consequence of a theorem."
)
SAME_ORDER = (
    "uses one isotropic scale for both distributions, ungrouped. AP3 is then a strictly increasing function of AP2 for "
    "a pair of files, so it cannot order methods differently from AP2 and adds no evidence of its own (only averaging "
    "over seeds, or Monte Carlo noise, can make their orders differ)."
)
SAME_ORDER_GROUPED = (
    "uses one isotropic scale for both distributions on grouped weights. AP3 is then a strictly increasing function of "
    "AP2 of the grouped weights, so it cannot order methods differently from that."
)
SAME_ORDER_FIXED = (
    "uses two isotropic distributions, the pruned one of another width or another tail, ungrouped. Both are fixed, so "
    "AP3 still grows with AP2 and nothing else for files with the same layers: it cannot order methods differently "
    "from AP2."
)
SAME_ORDER_FIXED_GROUPED = (
    "uses two isotropic distributions on grouped weights, the pruned one of another width or another tail. Both are "
    "fixed, so AP3 still grows with AP2 of the grouped weights and nothing else: it cannot order methods differently."
)


def of_projection(dist: str, params: Mapping[str, Parameter]) -> list[str]:
    """All caveats about a distribution and its parameters, as predicates for its name."""
    rows = (DISTRIBUTIONS.get(dist), COVARIANCES.get(str(params.get("cov"))))
    caveats = [same_order(dist, params), *(row.caveat for row in rows if row)]
    return [caveat for caveat in caveats if caveat]


def same_order(dist: str, params: Mapping[str, Parameter]) -> str | None:
    """The caveat for a distribution whose AP3 orders pairs exactly as AP2 does; None for one that may not.

    It applies to distributions with isotropic scales whose densities decrease with the distance, whether or not the two
    have one scale and one df, and to every measure offered. 2-Wasserstein: W2^2 = |D|^2 + a constant. The others are
    increasing functions of f-divergences, which are mixtures of int (p - g q)+ over g > 0 (Osterreicher & Vajda 1993;
    Liese & Vajda 2006); int min(p, g q) is the integral over heights t of the volume common to {p > t} and {g q > t},
    two balls around w and w~, and so falls as |w - w~| grows. (That it applies here is derived for this project.)
    """
    row = DISTRIBUTIONS.get(dist)
    if row is None or not row.falls_with_distance or params.get("cov", ISOTROPIC) != ISOTROPIC:
        return None
    one = all(_as_dense(params, name.removeprefix("pruned_")) for name in params if name.startswith("pruned_"))
    if params.get("groups"):
        return SAME_ORDER_GROUPED if one else SAME_ORDER_FIXED_GROUPED
    return SAME_ORDER if one else SAME_ORDER_FIXED


def _as_dense(params: Mapping[str, Parameter], name: str) -> bool:
    """Whether the pruned distribution's parameter is the dense one's, by name (``same``) or by value."""
    own = params.get(f"pruned_{name}", SAME)
    return own == SAME or _number(own) == _number(params.get(name))


def _number(value: Any) -> float | None:
    try:
        return float(value)
    except (TypeError, ValueError):
        return None
