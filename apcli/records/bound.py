"""The bound record: what a theorem says of a pair of files, beside what was measured, and whether it applies."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, ClassVar, Literal

from apcli.records.json_objects import Columns, JsonObject
from apcli.records.pair import PairRecord
from apcli.registry.tables import Parameter

Side = Literal["upper", "lower"]
UPPER: Side = "upper"
LOWER: Side = "lower"
Standing = Literal["published", "proven", "estimate", "diagnostic"]
PUBLISHED: Standing = "published"
PROVEN: Standing = "proven"
ESTIMATE: Standing = "estimate"
DIAGNOSTIC: Standing = "diagnostic"
HOLDS, NOT_CONTRADICTED, BROKEN = "holds", "not contradicted", "broken"
BY_CONSTRUCTION = "by construction"
VACUOUS, NOT_APPLICABLE, NOT_MEASURED = "vacuous", "assumption fails", "not measured"
VERDICTS = (HOLDS, NOT_CONTRADICTED, BROKEN, BY_CONSTRUCTION, VACUOUS, NOT_APPLICABLE, NOT_MEASURED)
COMPARED = (HOLDS, NOT_CONTRADICTED, BROKEN)  # the statement applies, says something, and was measured
PD, PD_ACCURACY = "PD", "PD (accuracy)"  # quantities that reports have a place of their own for
KEPT = "kept share of weights"
AT_THE_LIMIT = "eigenvalue at the limit"  # a constant that figures mark
_ROUNDING = 1e-9  # a relative excess that is no violation


@dataclass(frozen=True)
class Assumption(JsonObject):
    """What a statement assumes, and whether that is so."""

    name: Annotated[str, "what is assumed"]
    holds: Annotated[bool | None, "null: not known"] = None
    reason: Annotated[str | None, "why it holds or fails"] = None


@dataclass(frozen=True)
class Constant(JsonObject):
    """A number that enters a bound."""

    name: Annotated[str, "its name"]
    value: Annotated[float | None, "null if infinite or unknown"] = None
    error: Annotated[float | None, "how far it may be off: 0 if it is exact, null if that is not known"] = None
    how: Annotated[str | None, "how it was measured"] = None


@dataclass(frozen=True)
class Point(JsonObject):
    """The loss at a sparsity."""

    sparsity: Annotated[float, "share of the weights that is zero"]
    rise: Annotated[float, "of the loss over the dense network's"]
    second_order: Annotated[float | None, "the rise by the curvature alone"] = None


@dataclass(frozen=True)
class Spectrum(JsonObject):
    """Eigenvalues of a matrix, as Lanczos' method has them: the mean of a function of them is a weighted sum."""

    values: Annotated[tuple[float, ...], "Ritz values, ascending, of 6 digits"] = ()
    weights: Annotated[tuple[float, ...], "share of all eigenvalues that each stands for, of 6 digits"] = ()


@dataclass(frozen=True, kw_only=True)
class Bound(JsonObject):
    """One statement with its numbers; ``stated`` judges it."""

    statement: Annotated[str, "name of the statement"]
    source: Annotated[str, "paper and number"]
    standing: Annotated[
        str,
        "`published`: as its paper states it; `proven`: rigorous under the assumptions; `estimate`: a constant is "
        "estimated; `diagnostic`: no theorem",
    ]
    quantity: Annotated[str, "what is bounded"]
    unit: Annotated[str, "of the quantity"] = ""
    side: Annotated[str, "`upper` or `lower`"] = UPPER
    value: Annotated[float | None, "the bound; null if infinite or not defined"] = None
    measured: Annotated[float | None, "the quantity itself, where it was measured"] = None
    trivial: Annotated[float | None, "a bound that needs no theory; beyond it a bound says nothing"] = None
    holds: Annotated[bool | None, "whether the measured quantity is within the bound"] = None
    slack: Annotated[float | None, "how many times the bound is the measured quantity, or the other way round"] = None
    verdict: Annotated[
        str,
        "`holds`, `not contradicted`, `broken`, `by construction`, `vacuous`, `assumption fails` or `not measured`",
    ] = NOT_MEASURED
    assumptions: Annotated[tuple[Assumption, ...], "what it assumes"] = ()
    constants: Annotated[tuple[Constant, ...], "what enters it"] = ()
    curve: Annotated[tuple[Point, ...], "the loss over the sparsity, where it was measured"] = ()
    spectrum: Annotated[Spectrum | None, "of the loss's curvature, if that enters"] = None

    @classmethod
    def stated(
        cls,
        statement: str,
        source: str,
        standing: Standing,
        quantity: str,
        value: float,
        *,
        unit: str = "",
        side: Side = UPPER,
        measured: float | None = None,
        trivial: float | None = None,
        assumptions: tuple[Assumption, ...] = (),
        constants: tuple[Constant, ...] = (),
        curve: tuple[Point, ...] = (),
        spectrum: Spectrum | None = None,
        by_construction: bool = False,
    ) -> "Bound":
        """The bound with its verdict. What fails first is said: an assumption, then that it says nothing.

        Args:
            value: the bound; infinite, or NaN where it is not defined.
            trivial: a bound of the same side that is known without the theorem.
            by_construction: whether the bound is computed from ``measured`` itself, which then could not break it.
        """
        holds = slack = None
        if measured is not None and not math.isnan(value):
            low, high = (measured, value) if side == UPPER else (value, measured)
            holds = low <= high + _ROUNDING * abs(high)
            slack = high / low if low > 0 and math.isfinite(high) else None
        says_nothing = math.isnan(value) or (math.isinf(value) and (value > 0) == (side == UPPER))
        if trivial is not None and not says_nothing:
            says_nothing = value >= trivial if side == UPPER else value <= trivial
        if any(one.holds is False for one in assumptions):
            verdict = NOT_APPLICABLE
        elif says_nothing:
            verdict = VACUOUS
        elif holds:
            unknown = any(one.holds is None for one in assumptions)
            verdict = BY_CONSTRUCTION if by_construction else NOT_CONTRADICTED if unknown else HOLDS
        else:
            verdict = NOT_MEASURED if holds is None else BROKEN
        return cls(
            statement=statement,
            source=source,
            standing=standing,
            quantity=quantity,
            unit=unit,
            side=side,
            value=value if math.isfinite(value) else None,
            measured=measured,
            trivial=trivial,
            holds=holds,
            slack=slack,
            verdict=verdict,
            assumptions=assumptions,
            constants=constants,
            curve=curve,
            spectrum=spectrum,
        )


@dataclass(frozen=True, kw_only=True)
class BoundRecord(PairRecord):
    """One statement about a pair of files, a layer and an epoch. A number that is not known is None."""

    kind: ClassVar[str] = "bound"
    version: ClassVar[int] = 1

    layer: Annotated[str, "name of the layer; `*` is all compared layers, or the network"]
    epoch: Annotated[int | None, "of a trace; null for the file itself"] = None
    theory: Annotated[str, "theory, as `--theory` names it"]
    params: Annotated[Mapping[str, Parameter], "its parameters"] = field(default_factory=dict)
    evaluated: Annotated[Mapping[str, Any] | None, "data, split, images and seed, if measured on the network"] = None
    bound: Annotated[Bound, "the statement", Columns("")]
