"""The tables of the report that Markdown and the page share."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from apcli.stages.report.comparisons.agreement import Agreement
from apcli.stages.report.comparisons.ranking import MeasureRanking
from apcli.stages.report.runs import accuracies
from apcli.stages.report.runs.experiment import Group, Run
from apcli.stages.report.runs.moments import Moment, moment_name
from apcli.stages.report.runs.quantities import PD, Quantity, ScoreKey
from apcli.stages.report.words import UNKNOWN, bracketed, estimate, number, signed, spread
from apcli.words import join

BOUNDS = "What AP3 says about total variation"
WIDE = 5  # most AP measures in the table with accuracy and PD; more get a table of their own


@dataclass(frozen=True)
class TextTable:
    """A table of a report: the names of its columns, its rows of cells, and its caption."""

    caption: str
    head: list[str]
    rows: list[list[str]]


def runs_tables(group: Group) -> list[TextTable]:
    """A row per run: accuracies in percent (test, top-1), AP and PD of the final network, mean ± sd over seeds.

    More than ``WIDE`` measures get a table of their own.
    """
    pds = [q for q in PD if any(run.final(q.key) for run in group.runs)]
    accuracy = ["seeds", "dense acc. %", "just pruned %", "final acc. %"]
    got = [[UNKNOWN if run.actual is None else f"{run.actual.mean:.4g}", *_accuracies(run)] for run in group.runs]
    named = "Every run; final network, test split unless stated otherwise."
    if len(group.measures) <= WIDE:
        return [_runs_table(group, named, ["got", *accuracy], got, [*group.measures, *pds])]
    return [
        _runs_table(group, named, ["got", *accuracy], got, pds),
        _runs_table(group, "AP of every run, final network.", [], [[] for _ in group.runs], group.measures),
    ]


def accuracy_table(group: Group) -> TextTable:
    """A row for each method, a column for each sparsity: just pruned → after fine-tuning, in percent."""
    runs = accuracies.compared(group)
    sparsities = sorted({run.sparsity for run in runs if run.sparsity is not None})
    states = accuracies.states(runs)
    cells = {(run.method, run.sparsity): _moved(run, states) for run in runs}
    methods = dict.fromkeys(run.method for run in runs)
    rows = [[method, *(cells.get((method, s), UNKNOWN) for s in sparsities)] for method in methods]
    if len(rows) > 1:
        rows.append(["highest accuracy", *(_highest([run for run in runs if run.sparsity == s]) for s in sparsities)])
    dense = accuracies.dense_accuracy(runs)
    beside = "" if dense is None else f"; dense {dense:.2f} %"
    caption = f"Test accuracy in percent by sparsity, {' → '.join(states.values())}{beside}."
    return TextTable(caption, ["method", *(f"{s:g}" for s in sparsities)], rows)


def ranking_table(group: Group, made: Sequence[MeasureRanking]) -> TextTable:
    """The measures by tau, for each moment and PD, with their distance from the best."""
    head = ["when", "against", "measure", "τ", "95 % interval", "below the best by", "which is"]
    fixed = any(place.pairs[1] for ranking in made for place in ranking.places)
    rows = []
    for ranking in made:
        for place in ranking.places:
            first = place is ranking.best
            rows.append(
                [
                    *(moment_name(group, ranking.moment), ranking.target.words, place.names),
                    signed(place.agreement.tau or 0.0),
                    bracketed(place.agreement.interval) or UNKNOWN,
                    UNKNOWN if first else f"{signed(place.difference)} {bracketed(place.below)}".rstrip(),
                    "the best" if first else place.verdict,
                    *([f"{place.pairs[0]} of {place.pairs[1]}"] if fixed else []),
                ]
            )
    caption = "Measures by Kendall’s τ-b over all runs, the best first."
    return TextTable(caption, [*head, "pairs at one sparsity"] if fixed else head, rows)


def bounds_table(group: Group) -> TextTable:
    """Bounds on total variation by the final KL of each run."""
    rows = []
    for measure in group.measures:
        for run in group.runs:
            bounds, value = run.tv_bounds(measure.key), run.final(measure.key)
            if value and any(bounds):
                ends = (UNKNOWN if bound is None else number(bound.mean) for bound in bounds)
                rows.append([measure.label, run.name, estimate(value), *ends])
    caption = "Bounds on total variation (TV) by the final KL and by the means and covariances of both distributions."
    return TextTable(caption, ["measure", "run", "KL, nats", "TV at least", "TV at most"], rows)


def order_table(group: Group, agreements: Sequence[Agreement]) -> TextTable:
    """tau-b with its interval, and agreeing pairs: a row per set of runs and measure, a column per moment and PD."""
    columns = list(dict.fromkeys((a.moment, a.target.label) for a in agreements))
    head = ["runs compared", "measure", *(f"{target}, {moment_name(group, moment)}" for moment, target in columns)]
    rows: dict[tuple[str, str], dict[tuple[Moment, str], str]] = {}
    listed = [a for a in agreements if a.over in ("all", "sparsity")]
    for a in sorted(listed, key=lambda a: -1.0 if a.sparsity is None else a.sparsity):
        which = "all" if a.sparsity is None else f"sparsity {a.sparsity:g}"
        cell = f"{a.words} · {a.agree} of {a.pairs}"
        rows.setdefault((which, a.measure.label), {})[a.moment, a.target.label] = cell
    same: dict[tuple[str, ...], list[str]] = {}
    for (which, measure), cells in rows.items():
        same.setdefault((which, *(cells.get(column, UNKNOWN) for column in columns)), []).append(measure)
    caption = "Kendall’s τ-b between AP and PD, its interval, and how many of the pairs of runs agree."
    return TextTable(caption, head, [[which, join(measures), *cells] for (which, *cells), measures in same.items()])


def broken_table(group: Group, agreements: Sequence[Agreement]) -> TextTable:
    """The pairs of runs that AP and PD order oppositely, with both PDs and every AP that breaks the order."""
    head = ["when", "against", "smaller AP", "its PD", "larger AP", "its PD", "the PDs differ", "AP of the two"]
    words = {True: "within their spread", False: "beyond their spread", None: "one pair: spread unknown"}
    rows: dict[tuple[str, ...], list[str]] = {}
    for a in agreements:
        for pair in a.broken if a.over == "all" else ():
            sides = [text for cell in (pair.low, pair.high) for text in (cell.name, number(cell.pd.mean))]
            row = (moment_name(group, a.moment), a.target.label, *sides, words[pair.within_spread])
            values = f"{a.measure.label}: {estimate(pair.low.ap)} < {estimate(pair.high.ap)}"
            rows.setdefault(row, []).append(values)
    caption = "Smaller AP with larger PD: pairs of runs that AP and PD order oppositely."
    return TextTable(caption, head, [[*row, "; ".join(values)] for row, values in rows.items()])


def _runs_table(
    group: Group, caption: str, columns: Sequence[str], known: Sequence[Sequence[str]], quantities: Sequence[Quantity]
) -> TextTable:
    head = ["method", "sparsity asked", *columns, *(_heading(q) for q in quantities)]
    rows = []
    for run, cells in zip(group.runs, known, strict=True):
        asked = UNKNOWN if run.sparsity is None else f"{run.sparsity:g}"
        rows.append([run.method, asked, *cells, *(_value(run, q) for q in quantities)])
    return TextTable(caption, head, rows)


def _heading(quantity: Quantity) -> str:
    short = {"percentage points": "pp", "nats": "nats"}
    return f"{quantity.label}, {short[quantity.unit]}" if quantity.unit in short else quantity.label


def _moved(run: Run, states: Mapping[str, str]) -> str:
    *before, after = (run.accuracy(state) for state in states)
    return " → ".join([*(UNKNOWN if value is None else f"{value.mean:.2f}" for value in before), spread(after, 2)])


def _highest(runs: Sequence[Run]) -> str:
    accuracies = {run.method: round(accuracy.mean, 2) for run in runs if (accuracy := run.accuracy("pruned"))}
    return ", ".join(method for method, value in accuracies.items() if value == max(accuracies.values())) or UNKNOWN


def _accuracies(run: Run) -> list[str]:
    return [str(len(run.trials)), *(spread(run.accuracy(state), 2) for state in ("dense", "before", "pruned"))]


def _value(run: Run, quantity: Quantity) -> str:
    key = quantity.key
    return spread(run.final(key), 2 if isinstance(key, ScoreKey) and key.what == "accuracy" else None)
