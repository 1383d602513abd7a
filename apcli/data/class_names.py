"""Names of classes: they identify the class behind a number, in a data set and at a network's outputs."""

import re
from collections import Counter
from collections.abc import Sequence

MOST = 1000  # a lineage keeps no longer lists
_SPELT = re.compile(r"^(\d) - \w+$")  # torchvision calls MNIST's classes "0 - zero"


def names_of(source: object, classes: int) -> tuple[str, ...]:
    """The class names of a torchvision set by number, as its folders would be called; empty if the set has none.

    Args:
        source: holds the names in ``wnids`` (ImageNet's, whose words are not unique) or ``classes``.
        classes: the least number of names expected.
    """
    listed = getattr(source, "wnids", None) or getattr(source, "classes", None) or ()
    names = tuple(_SPELT.sub(r"\1", name) for name in listed if isinstance(name, str))
    usable = classes <= len(names) == len(listed) == len(set(names)) and len(names) <= MOST
    return names if usable else ()


def places_of(names: Sequence[str], outputs: Sequence[str]) -> list[int | None]:
    """The output of each class, None where there is none. Case matters only between names that differ in case alone.

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
