"""The report as one self-contained HTML page: the data for the template ``page.html.j2``."""

import base64
import functools
import hashlib
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from importlib.resources import files
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined, Template
from markupsafe import Markup, escape

from apcli import __version__
from apcli.figures.canvas.colors import DARK, LIGHT, variables
from apcli.stages.report.answers.answer import Answer
from apcli.stages.report.answers.answers import answers
from apcli.stages.report.answers.caveats import caveats
from apcli.stages.report.answers.checklist import Check, checklist
from apcli.stages.report.answers.done import done
from apcli.stages.report.answers.rebuilt.repetition import Repetition, repetition
from apcli.stages.report.drawing.pictures import Picture, Pictures
from apcli.stages.report.evidence.files import files_table
from apcli.stages.report.evidence.section import Section, Shown
from apcli.stages.report.inputs import mark_of
from apcli.stages.report.page.embedded import packed
from apcli.stages.report.page.grids import Grid, grid
from apcli.stages.report.runs.experiment import Group, Report
from apcli.stages.report.sections import SECTIONS, SectionRow, kind_of, sections_of, unshown
from apcli.stages.report.tables.record_rows import TabledRecord, row_of
from apcli.stages.report.terms import FirstUse, Term
from apcli.stages.report.words import sentences
from apcli.words import count

_HERE = "apcli.stages.report.page"
PICTURES, CHECKS = 2, 3  # of a section, and of the checklist, that are not folded
OVERVIEW = "overview"  # the section of pictures that stand before the evidence


@dataclass(frozen=True)
class PageSection:
    """A section of evidence, with the terms that stand in it for the first time."""

    anchor: str
    title: str
    question: str
    sentences: Sequence[str]
    terms: Sequence[Term]
    pictures: Sequence[Picture]
    tables: Sequence[Grid]
    details: Sequence[Grid]
    images: Sequence[Shown]
    images_are: str


@dataclass(frozen=True)
class Card:
    """An answer, with the terms that stand in it for the first time."""

    answer: Answer
    terms: Sequence[Term]


@dataclass(frozen=True)
class Part:
    """The part of the page about one group; ``prefix`` makes its anchors unique."""

    prefix: str
    title: str
    done: str
    done_terms: Sequence[Term]
    cards: Sequence[Card]
    overview: Sequence[Picture]
    overview_terms: Sequence[Term]
    checks: Sequence[Check]
    check_terms: Sequence[Term]
    notes: Sequence[str]
    sections: Sequence[PageSection]
    missing: Sequence[str]
    caveats: Sequence[str]
    repetition: Repetition

    @property
    def anchors(self) -> set[str]:
        """Where an answer may point to."""
        return {section.anchor for section in self.sections}

    @property
    def tables(self) -> list[Grid]:
        return [table for section in self.sections for table in (*section.tables, *section.details)]


def page(report: Report, pictures: Pictures) -> str:
    """Render the page of a report with its pictures."""
    used, several = FirstUse(), len(report.groups) > 1
    parts = [
        _part(report, group, pictures, f"study-{number}-" if several else "", used)
        for number, group in enumerate(report.groups, 1)
    ]
    listed, script = grid(files_table(report)), _file("page.js")
    tables = [*(table for part in parts for table in part.tables), listed]
    return _template().render(
        title=report.title,
        inputs=mark_of(report.digests, pictures.scale),
        policy=_policy(script),
        style=Markup(_style()),
        script=Markup(script),
        parts=parts,
        files=listed,
        kinds=Counter(kind_of(record) for record in report.given),
        unshown=unshown(report.given),
        downloads=list(_downloads(report)),
        definitions=used.given,
        numbers=Markup(packed(dict(_numbers(report, tables, pictures.drawn)))),
        made=f"Made by apcli {__version__} from {count(len(report.given), 'record')}.",
        count=count,
        most_pictures=PICTURES,
        most_checks=CHECKS,
    )


def _template() -> Template:
    environment = Environment(
        loader=PackageLoader(_HERE, ""),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"prose": prose, "sentences": sentences}
    return environment.get_template("page.html.j2")


