"""Theorem 2's PD after each epoch of a trace, as it can be proven (R4)."""

from collections.abc import Iterator

from apcli.records import POOLED
from apcli.records.bound import ESTIMATE, PD, PROVEN, Assumption, Bound, Constant
from apcli.stages.bounds.ap3.epochs.lengths import Epoch, lengths_of
from apcli.stages.bounds.ap3.last_layer import moment
from apcli.stages.bounds.ap3.latent import Latents
from apcli.stages.bounds.ap3.loss import UNIT, accounted_for, curvature_along
from apcli.stages.bounds.ap3.setting import Setting
from apcli.stages.bounds.measured import Stated
from apcli.theory.bounds import last_layer, loss
from apcli.words import few


def statements(setting: Setting, latents: Latents) -> Iterator[Stated]:
    """The bound on PD of every epoch; PD itself is of the dense network with that epoch's weights in its layers."""
    for epoch in lengths_of(setting.pair, latents):
        yield Stated(_bound(setting, epoch), POOLED, epoch.number, setting.evaluated)


def _bound(setting: Setting, epoch: Epoch) -> Bound:
    differing, traced = ({w.layer.tensor for w in setting.differing}, {w.layer.tensor for w in epoch.layers if w.ap2})
    # that of the epoch is not known
    bias = [setting.alone.bias] if setting.alone and "bias" in setting.alone.changes else []
    complete = accounted_for(setting, [*sorted(differing ^ traced), *bias])
    curvature, assumed, constants = _curvature(setting)
    first = setting.slope_to(epoch.layers)
    measured = None
    if complete.holds:
        after = setting.outputs_with(epoch.layers, f"{setting.pair.pruned.label} after epoch {epoch.number}")
        measured = abs(after.loss - setting.outputs[0].loss)
    return Bound.stated(
        "theorem 2", "derived (R4); its structure: arXiv:2403.00155", PROVEN if setting.alone else ESTIMATE, PD,
        loss.theorem_2(curvature=curvature, squared_length=epoch.at_most, gradient_term=first),
        unit=UNIT,
        measured=measured,
        assumptions=(complete, *assumed),
        constants=(
            *epoch.constants(),
            Constant("gradient term", first, None, "<gradient of the loss at w*, w~t - w*>"),
            *constants,
        ),
    )  # fmt: skip


def _curvature(setting: Setting) -> tuple[float, tuple[Assumption, ...], tuple[Constant, ...]]:
    """Lambda with what it assumes: of the last layer for all weights, or else found on the line to the final ones."""
    if setting.alone:
        bound = last_layer.curvature(setting.alone.largest_moment)
        return bound, (), (Constant("Lambda", bound, 0.0, "lambda_max(E h h') / 2"), moment(setting.alone))
    line = "not proven: it was measured at some points of the line to the final weights"
    named = few([w.layer.name for w in setting.differing or setting.pair.weights])
    return (
        setting.everything.largest_curvature,
        (Assumption("Lambda bounds the curvature", None, line),),
        (curvature_along(setting.everything, named),),
    )
