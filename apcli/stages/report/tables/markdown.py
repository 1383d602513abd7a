"""The report as Markdown, in the order of the page: what was done, answers, open points, evidence, how to repeat it."""

import html
import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice

from apcli.stages.report.answers.answers import answers
from apcli.stages.report.answers.caveats import caveats
from apcli.stages.report.answers.checklist import checklist
from apcli.stages.report.answers.done import done
from apcli.stages.report.answers.rebuilt.repetition import repetition
from apcli.stages.report.evidence.files import files_table
from apcli.stages.report.evidence.section import Section
from apcli.stages.report.inputs import MARK, mark_of
from apcli.stages.report.runs.experiment import Group, Report
from apcli.stages.report.sections import SectionRow, sections_of, unshown
from apcli.stages.report.tables.columns import Column, ReportTable
from apcli.stages.report.terms import FirstUse
from apcli.words import count, in_one_line

_SPECIAL = "\\`*_<>|[]~$&"
_LEADING = re.compile(r"^(\d*)([-+#=]|[.)](?= |$))")  # what would begin a list or a heading
_MOST = 100  # rows of a table


def to_markdown(report: Report) -> str:
    """The report without its figures; a section for each model and data set if there are several."""
    used, several = FirstUse(), len(report.groups) > 1
    title = count(len(report.groups), "study") if several else report.title
    parts = [f"# Pruning report: {_plain(title)}"]
    for group in report.groups:
        if several:
            parts.append(f"## {_plain(group.title)}")
        parts += _group(report, group, 3 if several else 2)
    files = files_table(report)
    if len(files):
        parts += ["## Files", *_table(files)]
    missing = unshown(report.given)
    if missing:
        kinds = ", ".join(f"{count(number, 'record')} of kind {_plain(kind)}" for kind, number in missing.items())
        parts.append(f"No section shows {kinds}: this version of apcli does not know them.")
    used.of(parts)
    parts += ["## Definitions", _listed(f"**{_plain(term.name)}**: {_plain(term.meaning)}." for term in used.given)]
    parts.append(f"<!-- {MARK}: {mark_of(report.digests)} -->")
    return "\n\n".join(parts) + "\n"


def _group(report: Report, group: Group, level: int) -> Iterator[str]:
    head = "#" * level
    yield _plain(done(report, group))
    cards = answers(report, group)
    if cards:
        yield f"{head} Answers"
    for card in cards:
        yield f"{head}# {_plain(card.question)}"
        number = f"**{_plain(card.number)}**. " if card.number else ""
        sureness = f" ({_prose(card.sureness)})" if card.sureness else ""
        yield f"{number}{_prose(card.sentence)}{sureness}"
    yield f"{head} Before you trust it"
    checks = checklist(report, group)
    points = [*map(_prose, group.notes)]
    points += [f"**{_plain(check.item)}**: {_prose(check.reason)}" for check in checks if not check.passed]
    yield _listed(points) if points else "No point of the checklist is open."
    met = [check for check in checks if check.passed]
    yield f"Met: {len(met)} of {count(len(checks), 'point')} of the checklist. What no such study shows:"
    yield _listed(map(_prose, caveats([group])))
    made = sections_of(report, group)
    if made:
        yield f"{head} Evidence"
    for row, section in made:
        yield from _section(row, section, f"{head}#")
    yield f"{head} How to repeat it"
    yield from _repetition(report, group)


def _section(row: SectionRow, section: Section, head: str) -> Iterator[str]:
    yield f"{head} {_plain(row.title)}"
    yield f"*{_plain(row.summary)}*"
    yield from map(_prose, section.sentences)
    for table in section.tables:
        yield from _table(table)
    for table in section.details:
        yield from _folded(table)


def _repetition(report: Report, group: Group) -> Iterator[str]:
    again = repetition(report, group)
    yield _prose(again.install)
    if again.commands:
        yield "```sh\n" + "\n".join(map(in_one_line, again.commands)) + "\n```"
    if again.unknown:
        yield f"How {count(again.unknown, 'pruned file')} came about is not known."
    facts = [(stage.stage, ", ".join(f"{name} {value}" for name, value in stage.values)) for stage in again.settings]
    facts += [("seeds", ", ".join(map(str, again.seeds)))] if again.seeds else []
    facts += again.versions
    files = ", ".join(f"{name} {sha256[:12]}" for name, sha256 in again.dense_files)
    facts += [("dense files", files)] if files else []
    lines = [f"**{_plain(name)}**: {_plain(text)}" for name, text in facts]
    yield _listed([*lines, f"**device**: {_prose(again.machine)}"])


def _table(table: ReportTable) -> Iterator[str]:
    """The caption and the table: what differs between rows, without the columns of those who ask for all."""
    if not len(table):
        return
    yield " ".join(filter(None, [f"**{_plain(table.title)}.**", _plain(table.caption), _plain(table.constant)]))
    columns = [column for column in table.varying if not column.further] or list(table.columns)
    yield _grid(columns)
    if len(table) > _MOST:
        yield f"{count(len(table) - _MOST, 'more row')}: the page, `--format csv` and `--format json` have all numbers."


def _folded(table: ReportTable) -> Iterator[str]:
    if len(table):
        yield f"<details><summary>{html.escape(table.title)}: {count(len(table), 'row')}</summary>"
        yield from _table(table)
        yield "</details>"


def _grid(columns: Sequence[Column]) -> str:
    rows = zip(*([cell.whole for cell in column.texts()] for column in columns), strict=True)
    lines = [
        [_plain(column.heading) for column in columns],
        ["--:" if column.is_number else "---" for column in columns],
        *([_plain(cell) for cell in row] for row in islice(rows, _MOST)),
    ]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _listed(lines: Iterable[str]) -> str:
    return "\n".join(f"- {line}" for line in lines)


def _prose(text: str) -> str:
    """A sentence; what stands in backticks stays code."""
    parts = re.split(r"(`[^`]+`)", " ".join(text.split()))
    return "".join(part if place % 2 else _escaped(part) for place, part in enumerate(parts))


def _plain(text: str) -> str:
    """Text whose every character is shown as it is."""
    return _escaped(" ".join(text.split()))


def _escaped(text: str) -> str:
    shown = "".join(f"\\{mark}" if mark in _SPECIAL else mark for mark in in_one_line(text))
    return _LEADING.sub(r"\1\\\2", shown)
