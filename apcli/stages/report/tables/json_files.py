"""The report as one JSON object, for programs: a ``ReportRecord``."""

from collections import Counter
from collections.abc import Iterator, Mapping
from functools import partial
from itertools import product

from apcli.records import lines
from apcli.records.json_objects import fields_of
from apcli.records.report import (
    AgreementFacts,
    AnswerFacts,
    CheckFacts,
    ContrastFacts,
    EstimateFacts,
    GroupFacts,
    LayerFacts,
    MethodComparisonFacts,
    MomentFacts,
    QuantityFacts,
    RepetitionFacts,
    ReportRecord,
    RunFacts,
    StageFacts,
    TrialFacts,
    WithinNetworksFacts,
)
from apcli.stages.report.answers.answers import answers
from apcli.stages.report.answers.checklist import checklist
from apcli.stages.report.answers.done import done
from apcli.stages.report.answers.rebuilt.repetition import repetition
from apcli.stages.report.comparisons.agreement import Agreement
from apcli.stages.report.comparisons.contrast import Contrast
from apcli.stages.report.comparisons.estimates import estimate_of
from apcli.stages.report.comparisons.methods import MethodComparison
from apcli.stages.report.comparisons.over_epochs import WithinNetworks
from apcli.stages.report.comparisons.summary import comparisons_of
from apcli.stages.report.inputs import MARK, mark_of
from apcli.stages.report.runs.behaviours import quantities_of
from apcli.stages.report.runs.experiment import Group, Report, Run
from apcli.stages.report.runs.moments import moments, value_at
from apcli.stages.report.runs.quantities import ApMeasure, BoundKey, Key, ScoreKey
from apcli.stages.report.runs.trials import Trial
from apcli.stages.report.sections import kind_of
from apcli.theory.statistics.performance import SPLITS

_WITHIN = {field.name for field in fields_of(WithinNetworksFacts)}

Names = Mapping[Key, QuantityFacts]


def to_json(report: Report) -> str:
    """One line of JSON; a number that is not known is null."""
    record = ReportRecord(
        inputs=f"{MARK}: {mark_of(report.digests)}",
        records=Counter(map(kind_of, report.given)),
        groups=tuple(_group(report, group) for group in report.groups),
    )
    return f"{lines.dump(record.to_json())}\n"


def _group(report: Report, group: Group) -> GroupFacts:
    compared, named = comparisons_of(group), _named(group)
    return GroupFacts(
        model=group.model,
        data=group.data,
        done=done(report, group),
        answers=tuple(AnswerFacts(**vars(answer)) for answer in answers(report, group)),
        checklist=tuple(CheckFacts(**vars(check)) for check in checklist(report, group)),
        notes=group.notes,
        repetition=_repetition(report, group),
        quantities=tuple(named.values()),
        runs=tuple(_run(group, run, named) for run in group.runs),
        comparisons=tuple(map(_comparison, compared.methods)),
        agreements=tuple(map(_agreement, (*compared.agreements, *compared.behaviour))),
        within_networks=tuple(map(_within, compared.within_networks)),
        contrasts=tuple(map(_contrast, compared.contrasts)),
    )


def _repetition(report: Report, group: Group) -> RepetitionFacts:
    known = repetition(report, group)
    stages = tuple(StageFacts(settings.stage, dict(settings.values)) for settings in known.settings)
    return RepetitionFacts(
        known.commands,
        stages,
        dict(known.versions),
        known.device,
        known.seeds,
        dict(known.dense_files),
        known.unknown,
    )


