"""The report as Markdown and as CSV, and the tables that Markdown and the page share."""

import csv
import io
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from apcli.records.json_objects import columns_of
from apcli.stages.report import accuracies
from apcli.stages.report.agreement import Agreement, agreements, bracketed, caveats, moment_name, signed, verdict
from apcli.stages.report.experiment import Group, Report, Run, Stat
from apcli.stages.report.quantities import PD, Quantity, ScoreKey
from apcli.stages.report.ranking import Ranking, rankings, sentences
from apcli.words import join

UNKNOWN = "–"
WIDE = 5  # so many AP measures stand beside accuracy and PD; more get a table of their own
RANKING = "Which projection orders PD best"
ORDER = "Kendall’s τ-b between AP and PD, its interval, and how many of the pairs of runs agree."
BOUNDS = "What AP3 says about total variation"
Table = tuple[list[str], list[list[str]]]


def number(value: float) -> str:
    """Four significant digits, without padding: 0.01234, 1.234e-7."""
    text = f"{value:.4g}"
    mantissa, e, exponent = text.partition("e")
    return f"{mantissa}e{int(exponent)}" if e else text


def spread(value: Stat | None, decimals: int | None = None) -> str:
    """``mean ± sd``; for one seed the mean alone, or ``value ± standard error`` of an estimate.

    An estimate over several seeds has both: ``mean ± sd (s.e. error)``.
    """
    if value is None:
        return UNKNOWN
    write: Callable[[float], str] = number if decimals is None else lambda v: f"{v:.{decimals}f}"
    if value.sd is None:
        return estimate(value) if value.error else write(value.mean)
    error = f" (s.e. {_sd(value.error, None)})" if value.error else ""
    return f"{write(value.mean)} ± {_sd(value.sd, decimals)}{error}"


def estimate(value: Stat) -> str:
    """``mean ± standard error`` of an estimate, the mean of what is exact."""
    return f"{number(value.mean)} ± {_sd(value.error, None)}" if value.error else number(value.mean)


def runs_tables(group: Group) -> list[tuple[str, Table]]:
    """One row per run with what the table shows: accuracies in percent (test, top-1), AP and PD of the final network.

    Mean ± sd over seeds. More than ``WIDE`` measures have a table of their own.
    """
    pds = [q for q in PD if any(run.final(q.key) for run in group.runs)]
    accuracy = ["seeds", "dense acc. %", "just pruned %", "final acc. %"]
    got = [[UNKNOWN if run.actual is None else f"{run.actual.mean:.4g}", *_accuracies(run)] for run in group.runs]
    named = "Every run; final network, test split unless said otherwise."
    if len(group.measures) <= WIDE:
        return [(named, _runs_table(group, ["got", *accuracy], got, [*group.measures, *pds]))]
    return [
        (named, _runs_table(group, ["got", *accuracy], got, pds)),
        ("AP of every run, final network.", _runs_table(group, [], [[] for _ in group.runs], group.measures)),
    ]


def accuracy_table(group: Group) -> Table:
    """A row for each method, a column for each sparsity: just pruned → after fine-tuning, in percent."""
    runs = accuracies.compared(group)
    sparsities = sorted({run.sparsity for run in runs if run.sparsity is not None})
    states = accuracies.moments(runs)
    cells = {(run.method, run.sparsity): _moved(run, states) for run in runs}
    methods = dict.fromkeys(run.method for run in runs)
    rows = [[method, *(cells.get((method, s), UNKNOWN) for s in sparsities)] for method in methods]
    if len(rows) > 1:
        rows.append(["highest accuracy", *(_highest([run for run in runs if run.sparsity == s]) for s in sparsities)])
    return ["method", *(f"{s:g}" for s in sparsities)], rows