def prose(text: str) -> Markup:
    """A sentence as HTML: escaped, with what stands in backticks as code."""
    return Markup(re.sub(r"`([^`]+)`", r"<code>\1</code>", str(escape(text))))


def _file(name: str) -> str:
    return files(_HERE).joinpath(name).read_text(encoding="utf-8")


def _style() -> str:
    """The style sheet, with the colours of figures."""
    names = {"/* LIGHT */": variables(LIGHT), "/* DARK */": variables(DARK)}
    return functools.reduce(lambda text, item: text.replace(*item), names.items(), _file("page.css"))


def _policy(script: str) -> str:
    """What a browser may do with the page: apply its styles and run its one script; nothing is loaded, nothing sent."""
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    nothing = "default-src 'none'; base-uri 'none'; form-action 'none'"
    return f"{nothing}; img-src data:; style-src 'unsafe-inline'; script-src 'sha256-{digest}'"


def _part(report: Report, group: Group, pictures: Pictures, prefix: str, used: FirstUse) -> Part:
    """The part about one group. Terms are given in the order in which the page shows what uses them."""
    drawn = [picture for picture in pictures.drawn if picture.group is group]
    line = done(report, group).removeprefix(f"{group.title} · ")
    line_terms = used.of([line])
    cards = [Card(answer, used.of(_texts(answer))) for answer in answers(report, group)]
    overview = [picture for picture in drawn if picture.section == OVERVIEW]
    overview_terms = used.of(picture.caption for picture in overview)
    checks = checklist(report, group)
    is_open = [check for check in checks if not check.passed]
    check_terms = used.of([*group.notes, *(text for check in is_open for text in (check.item, check.reason))])
    return Part(
        prefix,
        group.title,
        line,
        line_terms,
        cards,
        overview,
        overview_terms,
        checks,
        check_terms,
        group.notes,
        list(_sections(report, group, drawn, prefix, used)),
        pictures.reasons(group),
        caveats([group]),
        repetition(report, group),
    )


def _texts(answer: Answer) -> Sequence[str]:
    return answer.question, answer.number, answer.sentence, answer.sureness


def _sections(
    report: Report, group: Group, drawn: Sequence[Picture], prefix: str, used: FirstUse
) -> Iterator[PageSection]:
    """The sections for which there are sentences, tables or pictures."""
    made = {row.name: section for row, section in sections_of(report, group)}
    for row in SECTIONS:
        if row.name in made or any(picture.section == row.name for picture in drawn):
            yield _section(row, made.get(row.name, Section()), drawn, prefix, used)


def _section(row: SectionRow, made: Section, drawn: Sequence[Picture], prefix: str, used: FirstUse) -> PageSection:
    pictures = [picture for picture in drawn if picture.section == row.name]
    tables, details = ([grid(table, prefix) for table in listed] for listed in (made.tables, made.details))
    texts = [row.title, row.summary, *made.sentences, *(picture.caption for picture in pictures)]
    texts += [text for shown in tables for text in shown.texts]
    return PageSection(
        f"{prefix}{row.name}",
        row.title,
        row.summary,
        made.sentences,
        used.of(texts),
        pictures,
        tables,
        [*details],
        made.images,
        made.images_are,
    )


def _numbers(
    report: Report, tables: Sequence[Grid], drawn: Sequence[Picture]
) -> Iterator[tuple[str, Iterable[tuple[str, Sequence[Any]]]]]:
    """The numbers behind every table and picture, and the records, by the key of each."""
    for shown in tables:
        yield shown.key, [pair for column in shown.table.columns for pair in column.numbers()]
    for picture in drawn:
        yield f"figure-{picture.name}", picture.drawing.columns.items()
    for kind, records in _downloads(report).items():
        rows = [row_of(record) for record in records]
        yield f"{kind}-records", [(name, [row[name] for row in rows]) for name in rows[0]]


def _downloads(report: Report) -> dict[str, Sequence[TabledRecord]]:
    """The records that the page gives as CSV, by their kind."""
    listed: tuple[Sequence[TabledRecord], ...] = report.records, report.bounds, report.behaviours
    return {records[0].kind: records for records in listed if records}
