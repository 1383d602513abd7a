"""How far weights and losses moved: divergences and performance differences of every run."""

from collections.abc import Callable, Iterable, Sequence

from apcli.stages.report.evidence.section import Section, means, named, replicated
from apcli.stages.report.runs.experiment import Group, Report, Stat
from apcli.stages.report.runs.moments import FINAL, moment_name, moments, value_at
from apcli.stages.report.runs.quantities import PD, PD_LOSS, ApMeasure, Quantity, ScoreKey
from apcli.stages.report.runs.trials import Trial
from apcli.stages.report.tables.columns import Column, ReportTable, table_of

MEASURES = 5  # shown at first


def divergence(report: Report, group: Group) -> Section | None:
    """The section; None if there is no measure."""
    if not group.measures:
        return None
    final, *others = (_moved(group, moment) for moment in moments(group))
    return Section((), (final,), tuple(table for table in (*others, _bounds(group), _settings(group)) if len(table)))


def _moved(group: Group, moment: str) -> ReportTable:
    runs = group.runs

    def at(quantity: Quantity) -> Callable[[Trial], float | None]:
        return lambda trial: value_at(trial, quantity.key, moment)

    columns = [
        *named(runs),
        *(_pd(q, group, at(q)) for q in PD_LOSS),
        *(
            means(measure.label, runs, at(measure), group=_kind(measure), unit=measure.unit, further=place >= MEASURES)
            for place, measure in enumerate(group.measures)
        ),
        *replicated(runs),
        *(_pd(q, group, at(q)) for q in PD if q not in PD_LOSS),
    ]
    when = moment_name(group, moment)
    name = "divergence" if moment == FINAL else "divergence-just-pruned"
    return table_of(name, f"Divergence and loss of every run, {when}", columns, keys=2)


def _pd(quantity: Quantity, group: Group, value: Callable[[Trial], float | None]) -> Column:
    key = quantity.key
    is_loss = isinstance(key, ScoreKey) and key.what == "loss"
    heading, unit = ("loss difference (PD)", "nats") if is_loss else ("accuracy difference (PD)", "pp")
    split = key.split if isinstance(key, ScoreKey) else quantity.words
    decimals = None if is_loss else 2
    return means(split, group.runs, value, group=heading, unit=unit, decimals=decimals, further=not is_loss)


def _kind(measure: ApMeasure) -> str:
    return "" if measure.is_number else "divergence"


def _bounds(group: Group) -> ReportTable:
    """What a KL divergence proves about total variation."""
    listed = [(m, run) for m in group.measures for run in group.runs if any(run.tv_bounds(m.key))]
    runs = [run for _, run in listed]
    lower, upper = zip(*(run.tv_bounds(measure.key) for measure, run in listed), strict=True) if listed else ((), ())
    columns = [
        Column("measure", tuple(measure.label for measure, _ in listed)),
        *named(runs),
        Column("KL", _means(run.final(measure.key) for measure, run in listed), unit="nats"),
        Column("at least", _means(lower), "total variation (TV)"),
        Column("at most", _means(upper), "total variation (TV)"),
    ]
    caption = "Bounds by KL and by the means and covariances of both distributions."
    return table_of("total-variation", "What AP3 says about total variation", columns, caption, keys=3)


def _means(found: Iterable[Stat | None]) -> tuple[float | None, ...]:
    return tuple(None if stat is None else stat.mean for stat in found)


def _settings(group: Group) -> ReportTable:
    names = ("measure", "distribution", "parameters", "divergence", "estimator", "measured on")
    rows: Sequence[Sequence[str]] = [[measure.label, *measure.settings] for measure in group.measures]
    columns = [Column(name, tuple(row[place] for row in rows)) for place, name in enumerate(names)]
    return table_of("measures", "Measures and their settings", columns)