def accuracy_words(group: Group) -> str:
    """What is said of that table."""
    runs = accuracies.compared(group)
    dense = accuracies.dense_accuracy(runs)
    beside = "" if dense is None else f"; dense {dense:.2f} %"
    return f"Test accuracy in percent by sparsity, {' → '.join(accuracies.moments(runs).values())}{beside}."


def ranking_table(group: Group, made: Sequence[Ranking]) -> Table:
    """The measures by tau, for each moment and PD, with what is known of their distance from the best."""
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
    return [*head, "pairs at one sparsity"] if fixed else head, rows


def bounds_table(group: Group) -> Table:
    """What the final KL of each run says about total variation: no less than, no more than."""
    rows = []
    for measure in group.measures:
        for run in group.runs:
            bounds, value = run.tv_bounds(measure.key), run.final(measure.key)
            if value and any(bounds):
                ends = (UNKNOWN if bound is None else number(bound.mean) for bound in bounds)
                rows.append([measure.label, run.name, estimate(value), *ends])
    return ["measure", "run", "KL, nats", "TV at least", "TV at most"], rows


def order_table(group: Group, found: Sequence[Agreement]) -> Table:
    """tau-b with its interval, and agreeing pairs: a row per set of runs and measure, a column per moment and PD."""
    columns = list(dict.fromkeys((a.moment, a.target.label) for a in found))
    head = ["runs compared", "measure", *(f"{target}, {moment_name(group, moment)}" for moment, target in columns)]
    rows: dict[tuple[str, str], dict[tuple[str, str], str]] = {}
    for a in sorted(found, key=lambda a: -1.0 if a.sparsity is None else a.sparsity):
        which = "all" if a.sparsity is None else f"sparsity {a.sparsity:g}"
        cell = f"{a.words} · {a.agree} of {a.pairs}"
        rows.setdefault((which, a.measure.label), {})[a.moment, a.target.label] = cell
    same: dict[tuple[str, ...], list[str]] = {}
    for (which, measure), cells in rows.items():
        same.setdefault((which, *(cells.get(column, UNKNOWN) for column in columns)), []).append(measure)
    return head, [[which, join(measures), *cells] for (which, *cells), measures in same.items()]


def broken_table(group: Group, found: Sequence[Agreement]) -> Table:
    """The pairs of runs that AP and PD order oppositely, with both PDs and every AP that breaks the order."""
    head = ["when", "against", "smaller AP", "its PD", "larger AP", "its PD", "the PDs differ", "AP of the two"]
    words = {True: "within the seeds’ spread", False: "beyond the seeds’ spread", None: "one seed: spread unknown"}
    rows: dict[tuple[str, ...], list[str]] = {}
    for a in found:
        for pair in a.broken if a.sparsity is None else ():
            sides = [text for cell in (pair.low, pair.high) for text in (cell.name, number(cell.pd.mean))]
            row = (moment_name(group, a.moment), a.target.label, *sides, words[pair.within_spread])
            values = f"{a.measure.label}: {estimate(pair.low.ap)} < {estimate(pair.high.ap)}"
            rows.setdefault(row, []).append(values)
    return head, [[*row, "; ".join(values)] for row, values in rows.items()]


def to_markdown(report: Report) -> str:
    """Title, words, tables and caveats; one section per model and data set."""
    parts = [f"# Pruning report: {_plain(report.title)}"]
    for group in report.groups:
        found = agreements(group)
        parts += [f"## {_plain(group.title)}", "\n".join(f"- {_plain(sentence)}" for sentence in verdict(group, found))]
        parts += [f"> {_plain(note)}" for note in group.notes]
        parts += ["### Runs", *(_markdown(table) for _, table in runs_tables(group))]
        if accuracies.compared(group):
            parts += [f"### {accuracies.TITLE}", _plain(accuracy_words(group)), _markdown(accuracy_table(group))]
        made = rankings(found)
        if made:
            parts += [f"### {RANKING}", "\n".join(f"- {_plain(line)}" for line in sentences(group, made))]
            parts.append(_markdown(ranking_table(group, made)))
        tables = {
            "Order agreement: τ, its interval, pairs of runs that agree": order_table(group, found),
            "Pairs that break the order": broken_table(group, found),
            BOUNDS: bounds_table(group),
        }
        for title, table in tables.items():
            parts += [f"### {title}", _markdown(table)] if table[1] else []
    parts += ["## What to keep in mind", "\n".join(f"- {_plain(line)}" for line in caveats(report.groups))]
    return "\n\n".join(parts) + "\n"


