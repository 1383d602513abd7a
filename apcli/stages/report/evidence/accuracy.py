"""Which method keeps the accuracy: accuracies of every run, paired differences of methods, and every single value."""

from collections.abc import Callable, Sequence

from apcli.stages.report.comparisons.methods import MethodComparison
from apcli.stages.report.comparisons.summary import comparisons_of
from apcli.stages.report.evidence.section import Section, exactly, means, named, replicated
from apcli.stages.report.runs import accuracies
from apcli.stages.report.runs.experiment import Group, Report, Run
from apcli.stages.report.runs.moments import FINAL, moment_name, moments
from apcli.stages.report.runs.quantities import ScoreKey
from apcli.stages.report.runs.trials import Trial, file_name
from apcli.stages.report.tables.columns import Column, ReportTable, table_of
from apcli.words import count

VERDICTS = {"too few": "of too few pairs to say", "no test": "apart by the same in every pair"}
NEAR = 0.005  # a share that was got and differs less from the one that the run stands for is not shown


def accuracy(report: Report, group: Group) -> Section | None:
    """The section; None if no accuracy is known."""
    if not any(run.accuracy("pruned") for run in group.runs):
        return None
    final, *others = (_methods(group, moment) for moment in moments(group))
    details = tuple(table for table in (*others, _values(group)) if len(table))
    return Section(("Accuracy is top-1 on the test split.",), (_runs(group), *([final] if len(final) else [])), details)


def _runs(group: Group) -> ReportTable:
    runs, states = group.runs, {"dense": "dense", **accuracies.states(group.runs)}
    columns = [*named(runs), _got(runs)]
    columns += [_mean(name, group, "accuracy", state) for state, name in states.items()]
    columns.append(means("change", runs, lambda t: t.accuracy_change, group="final − dense", unit="pp", decimals=2))
    columns += replicated(runs)
    ends = [(state, name) for state, name in states.items() if state != "before"]
    columns += [_mean(name, group, "loss", state, further=True) for state, name in ends]
    columns += [_mean(name, group, "accuracy", state, "train", further=True) for state, name in ends]
    networks = max(len(run.networks) for run in runs)
    over = "dense networks" if networks > 1 else "seeds"
    caption = f"Means over {over}, ± the sample standard deviation (sd)."
    return table_of("accuracy", "Accuracy of every run", columns, caption, keys=2)


def _mean(name: str, group: Group, what: str, state: str, split: str = "test", further: bool = False) -> Column:
    unit, decimals = ("%", 1) if what == "accuracy" else ("nats", None)
    heading = f"{'training' if split == 'train' else split} {what}"
    value: Callable[[Trial], float | None] = lambda trial: trial.final(ScoreKey(state, split, what))  # noqa: E731
    if (what, split) == ("accuracy", "test"):
        value = lambda trial: trial.accuracy(state)  # noqa: E731
    return means(name, group.runs, value, group=heading, unit=unit, decimals=decimals, further=further)


def _got(runs: tuple[Run, ...]) -> Column | None:
    """The share of the weights that is zero, where it is not that which the run stands for."""
    shares = [(None if run.actual is None else run.actual.mean, run.sparsity) for run in runs]
    if all(got is None or s is None or abs(got - s) < NEAR for got, s in shares):
        return None
    return Column("share of zeros", tuple(got for got, _ in shares), further=True)


def _methods(group: Group, moment: str) -> ReportTable:
    compared: Sequence[MethodComparison] = [c for c in comparisons_of(group).methods if c.moment == moment]
    columns = [
        exactly("sparsity", [c.sparsity for c in compared]),
        Column("method", tuple(c.first.method for c in compared)),
        Column("compared with", tuple(c.second.method for c in compared)),
        Column(
            "difference [95 % interval]",
            tuple(c.difference for c in compared),
            "test accuracy",
            "pp",
            interval=tuple(c.interval for c in compared) if any(c.interval for c in compared) else (),
            decimals=2,
        ),
        Column("least that shows", tuple(c.detectable for c in compared), "test accuracy", "pp", decimals=2),
        Column("the method is", tuple(VERDICTS.get(c.verdict, c.verdict) for c in compared)),
        Column("p (Holm)", tuple(c.p for c in compared), decimals=3, floor=0.001),
        Column("pairs of", tuple(count(c.n, c.unit) for c in compared)),
    ]
    caption = (
        "The accuracy of a method minus that of the one that it is compared with, paired on the same dense network "
        "and seed; p is of Student’s paired t test, adjusted by Holm for all comparisons of this table. As many pairs "
        "find the “least that shows” with probability 0.8."
    )
    name = "methods" if moment == FINAL else "methods-just-pruned"
    return table_of(name, f"Methods at one sparsity, {moment_name(group, moment)}", columns, caption, keys=3)


def _values(group: Group) -> ReportTable:
    """A row for each pruned file."""
    listed = [(run, trial) for run in group.runs for trial in run.trials]
    states = {"dense": "dense", **accuracies.states(group.runs)}
    columns = [
        *named([run for run, _ in listed]),
        Column("dense file", tuple(file_name(trial.dense) for _, trial in listed)),
        Column("seed", tuple(None if trial.seed is None else str(trial.seed) for _, trial in listed)),
        Column("mask seed", tuple(None if t.mask_seed is None else str(t.mask_seed) for _, t in listed)),
        *(
            Column(name, tuple(trial.accuracy(state) for _, trial in listed), "test accuracy", "%", decimals=2)
            for state, name in states.items()
        ),
        Column("change", tuple(t.accuracy_change for _, t in listed), "final − dense", "pp", decimals=2),
    ]
    return table_of("accuracy-values", "Accuracy of every pruned file", columns, keys=4)
