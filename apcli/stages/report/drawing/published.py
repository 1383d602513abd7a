"""Show AP3 on the scale of the paper: one standard deviation for all cells of a study, set by its largest AP2.

The paper's figures of Gaussians with one variance have 1/σ² = 3.8 / largest AP2, over all methods, sparsities and
epochs, so that KL = AP2 / (2 σ²) is at most 1.9 (arXiv:2403.00155).
"""

from dataclasses import replace

from apcli.errors import UsageError
from apcli.figures.canvas.scales import text_of
from apcli.projections import ISOTROPIC
from apcli.stages.report.runs.experiment import Group
from apcli.stages.report.runs.quantities import PLAIN, ApKey, ApMeasure
from apcli.stages.report.runs.trials import Trial

SCALED = "“Published scale” is one σ for all networks and epochs, 1/σ² = 3.8 / largest AP2, as in the paper."
_RATIO = 3.8


def on_published_scale(group: Group) -> Group:
    """The group with its Gaussian AP3 of one variance on the published scale; computed from AP2 if it has none.

    Raises:
        UsageError: it has neither.
    """
    gaussian = next((measure for measure in group.measures if _is_isotropic(measure)), None)
    source = gaussian or next((m for m in group.measures if m.is_number and not m.params), None)
    if source is None:
        raise UsageError(
            f"--scale published: {group.title} has neither AP2 nor a Gaussian AP3 of one variance: expected records of "
            "divergence --dist ap2,gaussian"
        )
    trials = [trial for run in group.runs for trial in run.trials]
    largest = max((v for t in trials for (key, _), v in t.values.items() if key == source.key), default=0.0)
    if largest <= 0:
        return group
    of_ap2 = 2 * float(gaussian.params.get("scale", 1.0)) ** 2 if gaussian else 1.0
    label = f"AP3 gaussian (published scale, σ² = {text_of(of_ap2 * largest / _RATIO, 3)})"
    key = replace(source.key, dist="gaussian", measure=PLAIN)
    made = ApMeasure(key, label, "nats", replace(source.record, dist="gaussian", measure=PLAIN))
    shown = {source: [made] if gaussian else [source, made]}
    factor = _RATIO / 2 / largest
    runs = (replace(run, trials=tuple(_scaled(t, source.key, key, factor) for t in run.trials)) for run in group.runs)
    measures = tuple(m for measure in group.measures for m in shown.get(measure, [measure]))
    return replace(group, runs=tuple(runs), measures=measures)


def _is_isotropic(measure: ApMeasure) -> bool:
    """Whether KL is AP2 / (2 scale²)."""
    others = {name: value for name, value in measure.params.items() if name != "scale"}
    is_gaussian = (measure.dist, measure.key.measure) == ("gaussian", PLAIN)
    return is_gaussian and others in ({}, {"cov": ISOTROPIC})


def _scaled(trial: Trial, old: ApKey, new: ApKey, factor: float) -> Trial:
    """The trial with the values of a quantity times a factor under a key that may be its own."""
    values = dict(trial.values)
    values |= {(new, epoch): value * factor for (key, epoch), value in trial.values.items() if key == old}
    layers = {
        name: replace(layer, values={**layer.values, new: layer.values[old] * factor}) if old in layer.values else layer
        for name, layer in trial.by_layer.items()
    }
    return replace(trial, values=values, by_layer=layers)
