"""Rank several units together: the number of each unit's elements among the lowest of all, and its cut."""

import logging
from collections.abc import Mapping, Sequence

from apcli.allocations.units import Counts, Unit
from apcli.selection.exact import Cut, Ranking, cuts

log = logging.getLogger("apcli")


class Ranked:
    """The rankings of units, by name. Cuts made together are cached, so that a mask needs no further pass."""

    def __init__(self, rankings: Mapping[str, Ranking]) -> None:
        self.rankings = rankings
        self._cuts: dict[str, Cut] = {}

    def cut(self, name: str, removed: int) -> Cut:
        """The cut that removes exactly the lowest ``removed`` elements of one unit."""
        known = self._cuts.get(name)
        return known if known is not None and known.removed == removed else self._cut([name], removed)[name]

    def lowest(self, units: Sequence[Unit], removed: int) -> Counts:
        """The number of each unit's elements among the ``removed`` lowest of all.

        A unit that would keep fewer than its least loses only what it can, and the others lose the rest.
        """
        most = sum(unit.most for unit in units)
        if removed > most:
            log.warning("--min-keep allows %d to be removed, fewer than the requested %d", most, removed)
            removed = most
        fixed: dict[str, Cut] = {}
        while True:
            free = [unit for unit in units if unit.name not in fixed]
            left = removed - sum(cut.removed for cut in fixed.values())
            free_cuts = self._cut([unit.name for unit in free], left) if free else {}
            over = [unit for unit in free if free_cuts[unit.name].removed > unit.most]
            if not over:
                self._cuts = {**fixed, **free_cuts}
                return {unit.name: self._cuts[unit.name].removed for unit in units}
            for unit in over:
                fixed |= self._cut([unit.name], unit.most)

    def _cut(self, names: Sequence[str], removed: int) -> dict[str, Cut]:
        return dict(zip(names, cuts([self.rankings[name] for name in names], removed), strict=True))
