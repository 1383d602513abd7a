"""A report as text for a person: what was done, the answers, what is open, and two tables."""

from collections.abc import Iterator, Sequence

from apcli.cli.layout.sparklines import sparkline
from apcli.cli.layout.tables import Column, Grid, lines_of
from apcli.cli.layout.text import cells, fact_lines, wrapped
from apcli.stages.report.answers.answers import answers
from apcli.stages.report.answers.checklist import checklist
from apcli.stages.report.answers.done import done
from apcli.stages.report.comparisons.agreement import Agreement
from apcli.stages.report.runs.experiment import Group, Report
from apcli.stages.report.tables.overview import AccuracyTable, Following, MethodAccuracy, accuracy_tables, following
from apcli.stages.report.words import UNKNOWN, bracketed, sentences, signed
from apcli.words import count, join

_INDENT = 2
_OPEN = 3  # points of the checklist that are shown


def lines_of_report(report: Report, width: int | None) -> Iterator[str]:
    """The lines of each group in ``width`` columns, an empty one below each part."""
    for group in report.groups:
        yield from [*wrapped(done(report, group), width, _INDENT), ""]
        yield from _answers(report, group, width)
        yield from _open(report, group, width)
        for table in accuracy_tables(group)[-1:]:
            yield from [*lines_of(accuracy_grid(table), width), ""]
        rows = following(group)
        if rows:
            yield from [*lines_of(agreement_grid([row for row in rows if row.target == rows[0].target]), width), ""]


def accuracy_grid(table: AccuracyTable) -> Grid:
    """A row for each method, a column for each sparsity, and a bar for each: of sparsities, or else of epochs."""
    known = [s for s in table.sparsities if s is not None]
    over = "sparsity" if len(known) > 1 else "epochs"
    drawn = {row.method: _curve(row, over) for row in table.rows}
    numbers = [value for values in drawn.values() for value in values if value is not None]
    last = len(table.sparsities)
    columns = [
        Column("method", "name"),
        *(
            Column("unknown" if s is None else f"{s:g}", rank=0 if place == last else 1 + last - place)
            for place, s in enumerate(table.sparsities, 1)
        ),
        Column(f"over {over}", "word", rank=1),
    ]
    rows = [
        [
            row.method,
            *(UNKNOWN if estimate is None else f"{estimate.mean:.1f}" for estimate in row.estimates),
            sparkline(drawn[row.method], min(numbers, default=0.0), max(numbers, default=0.0)),
        ]
        for row in table.rows
    ]
    return Grid(columns, rows, f"Test accuracy in percent by sparsity, {table.state}", _replicates(table))


def agreement_grid(rows: Sequence[Following]) -> Grid:
    """A row for each measure, the closest to PD first: its rank agreement, and a bar for each epoch."""
    columns = [
        Column("divergence", "name"),
        Column("all runs"),
        Column("95 % interval", "word", rank=3),
        Column("just pruned", rank=2),
        Column("at one sparsity", rank=1),
        Column("within networks", rank=1),
        Column("by epoch", "word", rank=4),
    ]
    ordered = sorted(rows, key=lambda row: 2.0 if (tau := _tau(row.final)) is None else -tau)
    lines = [
        [
            row.measure.label,
            _signed(_tau(row.final)),
            bracketed(row.final.interval) if row.final else "",
            _signed(_tau(row.just_pruned)),
            _signed(_tau(row.same_sparsity)),
            _signed(None if row.within is None else row.within.mean),
            sparkline(row.epochs, -1.0, 1.0),
        ]
        for row in ordered
    ]
    title = f"Rank agreement (Kendall’s τ) of each divergence with the {rows[0].target.spoken} (PD)"
    return Grid(columns, lines, title, "\n".join(_reading(rows)))


def _answers(report: Report, group: Group, width: int | None) -> Iterator[str]:
    """Each question with its number and sentences, and the first one on how sure it is: the page has the others."""
    listed = answers(report, group)
    size = max((cells(answer.number) for answer in listed), default=0) + 2
    for answer in listed:
        yield from wrapped(answer.question, width, _INDENT)
        said = [*sentences(answer.sentence), *filter(None, sentences(answer.sureness)[:1])]
        facts = [("" if place else answer.number, sentence) for place, sentence in enumerate(said)]
        yield from [*fact_lines(facts, size, width, _INDENT), ""]


def _open(report: Report, group: Group, width: int | None) -> Iterator[str]:
    """The first open points of the checklist with their reasons, and the number of all."""
    checks = checklist(report, group)
    missing = [check for check in checks if not check.passed]
    points = count(len(checks), "point")
    yield from wrapped(f"Before you trust it: {len(missing)} of {points} of the checklist are open", width, _INDENT)
    for check in missing[:_OPEN]:
        yield from wrapped(f"  {check.item}: {check.reason}", width, 2 * _INDENT)
    if len(missing) > _OPEN:
        yield from wrapped(f"  and {len(missing) - _OPEN} more", width, 2 * _INDENT)
    yield ""


def _curve(row: MethodAccuracy, over: str) -> Sequence[float | None]:
    if over == "epochs":
        return row.epochs
    return [None if estimate is None else estimate.mean for estimate in row.estimates]


def _replicates(table: AccuracyTable) -> str:
    """What each number is a mean of, and the dense networks' accuracy."""
    numbers = sorted({(estimate.n, estimate.unit) for estimate in table.estimates})
    dense = "" if table.dense is None else f"; dense {table.dense.mean:.1f}, {_of(table.dense.n, table.dense.unit)}"
    return f"Each number is {', or '.join(_of(n, unit) for n, unit in numbers)}{dense}."


def _of(n: int, unit: str) -> str:
    return f"that of one {unit}" if n == 1 else f"the mean of {n} {unit}s"


def _reading(rows: Sequence[Following]) -> Iterator[str]:
    networks = {len(row.final.networks) for row in rows if row.final}
    if networks:
        yield f"Over runs of one dense network; {join([count(n, 'dense network') for n in sorted(networks)])}."
    within = {row.within.n for row in rows if row.within}
    if within:
        yield f"Within networks: over the epochs of each of {join([str(n) for n in sorted(within)])} pruned networks."


def _tau(agreement: Agreement | None) -> float | None:
    return None if agreement is None else agreement.tau


def _signed(value: float | None) -> str:
    return UNKNOWN if value is None else signed(value)