def to_csv(report: Report) -> str:
    """A line per record (run × seed × epoch × layer × measure), every field, full precision; unknown is empty."""
    return _csv([columns_of(record) for record in report.records])


def order_csv(report: Report) -> str:
    """A line per measure, PD, moment and set of runs: Kendall's tau-b with its interval, and the pairs counted."""
    rows = []
    for group in report.groups:
        for a in agreements(group):
            low, high = a.interval or (None, None)
            named = {"model": group.model, "data": group.data, "moment": a.moment, "pd": a.target.words}
            found = {"sparsity": a.sparsity, "measure": a.measure.label, "runs": a.cells, "tau": a.tau}
            counts = {"agree": a.agree, "break": len(a.broken), "tied": a.tied}
            rows.append({**named, **found, "tau_low": low, "tau_high": high, **counts})
    return _csv(rows) if rows else ""


def _csv(rows: Sequence[Mapping[str, Any]]) -> str:
    buffer = io.StringIO()
    writer = csv.DictWriter(buffer, fieldnames=list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return buffer.getvalue()


def _runs_table(
    group: Group, columns: Sequence[str], known: Sequence[Sequence[str]], quantities: Sequence[Quantity]
) -> Table:
    head = ["method", "sparsity asked", *columns, *(_heading(q) for q in quantities)]
    rows = []
    for run, cells in zip(group.runs, known, strict=True):
        asked = UNKNOWN if run.sparsity is None else f"{run.sparsity:g}"
        rows.append([run.method, asked, *cells, *(_value(run, q) for q in quantities)])
    return head, rows


def _heading(quantity: Quantity) -> str:
    short = {"percentage points": "pp", "nats": "nats"}
    return f"{quantity.label}, {short[quantity.unit]}" if quantity.unit in short else quantity.label


def _moved(run: Run, states: Mapping[str, str]) -> str:
    *before, after = (run.accuracy(state) for state in states)
    return " → ".join([*(UNKNOWN if value is None else f"{value.mean:.2f}" for value in before), spread(after, 2)])


def _highest(runs: Sequence[Run]) -> str:
    found = {run.method: round(accuracy.mean, 2) for run in runs if (accuracy := run.accuracy("pruned"))}
    return ", ".join(method for method, value in found.items() if value == max(found.values())) or UNKNOWN


def _accuracies(run: Run) -> list[str]:
    return [str(len(run.trials)), *(spread(run.accuracy(state), 2) for state in ("dense", "before", "pruned"))]


def _value(run: Run, quantity: Quantity) -> str:
    key = quantity.key
    return spread(run.final(key), 2 if isinstance(key, ScoreKey) and key.what == "accuracy" else None)


def _sd(value: float, decimals: int | None) -> str:
    if decimals is not None:
        return f"{value:.{decimals}f}"
    return number(float(f"{value:.2g}"))


def _plain(text: str) -> str:
    """Text that Markdown shows as it is."""
    for mark in "\\`*_<>|[]":
        text = text.replace(mark, f"\\{mark}")
    return " ".join(text.split())


def _markdown(table: Table) -> str:
    head, rows = table
    lines = [head, ["---"] * len(head), *rows]
    cells = [line if index == 1 else [_plain(cell) for cell in line] for index, line in enumerate(lines)]
    return "\n".join(f"| {' | '.join(line)} |" for line in cells)