def _named(group: Group) -> Names:
    """The quantities that have values, by their keys: measures with their bounds, then performance."""
    trials = [trial for run in group.runs for trial in run.trials]
    found = {key for trial in trials for key, _ in trial.values}
    found |= {key for trial in trials for layer in trial.by_layer.values() for key in layer.values}
    known: dict[Key, QuantityFacts] = {}
    for measure in group.measures:
        known[measure.key] = _measure(measure)
        for side in ("lower", "upper"):
            name = f"{side} bound on total variation, {measure.label}"
            known[BoundKey(measure.key, side)] = QuantityFacts(name, "bound", "share")
    for kind, split, what in product(("pd", "dense", "before", "pruned"), SPLITS, ("loss", "accuracy")):
        unit = "nats" if what == "loss" else "percentage points" if kind == "pd" else "percent"
        name = f"{'PD' if kind == 'pd' else kind}, {split} {what}"
        known[ScoreKey(kind, split, what)] = QuantityFacts(name, kind, unit)
    for quantity in quantities_of(group.behaviours, group.bounds):
        known[quantity.key] = QuantityFacts(quantity.label, "behaviour", quantity.unit)
    return {key: facts for key, facts in known.items() if key in found}


def _measure(measure: ApMeasure) -> QuantityFacts:
    record = measure.record
    return QuantityFacts(
        name=measure.label,
        kind=measure.kind,
        unit=measure.unit,
        dist=record.dist,
        params=measure.params,
        measure=record.measure,
        measure_params=record.measure_params,
        estimator=record.estimator,
        draws=record.draws,
        evaluated=record.evaluated,
    )


def _run(group: Group, run: Run, named: Names) -> RunFacts:
    return RunFacts(
        name=run.name,
        method=run.method,
        control=run.is_control,
        requested=run.requested,
        sparsity=run.sparsity,
        estimates=tuple(_estimates(group, run, named)),
        trials=tuple(_trial(trial, named) for trial in run.trials),
    )


def _estimates(group: Group, run: Run, named: Names) -> Iterator[EstimateFacts]:
    for moment, (key, quantity) in product(moments(group), named.items()):
        if found := estimate_of(run, partial(value_at, key=key, moment=moment)):
            yield EstimateFacts(quantity=quantity.name, moment=moment, **vars(found))


def _trial(trial: Trial, named: Names) -> TrialFacts:
    epochs = {epoch for _, epoch in trial.values}
    return TrialFacts(
        network=trial.network,
        seed=trial.seed,
        mask_seed=trial.mask_seed,
        path=trial.pruned.path,
        sha256=trial.pruned.sha256,
        sparsity=trial.actual,
        moments=tuple(_moment(trial, named, epoch) for epoch in sorted(epochs, key=lambda one: (one is None, one))),
        layers=tuple(
            LayerFacts(
                name, layer.actual, {named[key].name: value for key, value in layer.values.items() if key in named}
            )
            for name, layer in trial.by_layer.items()
        ),
    )


def _moment(trial: Trial, named: Names, epoch: int | None) -> MomentFacts:
    values, errors = (
        {named[key].name: value for (key, at), value in known.items() if at == epoch and key in named}
        for known in (trial.values, trial.errors)
    )
    return MomentFacts(epoch, values, errors)


def _comparison(compared: MethodComparison) -> MethodComparisonFacts:
    return MethodComparisonFacts(**{**vars(compared), "first": compared.first.name, "second": compared.second.name})


def _agreement(agreement: Agreement) -> AgreementFacts:
    return AgreementFacts(
        measure=agreement.measure.label,
        target=agreement.target.label,
        moment=str(agreement.moment),
        over=agreement.over,
        sparsity=agreement.sparsity,
        method=agreement.method,
        tau=agreement.tau,
        interval=agreement.interval,
        taus=tuple(tau for tau in agreement.taus if tau is not None),
        agree=agreement.agree,
        breaks=agreement.breaks,
        tied=agreement.tied,
        runs=tuple(run.name for run in agreement.runs),
        networks=len(agreement.networks),
    )


def _within(within: WithinNetworks) -> WithinNetworksFacts:
    own = {name: value for name, value in vars(within).items() if name in _WITHIN}
    return WithinNetworksFacts(**{**own, "measure": within.measure.label, "target": within.target.label})


def _contrast(contrast: Contrast) -> ContrastFacts:
    named = {"first": contrast.first.name, "second": contrast.second.name, "measure": contrast.measure.label}
    return ContrastFacts(**{**vars(contrast), **named})
