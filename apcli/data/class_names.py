"""The names of classes: what tells which class a number means, in a data set and at a network's outputs."""

import re
from collections import Counter
from collections.abc import Sequence
from typing import Any

MOST = 1000  # a lineage keeps no longer lists
_SPELT = re.compile(r"^(\d) - \w+$")  # torchvision calls MNIST's classes "0 - zero"


def names_of(source: Any, classes: int) -> tuple[str, ...]:
    """The classes of a torchvision set by number, as its folders would be called; empty where it does not say.

    Args:
        source: has the names in ``wnids`` (ImageNet's, whose words are not unique) or ``classes``.
        classes: how many there are at least.
    """
    found = getattr(source, "wnids", None) or getattr(source, "classes", None) or ()
    names = tuple(_SPELT.sub(r"\1", name) for name in found if isinstance(name, str))
    fine = classes <= len(names) == len(found) == len(set(names)) and len(names) <= MOST
    return names if fine else ()


def places_of(names: Sequence[str], outputs: Sequence[str]) -> list[int | None]:
    """The output that means each class; None where there is none. Case decides only where names differ in nothing else.

    >>> places_of(["ant", "Zebra", "yak"], ["Ant", "bee", "zebra"])
    [0, 2, None]
    """
    exact = {name: place for place, name in enumerate(outputs)}
    counts = [Counter(name.casefold() for name in some) for some in (names, outputs)]
    folded = {name.casefold(): place for name, place in exact.items()}

    def place_of(name: str) -> int | None:
        alone = all(count[name.casefold()] == 1 for count in counts)
        return exact.get(name, folded[name.casefold()] if alone else None)

    return [place_of(name) for name in names]
