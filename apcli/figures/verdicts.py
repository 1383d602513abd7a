"""How a figure shows what became of a bound: a sign for each verdict, beside its word."""

from collections.abc import Iterable
from dataclasses import dataclass

from apcli.figures.canvas.panels import Key
from apcli.records.bound import BROKEN, BY_CONSTRUCTION, HOLDS, NOT_APPLICABLE, NOT_CONTRADICTED, VACUOUS


@dataclass(frozen=True)
class VerdictLook:
    """A colour and a sign; what says nothing is hollow."""

    color: str
    shape: str
    hollow: bool = False


LOOKS = {  # what matters most is drawn last, on top
    NOT_APPLICABLE: VerdictLook("soft", "v", hollow=True),
    VACUOUS: VerdictLook("soft", "s", hollow=True),
    BY_CONSTRUCTION: VerdictLook("soft", "^", hollow=True),
    NOT_CONTRADICTED: VerdictLook("method-3", "D"),
    HOLDS: VerdictLook("method-1", "o"),
    BROKEN: VerdictLook("method-2", "X"),
}


def keys_of(verdicts: Iterable[str]) -> list[Key]:
    """The legend of those verdicts that there are, the most important first."""
    found = set(verdicts)
    return [
        Key(verdict, look.color, look.shape, None, hollow=look.hollow)
        for verdict, look in reversed(LOOKS.items())
        if verdict in found
    ]
