"""The report as one self-contained HTML page: the data for the template ``page.html.j2``."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from apcli import __version__
from apcli.figures import FIGURES
from apcli.figures.canvas.colors import DARK, LIGHT, variables
from apcli.stages.report.answers.verdict import caveats, verdict
from apcli.stages.report.comparisons.ranking import sentences
from apcli.stages.report.comparisons.summary import Comparisons, comparisons_of
from apcli.stages.report.drawing.pictures import Picture, Pictures
from apcli.stages.report.inputs import mark_of
from apcli.stages.report.page.tiles import Tile, facts, tiles
from apcli.stages.report.runs.experiment import Group, Report
from apcli.stages.report.runs.quantities import ApKey, ApMeasure
from apcli.stages.report.runs.trials import Trial, file_name
from apcli.stages.report.tables import text_tables
from apcli.stages.report.tables.text_tables import TextTable
from apcli.words import count

LONG, WIDE = 8, 50  # rows of a table that is shown unfolded; letters of a cell that is not wrapped
NUMBER = re.compile(r"[−-]?[\d.]+(e-?\d+)?( ± [\d.]+(e-?\d+)?)?( \(s\.e\. [\d.]+(e-?\d+)?\))?|–")
_HERE = "apcli.stages.report.page"


@dataclass(frozen=True)
class PageTable:
    """A table on the page, folded if it has more than ``most`` rows."""

    text: TextTable
    most: int | None = None

    @property
    def folded(self) -> bool:
        return self.most is not None and len(self.text.rows) > self.most

    @property
    def numeric(self) -> list[bool]:
        """For each column, whether all cells are numbers."""
        return [all(NUMBER.fullmatch(row[index]) for row in self.text.rows) for index in range(len(self.text.head))]


@dataclass(frozen=True)
class Section:
    """A heading with sentences, pictures and tables below it."""

    title: str
    sentences: Sequence[str] = ()
    pictures: Sequence[Picture] = ()
    tables: Sequence[PageTable] = ()


@dataclass(frozen=True)
class GroupPart:
    """The part of the page about one group."""

    title: str
    facts: str
    tiles: Sequence[Tile]
    verdict: Sequence[str]
    notes: Sequence[str]
    sections: Sequence[Section]
    left_out: Sequence[str]


def page(report: Report, drawn: Pictures) -> str:
    """Render the page of a report with its pictures."""
    environment = Environment(
        loader=PackageLoader(_HERE, ""),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("page.html.j2").render(
        title=report.title,
        inputs=mark_of(report.given),
        style=_trusted(_colors() + files(_HERE).joinpath("page.css").read_text(encoding="utf-8")),
        parts=[_part(group, drawn) for group in report.groups],
        settings=PageTable(_settings(report)),
        files=PageTable(_files(report)),
        caveats=caveats(report.groups),
        made=_made(report),
        count=count,
        trusted=_trusted,
        wide=WIDE,
    )


def _colors() -> str:
    """The colours of figures, which the page's own style sheet may override."""
    light, dark = variables(LIGHT), variables(DARK)
    return f":root {{ {light} }}\n@media (prefers-color-scheme: dark) {{ :root {{ {dark} }} }}\n"


def _trusted(text: str) -> Markup:
    """Mark text as safe HTML: our style sheet, and pictures, whose text is escaped."""
    return Markup(text)


def _part(group: Group, drawn: Pictures) -> GroupPart:
    compared = comparisons_of(group)
    agreements = compared.agreements
    sections = [Section("Runs", tables=[PageTable(table) for table in text_tables.runs_tables(group)])]
    beside = _beside(group, compared)
    for row in FIGURES:
        pictures = [p for p in drawn.drawn if p.row is row and p.group is group]
        words, tables = beside.get(row.name, ((), ()))
        if pictures or tables:
            sections.append(Section(row.title, words, pictures, tables))
    for title, table, most in (
        ("Pairs that break the order", text_tables.broken_table(group, agreements), LONG),
        (text_tables.BOUNDS, text_tables.bounds_table(group), 0),
    ):
        if table.rows:
            sections.append(Section(title, tables=[PageTable(table, most)]))
    return GroupPart(
        group.title,
        facts(group),
        tiles(group, agreements),
        verdict(group, agreements),
        group.notes,
        sections,
        [figure.line for figure in drawn.missing if figure.group is group],
    )


def _beside(group: Group, compared: Comparisons) -> dict[str, tuple[Sequence[str], Sequence[PageTable]]]:
    """The sentences and tables beside a figure, by the figure's name."""
    accuracy, made = text_tables.accuracy_table(group), compared.rankings
    beside: dict[str, tuple[Sequence[str], Sequence[PageTable]]] = {}
    if accuracy.rows:
        beside["accuracy"] = (), [PageTable(accuracy)]
    if made:
        beside["ranking"] = sentences(group, made), [PageTable(text_tables.ranking_table(group, made), LONG)]
    if compared.agreements:
        beside["against-pd"] = (), [PageTable(text_tables.order_table(group, compared.agreements), 3 * LONG)]
    return beside


def _settings(report: Report) -> TextTable:
    measures: dict[ApKey, ApMeasure] = {m.key: m for group in report.groups for m in group.measures}
    head = ["measure", "distribution", "parameters", "divergence", "estimator", "measured on"]
    return TextTable("Measures and their settings.", head, [[m.label, *m.settings] for m in measures.values()])


def _files(report: Report) -> TextTable:
    trials = [(run, trial) for group in report.groups for run in group.runs for trial in run.trials]
    listed = {
        (
            side,
            file_name(file),
            (file.sha256 or "unknown")[:12],
            run.name if side == "pruned" else "",
            _seed(trial),
        )
        for run, trial in trials
        for side, file in (("dense", trial.dense), ("pruned", trial.pruned))
        if file.path
    }
    caption, head = "Files, with the first 12 digits of their SHA-256.", ["role", "file", "SHA-256", "run", "seed"]
    return TextTable(caption, head, [list(row) for row in sorted(listed)])


def _seed(trial: Trial) -> str:
    return "" if trial.seed is None else str(trial.seed)


def _made(report: Report) -> str:
    versions = sorted({str(record.version) for record in report.records})
    return f"Made by apcli {__version__} from {count(len(report.records), 'record')} (format {', '.join(versions)})."
