"""Certificates for a pair of which only the last linear layer differs: on PD (R1, R2) and on accuracy (R3)."""

import math
from collections.abc import Iterator

from apcli.records.bound import LOWER, PD, PD_ACCURACY, PROVEN, Assumption, Bound, Constant, Side
from apcli.stages.bounds.ap3 import assumptions
from apcli.stages.bounds.ap3.head import Head
from apcli.stages.bounds.ap3.loss import UNIT, length, slope
from apcli.stages.bounds.ap3.risk import Risk
from apcli.stages.bounds.ap3.setting import Setting
from apcli.stages.bounds.measured import Stated
from apcli.theory.bounds import last_layer, loss

_SOURCE = "derived (R2)"


def statements(setting: Setting) -> Iterator[Stated]:
    """The certificates; none where another tensor differs or the last layer is not linear."""
    head, last = setting.alone, setting.last
    if head is None or last is None:
        return
    only = Assumption(assumptions.ONLY, True, assumptions.AGREE)
    for bound in (
        _by_curvature(setting, head, only),
        *_by_logits(setting, head, only),
        _by_margins(setting, head, only),
    ):
        yield Stated(bound, last.layer.name, evaluated=setting.evaluated)


def moment(head: Head) -> Constant:
    """lambda_max(E h h')."""
    h = "(h, 1)" if "bias" in head.changes else "h"
    how = f"of the {head.activations.shape[1]} inputs {h} of the last layer over {len(head.labels)} images"
    return Constant("lambda_max(E h h')", head.largest_moment, 0.0, how)


def _by_curvature(setting: Setting, head: Head, only: Assumption) -> Bound:
    risk = setting.everything
    bound = last_layer.curvature(head.largest_moment)
    value = loss.multi_layer(gradient_term=risk.slope, curvature=bound, squared_lengths=[risk.squared_length])
    return Bound.stated(
        "corollary 2, last layer", "derived (R1)", PROVEN, PD, value,
        unit=UNIT,
        measured=setting.pd,
        assumptions=(only,),
        constants=(slope(risk), Constant("Lambda", bound, 0.0, "lambda_max(E h h') / 2"), moment(head), length(risk)),
    )  # fmt: skip


def _by_logits(setting: Setting, head: Head, only: Assumption) -> Iterator[Bound]:
    """The signed change of the loss between two bounds, and its size."""
    risk: Risk = setting.everything
    mean, square = float(head.moved.mean()), float((head.moved**2).mean())
    found = last_layer.loss_change(
        gradient_term=risk.slope,
        mean_change=mean,
        mean_squared_change=square,
        largest_moment=head.largest_moment,
        squared_length=risk.squared_length,
    )
    gradient, change = slope(risk), "R(w~) - R(w)"
    squared = Constant("E|D h|^2", square, 0.0, "mean over the images")
    lipschitz = Constant("Lipschitz constant", math.sqrt(2), 0.0, "of the cross-entropy by the logits, at most sqrt 2")
    moved = Constant("E|D h|", mean, 0.0, "mean over the images")
    rows: tuple[tuple[str, str, Side, float, float, tuple[Constant, ...]], ...] = (
        ("loss from below", change, LOWER, found.lower, setting.change, (gradient,)),
        ("loss from above", change, "upper", found.upper, setting.change, (gradient, squared)),
        ("loss from above by moments", change, "upper", found.crude_upper, setting.change,
         (gradient, moment(head), length(risk))),
        ("loss by a Lipschitz constant", PD, "upper", found.size, setting.pd, (lipschitz, moved)),
        ("loss, tightest", PD, "upper", found.pd, setting.pd, (gradient, squared, lipschitz, moved)),
    )  # fmt: skip
    for name, quantity, side, value, measured, constants in rows:
        yield Bound.stated(
            name, _SOURCE, PROVEN, quantity, value,
            unit=UNIT, side=side, measured=measured, assumptions=(only,), constants=constants,
        )  # fmt: skip


def _by_margins(setting: Setting, head: Head, only: Assumption) -> Bound:
    before, after = setting.outputs
    margins = before.margins
    reach = math.sqrt(2) * float(head.moved.max())
    return Bound.stated(
        "accuracy by margins", "derived (R3)", PROVEN, PD_ACCURACY,
        last_layer.accuracy_change(margins, head.moved),
        measured=abs(after.accuracy - before.accuracy),
        trivial=1.0,
        assumptions=(only,),
        constants=(
            Constant("largest change of a margin", reach, 0.0, "sqrt 2 |D h|, at most"),
            Constant("median |margin|", float(sorted(abs(margins))[len(margins) // 2]), 0.0, "of the dense network"),
        ),
    )  # fmt: skip
