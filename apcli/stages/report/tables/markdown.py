"""The report as Markdown."""

from apcli.figures import FIGURES
from apcli.stages.report.answers.verdict import caveats, verdict
from apcli.stages.report.comparisons.ranking import sentences
from apcli.stages.report.comparisons.summary import comparisons_of
from apcli.stages.report.inputs import mark_of
from apcli.stages.report.runs import accuracies
from apcli.stages.report.runs.experiment import Report
from apcli.stages.report.tables import text_tables
from apcli.stages.report.tables.text_tables import TextTable


def to_markdown(report: Report) -> str:
    """Title, words, tables and caveats; one section per model and data set."""
    parts = [f"# Pruning report: {_plain(report.title)}"]
    for group in report.groups:
        compared = comparisons_of(group)
        agreements, made = compared.agreements, compared.rankings
        parts += [
            f"## {_plain(group.title)}",
            "\n".join(f"- {_plain(sentence)}" for sentence in verdict(group, agreements)),
        ]
        parts += [f"> {_plain(note)}" for note in group.notes]
        parts += ["### Runs", *(_markdown(table) for table in text_tables.runs_tables(group))]
        if accuracies.compared(group):
            table = text_tables.accuracy_table(group)
            parts += [f"### {FIGURES.row('accuracy').title}", _plain(table.caption), _markdown(table)]
        if made:
            parts += [
                f"### {FIGURES.row('ranking').title}",
                "\n".join(f"- {_plain(line)}" for line in sentences(group, made)),
            ]
            parts.append(_markdown(text_tables.ranking_table(group, made)))
        tables = {
            "Order agreement: τ, its interval, pairs of runs that agree": text_tables.order_table(group, agreements),
            "Pairs that break the order": text_tables.broken_table(group, agreements),
            text_tables.BOUNDS: text_tables.bounds_table(group),
        }
        for title, table in tables.items():
            parts += [f"### {title}", _markdown(table)] if table.rows else []
    parts += ["## What to keep in mind", "\n".join(f"- {_plain(line)}" for line in caveats(report.groups))]
    parts.append(f"<!-- apcli-records: {mark_of(report.given)} -->")
    return "\n\n".join(parts) + "\n"


def _plain(text: str) -> str:
    """Escape text for Markdown."""
    for mark in "\\`*_<>|[]":
        text = text.replace(mark, f"\\{mark}")
    return " ".join(text.split())


def _markdown(table: TextTable) -> str:
    lines = [table.head, ["---"] * len(table.head), *table.rows]
    cells = [line if index == 1 else [_plain(cell) for cell in line] for index, line in enumerate(lines)]
    return "\n".join(f"| {' | '.join(line)} |" for line in cells)
