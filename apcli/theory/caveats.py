"""What AP numbers cannot show, in words for people (standard library only)."""

from collections.abc import Mapping
from typing import Any

from apcli.theory import ISOTROPIC

NOT_PROVEN = (
    "Theorem 1 and Lemma 3 of arXiv:2403.00155 are not proven as stated: a bound on AP3 in one layer says nothing of "
    "the layers it does not cover, so it bounds neither PD nor the next layer's AP3. An order relation seen here is an "
    "observation about these runs, not a consequence of a theorem."
)
SAME_ORDER = (
    "uses one isotropic scale for both laws, ungrouped. AP3 is then a strictly increasing function of AP2 for a pair "
    "of files, so it cannot order methods otherwise than AP2 does and adds no evidence of its own (only averaging over "
    "seeds can make their orders differ)."
)
SAME_ORDER_GROUPED = (
    "uses one isotropic scale for both laws on grouped weights. AP3 is then a strictly increasing function of AP2 of "
    "the grouped weights, so it cannot order methods otherwise than that does."
)


def same_order(dist: str, params: Mapping[str, Any]) -> str | None:
    """What to say of a distribution whose AP3 orders pairs exactly as AP2 does; None of one that may not.

    Both laws sharing one isotropic scale, KL depends on |w - w~| alone and increases with it, Gaussian and Student-t.
    """
    if dist not in ("gaussian", "student-t") or params.get("cov", ISOTROPIC) != ISOTROPIC:
        return None
    return SAME_ORDER_GROUPED if params.get("groups") else SAME_ORDER
