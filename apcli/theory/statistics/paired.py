"""Two classifiers on the same items: how often one fails where the other does not."""

import math

from apcli.registry.ranges import INSIDE, Numbers


def mcnemar_p(lost: int, gained: int) -> float:
    """Two-sided p, exact, of the hypothesis that an item is as likely to be lost as to be gained.

    Args:
        lost: items that the first classifier has right and the second wrong; ``gained`` the other way round.

    Source: McNemar 1947, doi:10.1007/BF02295996, with the binomial distribution of ``lost`` among both.
    """
    Numbers(0).check(lost=lost, gained=gained)
    from scipy import special

    fewer, both = min(lost, gained), lost + gained
    return min(1.0, 2 * float(special.bdtr(fewer, both, 0.5)))


def change_interval(lost: int, gained: int, items: int, level: float) -> tuple[float, float]:
    """The interval of P(gained) - P(lost), the difference of two accuracies on the same items: an adjusted Wald one.

    Args:
        level: the probability that the interval misses the difference, half on each side.

    Source: Bonett & Price 2012, doi:10.1002/sim.5391 (recommended by Fagerland, Lydersen & Laake 2014).
    """
    Numbers(1).check(items=items)
    Numbers(0, items).check(lost=lost, gained=gained)
    INSIDE.check(level=level)
    from scipy import special

    down, up = ((count + 1) / (items + 2) for count in (lost, gained))
    difference = up - down
    half = -float(special.ndtri(level / 2)) * math.sqrt(max(0.0, (down + up - difference**2) / (items + 2)))
    return max(-1.0, difference - half), min(1.0, difference + half)
