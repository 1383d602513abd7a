"""PD from AP3 as the paper has it, by Lemma 2, Corollary 2 and Theorem 1, and from all layers that differ (R1)."""

from collections.abc import Iterator, Sequence

from apcli.records import POOLED
from apcli.records.bound import ESTIMATE, PD, PUBLISHED, Assumption, Bound, Constant
from apcli.stages.bounds.ap3 import assumptions
from apcli.stages.bounds.ap3.assumptions import below_2
from apcli.stages.bounds.ap3.latent import Latent, Latents
from apcli.stages.bounds.ap3.risk import POINTS, Risk
from apcli.stages.bounds.ap3.setting import Setting
from apcli.stages.bounds.measured import Stated, Weights
from apcli.theory.bounds import loss
from apcli.words import few

PAPER, UNIT = "arXiv:2403.00155", "nats"
_W2 = "W2: a layer whose AP3 is 0 says nothing of the others"
_W4 = "W4: the last layer's AP3 says nothing of the layers before it"


def statements(setting: Setting, latents: Latents) -> Iterator[Stated]:
    """Lemma 2 and Corollary 2 if the last layer is compared, Theorem 1 for each layer, R1 for all of them."""
    if setting.last is not None and setting.last_weight is not None:
        yield from _last_layer(setting, setting.last, setting.last_weight, latents.of(setting.last))
    for w in setting.pair.weights:
        yield _theorem_1(setting, w, latents.of(w))
    yield _all_layers(setting)


def _last_layer(setting: Setting, w: Weights, risk: Risk, latent: Latent) -> Iterator[Stated]:
    kl, precision, curvature = latent.kl, 1 / latent.largest, risk.extremes.norm
    constants = (*_target(), curvature_at_w(risk, w.layer.name), *_latent(w, latent), slope(risk))
    common = _assumed(setting, w, risk, _W4)
    lemma = loss.lemma_2(mean_target=1.0, curvature=curvature, kl=kl, spread=latent.spread)
    corollary = loss.corollary_2(mean_target=1.0, curvature=curvature, kl=kl, smallest_precision=precision)
    for name, value, assumed in (("lemma 2", lemma, (*common, below_2(kl))), ("corollary 2", corollary, common)):
        bound = Bound.stated(
            name, PAPER, PUBLISHED, PD, value, unit=UNIT, measured=setting.pd, assumptions=assumed, constants=constants
        )
        yield Stated(bound, w.layer.name, evaluated=setting.evaluated)


def _theorem_1(setting: Setting, w: Weights, latent: Latent) -> Stated:
    kl = latent.kl
    curvature = setting.weights.extremes.norm
    bound = Bound.stated(
        "theorem 1", PAPER, PUBLISHED, PD,
        loss.lemma_2(mean_target=1.0, curvature=curvature, kl=kl, spread=latent.spread),
        unit=UNIT,
        measured=setting.pd,
        assumptions=(*_assumed(setting, w, setting.weights, _W2), below_2(kl)),
        constants=(*_target(), curvature_at_w(setting.weights, _named(setting)), *_latent(w, latent)),
    )  # fmt: skip
    return Stated(bound, w.layer.name, evaluated=setting.evaluated)


def _assumed(setting: Setting, w: Weights, risk: Risk, objection: str) -> tuple[Assumption, Assumption, Assumption]:
    """That no other tensor differs, and that what is left out of this layer's Taylor series is negligible."""
    name = risk.name_of(w.layer.tensor)
    kept = risk.extremes.norm * w.ap2 / 2
    others = setting.others(w.layer.tensor)
    remainder = None if others else setting.change - risk.slope - risk.second_order
    return (
        assumptions.only(w.layer.name, others, objection),
        assumptions.no_gradient(risk.lengths.get(name), risk.slopes.get(name, 0.0), kept),
        assumptions.no_remainder(remainder, kept, setting.rounding),
    )


def _all_layers(setting: Setting) -> Stated:
    risk = setting.everything
    value = loss.multi_layer(
        gradient_term=risk.slope, curvature=risk.largest_curvature, squared_lengths=[risk.squared_length]
    )
    points = f"not proven: it is the largest at {POINTS} points of the line from w to w~"
    bound = Bound.stated(
        "corollary 2, all layers", "derived (R1)", ESTIMATE, PD, value,
        unit=UNIT,
        measured=setting.pd,
        assumptions=(accounted_for(setting), Assumption("Lambda bounds the curvature", None, points)),
        constants=(slope(risk), second_order(risk), curvature_along(risk, _named(setting)), length(risk)),
    )  # fmt: skip
    return Stated(bound, POOLED, evaluated=setting.evaluated)


def accounted_for(setting: Setting, missing: Sequence[str] = ()) -> Assumption:
    """That all tensors that differ are in the bound, which has all compared layers but the missing ones."""
    others = (*setting.uncounted, *missing)
    return assumptions.nothing_else(others, setting.are_one_dimensional(others))


def slope(risk: Risk) -> Constant:
    """g'D."""
    return Constant("gradient term", risk.slope, None, "<gradient of the loss at w, w~ - w>")


def second_order(risk: Risk) -> Constant:
    """D'HD / 2."""
    return Constant("second-order term", risk.second_order, None, "D'HD / 2 with the Hessian at w")


def length(risk: Risk) -> Constant:
    """|D|^2."""
    return Constant("AP2", risk.squared_length, 0.0, "exact")


def curvature_at_w(risk: Risk, layers: str) -> Constant:
    """lambda_max(H), of the eigenvalue with the larger absolute value."""
    found = risk.extremes
    how = (
        f"largest |eigenvalue| of the Hessian at w over {layers}; {found.steps} Lanczos steps found eigenvalues from "
        f"{found.smallest:.3g} to {found.largest:.3g}"
    )
    return Constant("lambda_max(H)", found.norm, found.norm_error, how)


def curvature_along(risk: Risk, layers: str) -> Constant:
    """Lambda."""
    worst = max(risk.along, key=lambda found: found.norm)
    how = f"largest |eigenvalue| of the Hessian over {layers} at {len(risk.along)} points from w to w~"
    return Constant("Lambda", worst.norm, worst.norm_error, how)


def _named(setting: Setting) -> str:
    return few([w.layer.name for w in setting.differing or setting.pair.weights])


def _target() -> tuple[Constant]:
    return (Constant("E|Y|", 1.0, 0.0, "of the cross-entropy"),)


def _latent(w: Weights, latent: Latent) -> tuple[Constant, ...]:
    return (
        Constant("AP3", latent.kl, 0.0, f"Gaussian, of {w.layer.name}"),
        *latent.eigenvalues(),
        Constant("C of Lemma 1", latent.spread, 0.0, "2 (tr P + tr Q)"),
    )
