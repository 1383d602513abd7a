"""The report as Markdown and as CSV, and the tables that Markdown and the page share."""

import csv
import io
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from apcli.operations.report import PD, Group, Record, Report, Run, Stat
from apcli.operations.report_order import Agreement, agreements, caveats, join, moment_name, signed, verdict
from apcli.theory.performance import SPLITS

UNKNOWN = "–"
Table = tuple[list[str], list[list[str]]]


def number(value: float) -> str:
    """Four significant digits, without padding: 0.01234, 1.234e-7."""
    text = f"{value:.4g}"
    mantissa, e, exponent = text.partition("e")
    return f"{mantissa}e{int(exponent)}" if e else text


def spread(value: Stat | None, decimals: int | None = None) -> str:
    """``mean ± sd``, or the mean alone for one seed."""
    if value is None:
        return UNKNOWN
    write: Callable[[float], str] = number if decimals is None else lambda v: f"{v:.{decimals}f}"
    return write(value.mean) if value.sd is None else f"{write(value.mean)} ± {_sd(value.sd, decimals)}"


def runs_table(group: Group) -> Table:
    """One row per run: accuracies in percent (test, top-1), AP and PD of the final network, mean ± sd over seeds."""
    pds = [q for q in PD if any(run.final(q.key) for run in group.runs)]
    short = {"percentage points": "pp", "nats": "nats"}
    head = ["method", "sparsity asked", "got", "seeds", "dense acc. %", "just pruned %", "final acc. %"]
    head += [m.label if m.unit == "squared distance" else f"{m.label}, {m.unit}" for m in group.measures]
    head += [f"{q.label}, {short[q.unit]}" for q in pds]
    return head, [_run_row(run, [m.key for m in group.measures], [q.key for q in pds]) for run in group.runs]


def order_table(group: Group, found: Sequence[Agreement]) -> Table:
    """Kendall's tau-b and agreeing pairs: a row per set of runs and measure, a column per moment and PD."""
    columns = list(dict.fromkeys((a.moment, a.target.label) for a in found))
    head = ["runs compared", "measure", *(f"{target}, {moment_name(group, moment)}" for moment, target in columns)]
    rows: dict[tuple[str, str], dict[tuple[str, str], str]] = {}
    for a in sorted(found, key=lambda a: -1.0 if a.sparsity is None else a.sparsity):
        which = "all" if a.sparsity is None else f"sparsity {a.sparsity:g}"
        tau = UNKNOWN if a.tau is None else signed(a.tau)
        cell = f"τ {tau} · {a.agree} of {a.pairs} pairs"
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
            values = f"{a.measure.label}: {number(pair.low.ap.mean)} < {number(pair.high.ap.mean)}"
            rows.setdefault(row, []).append(values)
    return head, [[*row, "; ".join(values)] for row, values in rows.items()]


def to_markdown(report: Report) -> str:
    """Title, words, tables and caveats; one section per model and data set."""
    parts = [f"# Pruning report: {_plain(report.title)}"]
    for group in report.groups:
        found = agreements(group)
        parts += [f"## {_plain(group.title)}", "\n".join(f"- {_plain(sentence)}" for sentence in verdict(group, found))]
        parts += [f"> {_plain(note)}" for note in group.notes]
        parts += ["### Runs", _markdown(runs_table(group))]
        tables = {
            "Order agreement": order_table(group, found),
            "Pairs that break the order": broken_table(group, found),
        }
        for title, table in tables.items():
            parts += [f"### {title}", _markdown(table)] if table[1] else []
    parts += ["## What to keep in mind", "\n".join(f"- {_plain(line)}" for line in caveats(report.groups))]
    return "\n\n".join(parts) + "\n"


def to_csv(report: Report) -> str:
    """A line per record (run × seed × epoch × layer × distribution), every field, full precision; unknown is empty."""
    buffer = io.StringIO()
    rows = [dict(_flat(record)) for record in report.records]
    writer = csv.DictWriter(buffer, fieldnames=list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return buffer.getvalue()


def _run_row(run: Run, measures: Sequence[tuple[str, ...]], pds: Sequence[tuple[str, ...]]) -> list[str]:
    asked = UNKNOWN if run.sparsity is None else f"{run.sparsity:g}"
    got = UNKNOWN if run.actual is None else f"{run.actual.mean:.4g}"
    accuracies = [spread(run.accuracy(state), 2) for state in ("dense", "before", "pruned")]
    values = [spread(run.final(key)) for key in measures]
    differences = [spread(run.final(key), 2 if key[-1] == "accuracy" else None) for key in pds]
    return [run.method, asked, got, str(len(run.trials)), *accuracies, *values, *differences]


def _sd(value: float, decimals: int | None) -> str:
    return f"{value:.2g}".replace("e-0", "e-") if decimals is None else f"{value:.{decimals}f}"


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


def _flat(record: Record) -> Iterator[tuple[str, Any]]:
    for key in ("model", "data", "method", "scope"):
        yield key, record.get(key)
    for key in ("requested", "actual"):
        yield f"sparsity_{key}", _part(record, "sparsity").get(key)
    for key in ("seed", "epoch", "layer", "dim", "dist"):
        yield key, record.get(key)
    yield "params", " ".join(f"{k}={v}" for k, v in _part(record, "params").items())
    for key in ("measure", "estimator", "value", "std_error"):
        yield key, record.get(key)
    for split in SPLITS:
        for what in ("loss", "accuracy"):
            yield f"pd_{split}_{what}", _part(record, "pd", split).get(what)
    for state in ("dense", "before", "pruned"):
        for split in SPLITS:
            for what in ("loss", "accuracy", "top5"):
                yield f"{state}_{split}_{what}", _part(record, "metrics", state, split).get(what)
    for side in ("dense", "pruned"):
        for key in ("path", "sha256"):
            yield f"{side}_{key}", _part(record, side).get(key)


def _part(record: Record, *path: str) -> Mapping[str, Any]:
    found: Mapping[str, Any] = record
    for key in path:
        found = found.get(key) or {}
    return found
